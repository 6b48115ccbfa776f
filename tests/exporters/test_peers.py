"""Beside the real node_exporter: on this machine, and on the made-up one."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hardware import KINDS, plant
from made_up_machine import MACHINE, Samples, parsed
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from promlab.exporters.node.collectors import NAMES
from tests.real_programs import node_exporter

pytestmark = pytest.mark.peers

MADE_UP = [f"--path.procfs={MACHINE / 'proc'}", f"--path.sysfs={MACHINE / 'sys'}"]
# Where the two may differ: who they are, and how long they took.
OWN = ("node_exporter_build_info", "node_scrape_collector_duration_seconds")
# The real one reads these from the running kernel, whatever --path.procfs says.
FROM_KERNEL = ("node_uname_info", "node_time_seconds")
OF_METADATA = ("snake_case", "base unit")


@contextlib.contextmanager
def real_exporter(peers: Path, *flags: str, defaults: bool = False) -> Iterator[str]:
    some = [] if defaults else ["--collector.disable-defaults"]
    with (
        tempfile.TemporaryDirectory() as folder,
        node_exporter(peers, Path(folder), *some, *flags) as address,
    ):
        yield f"http://{address}/metrics"


def get(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


def node_samples(text: str) -> Samples:
    found = {}
    for (name, labels), value in parsed(text).items():
        # The real one says 0 on some kernels whose disks are called rotational in /sys.
        known = tuple(pair for pair in labels if pair[0] != "rotational")
        if name.startswith("node_"):
            found[name, known] = value
    return found


def types(text: str) -> dict[str, str]:
    lines = [line.split() for line in text.splitlines() if line.startswith("# TYPE node_")]
    return {words[2]: words[3] for words in lines}


SWITCHES = [f"--collector.{name}" for name in NAMES]


def test_every_family_and_series_on_this_machine(
    peers: Path, run_exporter: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "job.prom").write_text('# TYPE job_runs_total counter\njob_runs_total{a="b"} 3\n')
    folder = f"--collector.textfile.directory={tmp_path}"
    with real_exporter(peers, *SWITCHES, folder) as url:
        theirs_text, ours_text = get(url), get(run_exporter(folder))
    theirs, ours = node_samples(theirs_text), node_samples(ours_text)
    missing = {key for key in theirs if key not in ours and key[0] not in OWN}
    assert not missing
    our_types = types(ours_text)
    assert {name: our_types[name] for name in types(theirs_text)} == types(theirs_text)
    for key in theirs.keys() & ours.keys():
        if key[0] not in OWN and not may_move(key[0]):
            assert ours[key] == pytest.approx(theirs[key], rel=0.2, abs=50), key
    assert parsed(ours_text)[("job_runs_total", (("a", "b"),))] == 3


def test_everything_that_the_real_one_shows_by_default(
    peers: Path, run_exporter: Callable[..., str]
) -> None:
    with real_exporter(peers, defaults=True) as url:
        theirs = parsed(get(url))
    ours = parsed(get(run_exporter()))
    own = ("go_", "promhttp_", "node_scrape_collector_", "node_exporter_build_info")
    found: list[set[str]] = []
    names = {name for name, _ in theirs if not name.startswith(own)}
    assert names <= {name for name, _ in ours}
    for text in (theirs, ours):
        succeeded = {
            dict(labels)["collector"]
            for (name, labels), value in text.items()
            if name == "node_scrape_collector_success" and value == 1
        }
        assert succeeded, text
        found.append(succeeded)
    assert found[0] == found[1]


def test_openmetrics_for_those_who_ask(run_exporter: Callable[..., str]) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    request = urllib.request.Request(f"{run_exporter()}?collect[]=cpu", headers=accept)
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        families = {f.name: f for f in text_string_to_metric_families(answer.read().decode())}
    assert families["node_cpu_seconds"].type == "counter"


def may_move(name: str) -> bool:
    """Counts that any other program of this machine may change between two scrapes."""
    return name.endswith("_total") or name.startswith(
        ("node_memory", "node_sockstat", "node_netstat", "node_vmstat", "node_procs", "node_load")
    )


def test_every_value_on_the_made_up_machine(peers: Path, run_exporter: Callable[..., str]) -> None:
    switches = [name for name in NAMES if name not in ("filesystem", "os", "textfile", "timex")]
    flags = [*(f"--collector.{name}" for name in switches), *MADE_UP, "--collector.stat.softirq"]
    files = ("--no-collector.netdev.netlink", "--no-collector.arp.netlink")
    with real_exporter(peers, *flags, *files) as url:
        theirs = node_samples(get(url))
    ours = node_samples(get(run_exporter("--collector.disable-defaults", *flags)))
    for key, value in theirs.items():
        if key[0] not in OWN + FROM_KERNEL:
            assert ours[key] == pytest.approx(value, rel=1e-12), key
    more = {name for name, _ in ours.keys() - theirs.keys()}
    # Without netlink the real one does not know packets that nobody wanted.
    assert more - set(OWN + FROM_KERNEL) == {"node_network_receive_nohandler_total"}


def test_promtool_finds_nothing_but_what_the_names_themselves_bring(
    peers: Path, run_exporter: Callable[..., str]
) -> None:
    text = get(run_exporter())
    done = subprocess.run(
        [peers / "promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    found = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert [line for line in found if not any(kind in line for kind in OF_METADATA)] == []


@pytest.mark.parametrize("query", ["collect[]=zip", "collect[]=cpu&exclude[]=os", "collect[]=os"])
def test_bad_requests_are_refused_alike(
    peers: Path, run_exporter: Callable[..., str], query: str
) -> None:
    ours = run_exporter("--collector.disable-defaults", "--collector.cpu")
    with real_exporter(peers, "--collector.cpu") as theirs:
        for url in (ours, theirs):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(f"{url}?{query}")
            assert refused.value.code == 400
            refused.value.close()


def test_hardware_that_few_have(
    peers: Path, run_exporter: Callable[..., str], tmp_path: Path
) -> None:
    for kind in KINDS:
        plant(kind, tmp_path)
    flags = [
        *(f"--collector.{kind}" for kind in KINDS),
        f"--path.procfs={tmp_path / 'proc'}",
        f"--path.sysfs={tmp_path / 'sys'}",
        "--collector.bcache.priorityStats",
    ]
    with real_exporter(peers, *flags) as their_url:
        our_url = run_exporter("--collector.disable-defaults", *flags)
        for kind in KINDS:
            texts = [get(f"{url}?collect[]={kind}") for url in (our_url, their_url)]
            ours, theirs = (
                {key: value for key, value in node_samples(text).items() if key[0] not in OWN}
                for text in texts
            )
            assert len(theirs) > 2, kind
            assert ours == pytest.approx(theirs, rel=1e-12), kind
            assert types(texts[0]) == types(texts[1]), kind


@pytest.mark.parametrize(
    ("kind", "flag"),
    [
        ("rapl", "--collector.rapl.enable-zone-label"),
        ("ipvs", "--collector.ipvs.backend-labels=proto,local_port"),
        ("hwmon", "--collector.hwmon.chip-include=coretemp"),
        ("hwmon", "--collector.hwmon.sensor-exclude=;temp[12]$"),
        ("powersupplyclass", "--collector.powersupply.ignored-supplies=^BAT"),
    ],
)
def test_hardware_by_the_flags_of_the_real_one(
    peers: Path, run_exporter: Callable[..., str], tmp_path: Path, kind: str, flag: str
) -> None:
    machine = plant(kind, tmp_path)
    paths = [f"--path.procfs={machine / 'proc'}", f"--path.sysfs={machine / 'sys'}"]
    flags = [f"--collector.{kind}", flag, *paths]
    with real_exporter(peers, *flags) as url:
        theirs = node_samples(get(url))
    ours = node_samples(get(run_exporter("--collector.disable-defaults", *flags)))
    for samples in (theirs, ours):
        for key in [key for key in samples if key[0] in OWN]:
            del samples[key]
    assert ours == pytest.approx(theirs, rel=1e-12)
