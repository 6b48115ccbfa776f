"""A real server in processes of its own, and a real target for it to scrape."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.patience import PATIENCE_S, until


class Target:
    """A target that says what `lines` has."""

    def __init__(self) -> None:
        target = self
        self.lines = "# HELP level How high.\n# TYPE level gauge\n"
        self.lines += 'things_total{kind="a\\"<b>"} 3\nlevel 0.25\n'
        self.content_type = "text/plain; version=0.0.4"
        self.scrapes = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                target.scrapes += 1
                body = target.said().encode()
                self.send_response(200)
                self.send_header("Content-Type", target.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def said(self) -> str:
        return self.lines

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Running:
    """One `promlab serve`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.log = (folder / "log").open("a+")
        addresses = folder / "addresses"
        addresses.unlink(missing_ok=True)
        command = [sys.executable, "-m", "promlab", "serve", f"--config.file={folder}/p.yml"]
        mode = "agent" if "--agent" in flags else "tsdb"
        command += ["--web.listen-address=127.0.0.1:0", f"--storage.{mode}.path={folder}/data"]
        command += [f"--web.address-file={addresses}", *flags]
        self.process = subprocess.Popen(command, stderr=self.log, stdout=self.log)
        text = until(lambda: self._alive() and addresses.read_text(), "an address")
        self.url = f"http://{text.strip()}"
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_S)

    def _alive(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return True

    def ready(self) -> Running:
        until(lambda: self.client.get("/-/ready").status_code == 200, "ready")
        return self

    def value(self, query: str) -> float | None:
        answer = self.client.get("/api/v1/query", params={"query": query})
        result = answer.json()["data"]["result"] if answer.status_code == 200 else []
        return float(result[0]["value"][1]) if result else None

    def child(self, name: str) -> psutil.Process | None:
        for child in psutil.Process(self.process.pid).children():
            if f"promlab.server.{name}" in child.cmdline():
                return child
        return None

    def stop(self) -> int:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self.log.close()
        return code


def write_config(folder: Path, *addresses: str, interval: str = "1s") -> None:
    """A job of these targets. A scrape may take as long as the interval: on a busy machine one
    of much less than a second fails now and then, and its series are gone until the next.
    """
    targets = ", ".join(f'"{address}"' for address in addresses)
    (folder / "p.yml").write_text(
        f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\n"
        f"scrape_configs:\n- job_name: t\n  static_configs: [{{targets: [{targets}]}}]\n"
    )


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[Running]:
    server = Running(folder, *flags)
    try:
        yield server.ready()
    finally:
        server.stop()


def run_to_its_end(folder: Path, *flags: str) -> tuple[int, str]:
    """Exit code and stderr of a `promlab serve` that can't start."""
    command = [sys.executable, "-m", "promlab", "serve", f"--config.file={folder}/p.yml"]
    command += [f"--storage.tsdb.path={folder}/data", *flags]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, env=dict(os.environ)
    )
    return done.returncode, done.stderr
