"""The real node_exporter, scraped for a while, with kill -9 in the middle.

Whatever a query has shown once is acknowledged: it has to be there afterwards, once, with the
same bits. The length is 10 s, or $PROMLAB_SOAK_S seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import real_programs
from tests.patience import PATIENCE_S, until
from tests.ports import free_port

# Whatever fails here may be a loss: there is no second try.
pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.flaky(reruns=0)]

LENGTH_S = float(os.environ.get("PROMLAB_SOAK_S", "10"))
WATCHED = '{job="node"}'

Samples = dict[tuple[tuple[str, str], ...], dict[float, str]]


def get(port: int, path: str, **parameters: Any) -> Any:
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return json.load(answer)["data"]


def wait_until_up(port: int, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        assert process.poll() is None, "the server ended by itself"
        return bool(get(port, "/api/v1/query", query="1"))

    until(answers, "the server")


@pytest.fixture
def node_exporter(peers: Path, tmp_path: Path) -> Iterator[str]:
    with real_programs.node_exporter(peers, tmp_path) as address:
        yield address


def serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    arguments = [
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = (folder / "log").open("ab")
    return subprocess.Popen([sys.executable, "-m", "promlab", "serve", *arguments], stderr=log)


def kill_at_once(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to every process of the server: nobody gets to clean up."""
    parent = psutil.Process(process.pid)
    for victim in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    process.wait()


def stored(port: int, range_s: int) -> Samples:
    """Every stored sample of the watched series; times as the API prints them."""
    rows = get(port, "/api/v1/query", query=f"{WATCHED}[{range_s}s]")["result"]
    return {tuple(sorted(row["metric"].items())): dict(row["values"]) for row in rows}


def assert_kept(seen: Samples, now: Samples) -> None:
    for series, samples in seen.items():
        assert series in now, f"series lost: {series}"
        lost = {t: v for t, v in samples.items() if now[series].get(t) != v}
        assert not lost, f"{series}: {len(lost)} of {len(samples)} samples lost or changed: {lost}"


def test_nothing_acknowledged_is_lost(tmp_path: Path, node_exporter: str) -> None:
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
        "scrape_configs:\n- job_name: node\n  static_configs:\n"
        f"  - targets: ['{node_exporter}']\n"
    )
    port, range_s = free_port(), int(LENGTH_S + PATIENCE_S) + 120
    server = serve(tmp_path, port)
    try:
        wait_until_up(port, server)
        started = time.monotonic()
        seen: Samples = {}
        while time.monotonic() - started < LENGTH_S / 2 or not seen:
            time.sleep(0.2)
            seen = stored(port, range_s)
        kill_at_once(server)

        server = serve(tmp_path, port)
        wait_until_up(port, server)
        after = stored(port, range_s)
        assert_kept(seen, after)

        up = (("__name__", "up"), ("instance", node_exporter), ("job", "node"))
        scrapes = 0
        # The machine's pace: what counts is that both servers have scraped for a while.
        while scrapes < len(after[up]) + LENGTH_S / 4 or time.monotonic() - started < LENGTH_S:
            time.sleep(0.2)
            seen = stored(port, range_s)
            scrapes = len(seen[up])
            assert time.monotonic() - started < LENGTH_S + PATIENCE_S, "too few scrapes came in"
        assert_kept(after, seen)
        assert len(seen) > 300
        assert list(seen[up].values()).count("1") > scrapes / 2
        print(f"{len(seen)} series, {sum(map(len, seen.values()))} samples, {scrapes} scrapes kept")
    finally:
        server.terminate()
        server.wait(PATIENCE_S)
