"""A server that is replaying its log: what it tells, refuses and, where asked to, answers.

The newest segment of the log is a pipe, so that replay waits there until the test writes to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from running import Running, Target, running, until, write_config

pytestmark = pytest.mark.slow
SUM = 'sum(count_over_time(things_total[1h])) + 0 * sum(last_over_time(up{job="t"}[1h]))'
WAITING = 90


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a killed server leaves."""
    target = Target()
    write_config(tmp_path, target.address)
    try:
        with running(tmp_path) as server:
            until(lambda: (server.value(SUM) or 0) >= 3, "samples")
            tree = psutil.Process(server.process.pid)
            for process in (*tree.children(), tree):
                process.kill()
            server.process.wait()
    finally:
        target.close()
    write_config(tmp_path)
    return tmp_path


@contextmanager
def held(folder: Path, *flags: str) -> Iterator[Running]:
    """A server whose replay waits, and goes on when this ends."""
    pipe = folder / "data" / "wal" / f"{WAITING:08d}"
    os.mkfifo(pipe)
    server = Running(folder, *flags)
    try:
        yield server
        os.close(os.open(pipe, os.O_WRONLY))
        server.ready()
    finally:
        server.stop()


def metric(server: Running, name: str) -> float | None:
    for line in server.client.get("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


def test_progress_is_told_and_queries_wait(left: Path) -> None:
    segments = sorted(int(path.name) for path in (left / "data" / "wal").iterdir())
    with held(left) as server:

        def told() -> dict[str, int]:
            answer = server.client.get("/api/v1/status/walreplay").json()
            found: dict[str, int] = answer["data"]
            return found

        wanted = {"min": segments[0], "max": WAITING, "current": WAITING}
        until(lambda: told() == wanted, "replay of the last segment")
        ratio = metric(server, "promlab_tsdb_replay_progress_ratio")
        assert ratio is not None
        assert server.client.get("/-/ready").status_code == 503
        for path in ("query?query=1", "labels", "targets"):
            assert server.client.get(f"/api/v1/{path}").status_code == 503
    with running(left) as again:
        assert metric(again, "promlab_tsdb_replay_progress_ratio") == 1
        replayed = again.client.get("/api/v1/status/walreplay").json()["data"]
        assert replayed["current"] == replayed["max"]


def test_queries_are_answered_early_where_asked_for(left: Path) -> None:
    with held(left, "--storage.tsdb.serve-while-replaying") as server:
        early = until(lambda: server.value(SUM), "an early answer")
        assert early >= 3
        assert server.client.get("/api/v1/label/kind/values").json()["data"] == ['a"<b>']
        assert server.client.get("/-/ready").status_code == 503
        assert server.client.get("/api/v1/targets").status_code == 503
        assert metric(server, "prometheus_ready") == 0
    with running(left, "--storage.tsdb.serve-while-replaying") as again:
        assert again.value(SUM) == early


def test_an_empty_directory_has_nothing_to_serve_early(tmp_path: Path) -> None:
    write_config(tmp_path)
    with running(tmp_path, "--storage.tsdb.serve-while-replaying") as server:
        assert server.value("vector(1)") == 1
