"""A whole server whose wall clock is set an hour forth and an hour back: nothing stops, nothing
that was stored is lost, and nothing takes a negative time.

The clock is that of all its processes: a module that Python loads first in each of them adds
what the test says to the time of day. The monotonic clock goes on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.running import Running, Target, running, until
from tests.write_bodies import Series, compressed, headers, version_1

pytestmark = pytest.mark.slow

HOUR_S = 3600
FIRST_MODULE = """
import mmap, os, time
with open(os.environ["PROMLAB_TEST_CLOCK"], "rb") as file:
    shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + int.from_bytes(shared[:8], "little", signed=True)
time.time_ns = lambda: real_ns() + int.from_bytes(shared[:8], "little", signed=True) * 10**9
"""
FLAGS = ("--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=1d")


class WallClock:
    """The time of day of all servers that are started from now on."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = folder / "clock"
        self.ahead_s = 0
        self.set(0)
        (folder / "first").mkdir()
        (folder / "first" / "sitecustomize.py").write_text(FIRST_MODULE)
        monkeypatch.setenv("PYTHONPATH", str(folder / "first"))
        monkeypatch.setenv("PROMLAB_TEST_CLOCK", str(self._path))

    def set(self, ahead_s: int) -> None:
        """Seconds that it is ahead of the real one."""
        self.ahead_s = ahead_s
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(ahead_s.to_bytes(8, "little", signed=True))

    def now_s(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.close()


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(tmp_path, monkeypatch)


def write_files(folder: Path, address: str, window: str) -> None:
    (folder / "p.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 200ms}\n"
        f"storage: {{tsdb: {{out_of_order_time_window: {window}}}}}\n"
        "rule_files: [r.yml]\n"
        f"scrape_configs: [{{job_name: t, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    (folder / "r.yml").write_text(
        "groups: [{name: g, rules: [{record: ruled, expr: vector(1)}, "
        "{alert: A, expr: vector(1), for: 200ms}]}]\n"
    )


def wait_for_new_samples(server: Running, clock: WallClock) -> None:
    """Until there are scrapes and evaluations of later than now."""
    since = clock.now_s()
    until(lambda: (server.value("timestamp(level)") or 0) > since, "a scrape")
    until(lambda: (server.value("timestamp(ruled)") or 0) > since, "an evaluation")
    until(lambda: server.value('ALERTS{alertstate="firing"}') == 1, "an alert")


def samples(server: Running, *names: str) -> set[tuple[str, float, str]]:
    """All samples of some series, from long ago until long after now."""
    found = set()
    for name in names:
        asked = {"query": f"{name}[4h]", "time": str(time.time() + 2 * HOUR_S)}
        answer: Any = server.client.get("/api/v1/query", params=asked).json()
        for series in answer["data"]["result"]:
            found |= {(name, t, value) for t, value in series["values"]}
    return found


def refused(server: Running) -> float:
    """Samples of scrapes that were refused."""
    metric = r"^prometheus_target_scrapes_sample_out_of_order_total (\S+)$"
    found = re.search(metric, server.client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def write(server: Running, name: str, t_s: float) -> int:
    body = compressed(version_1([Series({"__name__": name}, [(int(t_s * 1000), 1.0, 0)])]))
    return server.client.post("/api/v1/write", content=body, headers=headers()).status_code


def test_a_clock_that_is_set(tmp_path: Path, clock: WallClock, target: Target) -> None:
    write_files(tmp_path, target.address, "4h")
    with running(tmp_path, *FLAGS) as server:
        for ahead_s in (0, HOUR_S, 0, -HOUR_S, HOUR_S):
            before = samples(server, "level", "ruled", "pushed")
            clock.set(ahead_s)
            wait_for_new_samples(server, clock)
            assert write(server, "pushed", clock.now_s()) == 204
            assert before <= samples(server, "level", "ruled", "pushed")
        assert (server.value("min_over_time(scrape_duration_seconds[4h])") or -1) > 0
        health = server.client.get("/api/v1/targets").json()["data"]["activeTargets"]
        assert [each["health"] for each in health] == ["up"]
        before = samples(server, "level", "ruled", "pushed")
    clock.set(0)
    with running(tmp_path, *FLAGS) as server:
        assert before <= samples(server, "level", "ruled", "pushed")
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_clock_that_is_set_back_without_a_window(
    tmp_path: Path, clock: WallClock, target: Target
) -> None:
    """Samples older than what is there are refused, as Prometheus does, and told of."""
    write_files(tmp_path, target.address, "0s")
    clock.set(HOUR_S)
    with running(tmp_path, *FLAGS) as server:
        wait_for_new_samples(server, clock)
        assert write(server, "pushed", clock.now_s()) == 204
        clock.set(0)
        before = samples(server, "level", "ruled", "pushed")
        scrapes = target.scrapes
        until(lambda: target.scrapes > scrapes + 2, "more scrapes")
        assert write(server, "pushed", clock.now_s()) == 400
        assert before <= samples(server, "level", "ruled", "pushed")
        until(lambda: refused(server) > 0, "the count of refused samples")
        clock.set(HOUR_S)
        wait_for_new_samples(server, clock)
    log = (tmp_path / "log").read_text()
    assert "scraped samples are refused" in log
    assert "Traceback" not in log
