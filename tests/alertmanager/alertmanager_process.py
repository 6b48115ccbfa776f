"""Real processes for tests: ours or the real Alertmanager, and sinks that keep what they get."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.patience import until as eventually
from tests.ports import free_port

__all__ = ["eventually", "free_port"]
DEADLINE_S = 120.0


@dataclass
class Call:
    """A request that a sink got."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    t: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"


@dataclass
class Sink:
    """An HTTP server that keeps what it gets; `answer` says what it replies."""

    url: str
    calls: list[Call] = field(default_factory=list)
    answer: Callable[[Call], Reply] = lambda call: Reply()

    def to(self, path: str) -> list[Call]:
        """Calls of paths that begin so."""
        return [call for call in self.calls if call.path.startswith(path)]


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextlib.contextmanager
def sink(
    answer: Callable[[Call], Reply] = lambda call: Reply(), tls: ssl.SSLContext | None = None
) -> Iterator[Sink]:
    """A sink on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            call = Call(self.command, self.path, dict(self.headers), body, time.time())
            reply = found.answer(call)
            found.calls.append(call)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, *args: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "http" if tls is None else "https"
    found = Sink(f"{scheme}://127.0.0.1:{server.server_port}", answer=answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Running:
    """An Alertmanager's process."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON (or text) of an answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json", **(headers or {})},
            method=method,
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, raw = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        try:
            return status, json.loads(raw) if raw else None
        except ValueError:
            return status, raw.decode()

    def get(self, path: str) -> Any:
        status, found = self.call("GET", path)
        assert status == 200, (status, found)
        return found

    def post_alerts(self, *alerts: dict[str, Any]) -> None:
        status, found = self.call("POST", "/api/v2/alerts", list(alerts))
        assert status == 200, found

    def silence(self, *matchers: tuple[str, str], hours: float = 1) -> str:
        now = time.time()
        body = {
            "matchers": [{"name": n, "value": v, "isRegex": False} for n, v in matchers],
            "startsAt": stamp(now),
            "endsAt": stamp(now + hours * 3600),
            "createdBy": "me",
            "comment": "why",
        }
        status, found = self.call("POST", "/api/v2/silences", body)
        assert status == 200, found
        return str(found["silenceID"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=DEADLINE_S)

    def reload(self) -> None:
        os.kill(self.process.pid, signal.SIGHUP)

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError):
            return self.call("GET", "/-/ready")[0] == 200
        return False


def stamp(t: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t * 1000) % 1000:03d}Z"


@contextlib.contextmanager
def alertmanager(
    folder: Path, config: str, *flags: str, real: Path | None = None, cluster: str = "",
    scheme: str = "http", wait: bool = True,
) -> Iterator[Running]:  # fmt: skip
    """An Alertmanager with this configuration; the real one if its binaries are given."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "am.yml").write_text(config)
    port = free_port()
    command = [
        *([str(real / "prometheus-alertmanager")] if real else
          [sys.executable, "-m", "promlab", "alertmanager"]),
        f"--config.file={folder}/am.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--cluster.listen-address={cluster}",
        *flags,
    ]  # fmt: skip
    log = folder / f"log-{port}"
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    running = Running(process, f"{scheme}://127.0.0.1:{port}", log)
    try:
        if wait:
            eventually(running.ready, "it gets ready")
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
