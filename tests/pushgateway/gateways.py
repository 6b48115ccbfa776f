"""Real gateways in processes of their own, ours and the other one, and requests to them."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from promlab import lifeline
from tests.patience import PATIENCE_S, until
from tests.real_programs import listening


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Running:
    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def ask(
        self, method: str, path: str, body: bytes | str = b"", headers: dict[str, str] | None = None
    ) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            data = body.encode() if isinstance(body, str) else body
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            return Got(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """Pushed series as the scrape has them, numbers read."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        found = {}
        for line in lines:
            if not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                found[series] = float(value)
        return found

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def ours(*flags: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "promlab", "pushgateway"]
    process = lifeline.spawn(
        [*command, "--web.listen-address=127.0.0.1:0", *flags], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said, port = [], 0
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"listening on http://127.0.0.1:(\d+)", line):
            port = int(found[1])
            break
    try:
        assert port, "".join(said)
        running = Running(process, port)
        until(lambda: _answers(running, prefix_of(flags)))
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)
        process.stderr.close()
        lifeline.release(process)


@contextlib.contextmanager
def theirs(peers: Path, *flags: str) -> Iterator[Running]:
    command = [peers / "prometheus-pushgateway", "--persistence.file=", *flags]
    ready = f"{prefix_of(flags)}/-/ready"
    with (
        tempfile.TemporaryDirectory() as folder,
        listening(*command, log=Path(folder) / "log", ready=ready) as found,
    ):
        yield Running(found.process, found.port)


def prefix_of(flags: tuple[str, ...]) -> str:
    return next((f.partition("=")[2] for f in flags if f.startswith("--web.route-prefix=")), "")


def _answers(running: Running, prefix: str) -> bool:
    if running.process.poll() is not None:
        raise AssertionError(f"the gateway ended with {running.process.returncode}")
    try:
        return running.ask("GET", f"{prefix}/-/ready").status == 200
    except OSError:
        return False
