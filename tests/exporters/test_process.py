"""Groups of real processes: what they use, and what stays when one of them ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_machine import Samples, parsed

from promlab.errors import ConfigError
from promlab.exporters.families import render
from promlab.exporters.process.command import ProcessExporter, make
from promlab.model.matchers import compile_regex

BUSY = "import sys; sum(range(3_000_000)); print('made', flush=True); sys.stdin.read()"


def scraped(exporter: ProcessExporter) -> Samples:
    return parsed(render(exporter.collect()).decode())


def test_a_group_by_its_command_line() -> None:
    marker = f"marker{os.getpid()}"  # other runs of this test on the same machine have theirs
    exporter = ProcessExporter(pattern=compile_regex(rf"{marker}-(\w+)$"))
    command = [sys.executable, "-c", BUSY, f"{marker}-one"]
    group = ("groupname", "one")
    cpu = ("namedprocess_namegroup_cpu_seconds_total", (group, ("mode", "user")))
    number = ("namedprocess_namegroup_num_procs", (group,))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = scraped(exporter)
        assert first[number] == 1
        assert first[cpu] > 0
        memory = ("namedprocess_namegroup_memory_bytes", (group, ("memtype", "resident")))
        assert first[memory] > 1e6
        assert scraped(exporter)[cpu] >= first[cpu]
        process.communicate()
    gone = scraped(exporter)
    assert number not in gone
    assert gone[cpu] >= first[cpu]  # a counter does not fall when its process ends
    assert len({name for name, _ in gone}) >= 2


def test_groups_by_name() -> None:
    name = Path("/proc/self/comm").read_text().strip() if Path("/proc/self/comm").exists() else ""
    found = scraped(ProcessExporter(frozenset({name})))
    assert {dict(labels)["groupname"] for _, labels in found} == {name}


def test_a_bad_expression() -> None:
    with pytest.raises(ConfigError, match=r"--process\.match"):
        make({"process.match": "("})


@pytest.mark.peers
def test_promtool_finds_nothing(peers: Path) -> None:
    text = render(ProcessExporter().collect())
    done = subprocess.run([peers / "promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")
