"""Prometheus, vmagent and ours ask the same fakes, and find the same labels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from case import Case
from discovering import Labels, discovered
from discovery_cases import CASES, EC2
from real_targets import ADDED, Real, settle

from tests.ports import free_port
from tests.real_programs import listening, program

pytestmark = [pytest.mark.peers]

COMPARED = [*(case for case in CASES if case.oracle == "Prometheus"), EC2]
BY_VMAGENT = [case for case in CASES if case.oracle == "vmagent"]
# What Prometheus documents and vmagent does not have, and the other way round.
OF_ONE = (
    "__meta_openstack_instance_image", "__meta_openstack_instance_flavor",
    "__meta_consul_tagpresent_", "__meta_nomad_tagpresent_", "__meta_nomad_service_alloc_id",
    "__meta_nomad_service_job_id",
)  # fmt: skip


def configured(stack: contextlib.ExitStack, folder: Path, cases: list[Case]) -> dict[str, str]:
    """Sections of these cases, each a job of prometheus.yml in the folder."""
    sections = {
        case.name: stack.enter_context(case.served(folder / case.name))[0] for case in cases
    }
    # Targets that end with the same labels are one to the API: they keep theirs.
    keep = "relabel_configs: [{action: labelmap, regex: '__meta_(.*)'}]"
    jobs = [f"- job_name: {name}\n  {keep}\n  {text}" for name, text in sections.items()]
    scrape = "global: {scrape_interval: 1h}\nscrape_configs:\n"
    (folder / "prometheus.yml").write_text(scrape + "\n".join(jobs) + "\n")
    return sections


@pytest.fixture(scope="module")
def real(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    folder = tmp_path_factory.mktemp("real")
    with contextlib.ExitStack() as stack:
        sections = configured(stack, folder, COMPARED)
        command = [peers / "prometheus", f"--config.file={folder}/prometheus.yml"]
        command += [f"--storage.tsdb.path={folder}/d"]
        process = stack.enter_context(listening(*command, log=folder / "log"))
        real = Real(process.url, sections)
        settle(real, process, {case.name: case.targets for case in COMPARED})
        yield real


@pytest.fixture(scope="module")
def vmagent(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    folder, port = tmp_path_factory.mktemp("vmagent"), free_port()
    if not (peers / "vmagent").exists():
        pytest.skip("no vmagent among the peers")
    with contextlib.ExitStack() as stack:
        sections = configured(stack, folder, BY_VMAGENT)
        command = [peers / "vmagent", f"-promscrape.config={folder}/prometheus.yml"]
        command += [f"-httpListenAddr=127.0.0.1:{port}", f"-remoteWrite.tmpDataPath={folder}/d"]
        command += ["-remoteWrite.url=http://127.0.0.1:9/", "-loggerLevel=WARN"]
        process = stack.enter_context(program(*command, log=folder / "log"))
        real = Real(f"http://127.0.0.1:{port}", sections)
        settle(real, process, {case.name: case.targets for case in BY_VMAGENT})
        yield real


async def hold(case: Case, real: Real, but: tuple[str, ...] = ()) -> None:
    """What ours finds must be what the other has found; labels that start as `but` are left out."""
    gone = (*ADDED, *but)

    def rows(found: list[Labels]) -> list[tuple[tuple[str, str], ...]]:
        return sorted(
            tuple(
                sorted(
                    (name, text)
                    for name, text in each.items()
                    if text and not name.startswith(gone)
                )
            )
            for each in found
        )

    ours = rows(await discovered(real.sections[case.name]))
    theirs = rows(real.found().get(case.name, []))
    alone, missed = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    pairs = [
        f"ours {sorted(set(one) - set(other))}, theirs {sorted(set(other) - set(one))}"
        for one, other in zip(alone, missed, strict=False)
    ]
    assert (len(alone), len(missed)) == (0, 0), "\n".join(pairs) or (alone, missed)
    assert len(ours) == len(theirs) == case.targets


@pytest.mark.parametrize("case", COMPARED, ids=lambda case: case.name)
async def test_the_real_one_finds_the_same(case: Case, real: Real) -> None:
    await hold(case, real)


@pytest.mark.parametrize("case", BY_VMAGENT, ids=lambda case: case.name)
async def test_vmagent_finds_the_same(case: Case, vmagent: Real) -> None:
    await hold(case, vmagent, OF_ONE)
