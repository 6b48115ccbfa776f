"""After kill -9: time and memory to be ready again, and what the log costs, beside Prometheus.

    python -m benchmarks restart

Both scrape the same fleet at the same time, are killed, and start again, in turn, on copies of
what they left. Of the log, all bytes count that were written for a sample, also those that are
gone by then; the same for a real node_exporter, whose series change less.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.tools import PROMLAB, need_load_tools

TARGETS, SERIES, SECONDS = 100, 1_000, 116  # some 11.5 million samples
NODE_SECONDS = 60
ROUNDS = 5
SPECS = {"prometheus": "prometheus", "promlab": PROMLAB}


class Restart(NamedTuple):
    """One start on what a killed server left."""

    ready_s: float
    cpu_s: float
    peak_mb: float
    mb: float


def kill(server: Any) -> None:
    """End all processes of a server at once."""
    from servers import tree

    for pid in reversed(tree(server.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.p.wait()


class Log:
    """Watches the log of a server: segments only grow, and go."""

    def __init__(self, data: str) -> None:
        self._folder, self._sizes = Path(data) / "wal", dict[str, int]()

    def look(self) -> None:
        """Note how large the segments are."""
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.is_file():
                    size = max(self._sizes.get(path.name, 0), path.stat().st_size)
                    self._sizes[path.name] = size

    @property
    def bytes(self) -> int:
        """What was written in all."""
        return sum(self._sizes.values())


def appended(server: Any) -> float:
    """Samples that a server has stored, its own of each scrape too."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    name = "prometheus_tsdb_head_samples_appended_total"
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def fill(config: str, seconds: int, keep: Path | None = None) -> None:
    """Let both scrape for so long, tell what their logs took, kill them, keep what they left."""
    from servers import Server

    servers = [Server(spec, config) for spec in SPECS.values()]
    logs = [Log(server.data) for server in servers]
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.25)
            for log in logs:
                log.look()
        theirs, ours = (
            log.bytes / appended(server) for log, server in zip(logs, servers, strict=True)
        )
        row("log, bytes a sample", theirs, ours)
    finally:
        for server in servers:
            kill(server)
            if keep is not None:
                shutil.move(server.data, keep / server.name)
            server.clean()


def restart(name: str, left: Path) -> Restart:
    """Start on a copy of what was left, until it answers."""
    import servers

    peak = [0]
    done = threading.Event()

    class OnCopy(servers.Server):  # type: ignore[misc]  # the load tools have no types
        @property
        def data(self) -> str:
            """Where its samples are: a copy is there before the clock starts."""
            return self._data

        @data.setter
        def data(self, path: str) -> None:
            shutil.copytree(left / name, path)
            self._data = path

        def _wait(self, began: float) -> float:
            watching = threading.Thread(target=watch, args=(self.pid,))
            watching.start()
            try:
                return float(super()._wait(began))
            finally:
                done.set()
                watching.join()

    def watch(pid: int) -> None:
        while not done.wait(0.1):
            peak[0] = max(peak[0], servers.memory(pid)["pss"])

    server = OnCopy(SPECS[name])
    found = server.mem()["pss"]
    made = Restart(server.ready_s, server.cpu(), max(peak[0], found) / 1e6, found / 1e6)
    kill(server)
    server.clean()
    return made


def row(what: str, theirs: float, ours: float) -> None:
    """One line of the table."""
    print(f"| {what} | {theirs:.3g} | {ours:.3g} | {ours / theirs:.2f} |", flush=True)


@contextlib.contextmanager
def node_exporter() -> Iterator[str]:
    """The configuration for a real one."""
    from servers import free_port, peer

    address = f"127.0.0.1:{free_port()}"
    command = [peer("prometheus-node-exporter"), f"--web.listen-address={address}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield (
            "scrape_configs:\n- job_name: node\n  scrape_interval: 1s\n  scrape_timeout: 1s\n"
            f"  static_configs: [{{targets: ['{address}']}}]\n"
        )
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Print the table."""
    need_load_tools()
    from ingest import Fleet, config

    header = "| Prometheus | promlab | ratio |\n|---|---|---|---|"
    print(f"| {TARGETS} targets x {SERIES} series, {SECONDS} s {header}")
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(TARGETS, SERIES, 60)
        try:
            fill(config(fleet, TARGETS, 1), SECONDS, Path(folder))
        finally:
            fleet.stop()
        runs: dict[str, list[Restart]] = {name: [] for name in SPECS}
        for _ in range(ROUNDS):
            for name in SPECS:
                runs[name].append(restart(name, Path(folder)))
    for figure, what in (
        ("ready_s", "ready after kill -9, s"),
        ("cpu_s", "CPU until then, s"),
        ("peak_mb", "memory meanwhile at most, MB"),
        ("mb", "memory when ready, MB"),
    ):
        row(what, *(statistics.median(getattr(r, figure) for r in runs[n]) for n in SPECS))
    print(f"\n| a real node_exporter, {NODE_SECONDS} s {header}")
    with node_exporter() as text:
        fill(text, NODE_SECONDS)
