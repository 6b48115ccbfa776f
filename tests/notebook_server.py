"""Fixtures of the notebook's rooms: a real Prometheus that watches itself and a node exporter."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promlab.client import Client, InstantVector
from promlab.errors import PromlabError

CONFIG = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ["127.0.0.1:{server}"]}}]
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{node}"]}}]
"""
_pause = threading.Event()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(holds: Callable[[], object], patience_s: float = 60.0) -> None:
    """Wait for a condition of another process."""
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end, "the condition never came true"
        _pause.wait(0.05)


def has_samples(client: Client, query: str, count: int = 1) -> bool:
    try:
        found = client.query(query)
    except PromlabError:
        return False
    return isinstance(found, InstantVector) and len(found) >= count


@pytest.fixture(scope="session")
def prometheus(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Prometheus that has scraped each of its two targets more than once."""
    folder = tmp_path_factory.mktemp("prometheus")
    server, node = free_port(), free_port()
    (folder / "prometheus.yml").write_text(CONFIG.format(server=server, node=node))
    commands = [
        [peers / "prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{node}"],
        [
            peers / "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{server}",
        ],
    ]
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        with Client(f"http://127.0.0.1:{server}") as client:
            until(lambda: has_samples(client, "count_over_time(up[1m]) >= 3", 2))
        yield f"http://127.0.0.1:{server}"
    finally:
        for process in running:
            process.kill()
            process.wait()
