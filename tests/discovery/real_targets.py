"""What another program's discovery has found, by job."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from typing import Any

from discovering import Labels

from tests.patience import PATIENCE_S
from tests.real_programs import Program

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


def settle(real: Real, process: Program, wanted: dict[str, int]) -> None:
    """Wait until as many targets as must be found have been."""
    found: dict[str, int] = {}
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and found != wanted:
        time.sleep(0.2)
        process.is_alive()
        with contextlib.suppress(OSError):
            found = {job: len(rows) for job, rows in real.found().items()}
    if found != wanted:
        print(process.said()[-8000:])
