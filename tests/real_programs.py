"""Programs of others as tests run them: on a port of the kernel's choice, ready, and ended.

Prometheus and its friends say in their logs where they listen: no port is chosen beforehand.
One that dies fails the test with its log.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.patience import until

ANY_PORT = "--web.listen-address=127.0.0.1:0"
LISTENING = re.compile(r'msg="Listening on"[^\n]* address=(\S+)\n')
TIMEOUT_S = 60.0


class Program:
    """A running program of somebody else's."""

    def __init__(self, command: Sequence[object], log: Path) -> None:
        self.log, self.address = log, ""
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdout=output, stderr=output
            )

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def is_alive(self) -> bool:
        code = self.process.poll()
        assert code is None, f"{self.process.args} ended with {code}:\n{self.said()[-8000:]}"
        return True

    def listens(self) -> bool:
        found = LISTENING.search(self.said()) if self.is_alive() else None
        self.address = found[1] if found else ""
        return bool(found)

    def answers(self, path: str) -> bool:
        return self.is_alive() and httpx.get(self.url + path, timeout=TIMEOUT_S).is_success

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def program(*command: object, log: Path) -> Iterator[Program]:
    """Any program, as long as the block; nothing is waited for."""
    found = Program(command, log)
    try:
        yield found
    finally:
        found.end()


@contextmanager
def listening(*command: object, log: Path, ready: str = "/-/ready") -> Iterator[Program]:
    """A program that logs its address as Prometheus does, once it answers 200 at a path."""
    with program(*command, ANY_PORT, log=log) as found:
        until(found.listens, f"the address of {command[0]}")
        until(lambda: found.answers(ready), f"{command[0]} ready")
        yield found


@contextmanager
def prometheus(
    peers: Path, folder: Path, config: str, *flags: str, ready: str = "/-/ready"
) -> Iterator[httpx.Client]:
    """A client of a real Prometheus with this configuration. `folder` is made where missing."""
    folder.mkdir(exist_ok=True)
    (folder / "p.yml").write_text(config)
    command = [peers / "prometheus", f"--config.file={folder}/p.yml"]
    command += [f"--storage.tsdb.path={folder}/data", *flags]
    with (
        listening(*command, log=folder / "log", ready=ready) as found,
        httpx.Client(base_url=found.url, timeout=TIMEOUT_S) as client,
    ):
        yield client


@contextmanager
def alertmanager(peers: Path, folder: Path, *flags: str) -> Iterator[str]:
    """Address of a real Alertmanager that notifies nobody."""
    (folder / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    command = [peers / "prometheus-alertmanager", f"--config.file={folder}/am.yml"]
    command += [f"--storage.path={folder}/am-data", "--cluster.listen-address=", *flags]
    with listening(*command, log=folder / "am.log") as found:
        yield found.address


@contextmanager
def node_exporter(peers: Path, folder: Path, *flags: str) -> Iterator[str]:
    """Address of a real node_exporter."""
    command = [peers / "prometheus-node-exporter", *flags]
    with listening(*command, log=folder / "node.log", ready="/") as found:
        yield found.address


def value(client: httpx.Client, query: str) -> str | None:
    """The value of the first series that a query finds."""
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
    result = answer["data"]["result"]
    return result[0]["value"][1] if result else None
