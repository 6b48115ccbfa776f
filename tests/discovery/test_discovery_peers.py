"""The real Prometheus and ours ask the same fakes, and find the same labels."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from case import Case
from discovering import Labels, discovered
from discovery_cases import CASES, EC2

from tests.patience import PATIENCE_S
from tests.real_programs import listening

pytestmark = [pytest.mark.peers]

COMPARED = [*(case for case in CASES if case.peer), EC2]
# What a scrape config adds to every target.
ADDED = ("__scheme__", "__metrics_path__", "__scrape_interval__", "__scrape_timeout__", "job")


class Real:
    """The real Prometheus, with one job for each case."""

    def __init__(self, url: str, sections: dict[str, str]) -> None:
        self.url, self.sections = url, sections

    def found(self) -> dict[str, list[Labels]]:
        url = f"{self.url}/api/v1/targets?state=active"
        with urllib.request.urlopen(url, timeout=60) as answer:
            targets: list[Any] = json.load(answer)["data"]["activeTargets"]
        by_job: dict[str, list[Labels]] = {}
        for target in targets:
            labels = target["discoveredLabels"]
            shown = {name: value for name, value in labels.items() if name not in ADDED}
            by_job.setdefault(labels["job"], []).append(shown)
        return {
            job: sorted(rows, key=lambda row: sorted(row.items())) for job, rows in by_job.items()
        }


@pytest.fixture(scope="module")
def real(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    folder = tmp_path_factory.mktemp("real")
    with contextlib.ExitStack() as stack:
        sections = {
            case.name: stack.enter_context(case.served(folder / case.name))[0] for case in COMPARED
        }
        # Targets that end with the same labels are one to the API: they keep theirs.
        keep = "relabel_configs: [{action: labelmap, regex: '__meta_(.*)'}]"
        jobs = [f"- job_name: {name}\n  {keep}\n  {text}" for name, text in sections.items()]
        config = folder / "prometheus.yml"
        scrape = "global: {scrape_interval: 1h}\nscrape_configs:\n"
        config.write_text(scrape + "\n".join(jobs) + "\n")
        command = [peers / "prometheus", f"--config.file={config}"]
        command += [f"--storage.tsdb.path={folder}/d"]
        process = stack.enter_context(listening(*command, log=folder / "log"))
        real = Real(process.url, sections)
        wanted = {case.name: case.targets for case in COMPARED}
        found: dict[str, int] = {}
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and found != wanted:
            time.sleep(0.2)
            process.is_alive()
            with contextlib.suppress(OSError):
                found = {job: len(rows) for job, rows in real.found().items()}
        if found != wanted:
            print(process.said()[-8000:])
        yield real


@pytest.mark.parametrize("case", COMPARED, ids=lambda case: case.name)
async def test_the_real_one_finds_the_same(case: Case, real: Real) -> None:
    ours = [tuple(sorted(each.items())) for each in await discovered(real.sections[case.name])]
    theirs = [tuple(sorted(each.items())) for each in real.found().get(case.name, [])]
    alone, missed = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    pairs = [
        f"ours {sorted(set(one) - set(other))}, theirs {sorted(set(other) - set(one))}"
        for one, other in zip(alone, missed, strict=False)
    ]
    assert (len(alone), len(missed)) == (0, 0), "\n".join(pairs) or (alone, missed)
    assert len(ours) == len(theirs) == case.targets
