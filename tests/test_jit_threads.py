"""Helpers: all parts are done when `run` returns, side by side, and no thread stays tied."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from promlab.jit import threads
from promlab.jit.threads import Helpers

RUNNING = threads._running

CPUS = os.sched_getaffinity(0) if sys.platform == "linux" else set()
several_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="there is one CPU, or no choice of them")
TWO = threading.Barrier(2, timeout=30)


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else runs on this machine."""
    monkeypatch.setattr(threads, "_running", lambda: 1)


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    made = Helpers(1, "test")
    yield made
    made.close()


def cpus_when_together() -> set[int]:
    """The CPUs that the thread may use while another one is in here as well."""
    TWO.wait()
    found = os.sched_getaffinity(0)
    TWO.wait()
    return found


def test_results_in_order(helpers: Helpers) -> None:
    assert helpers.run(lambda: 1, lambda: 2, lambda: 3) == [1, 2, 3]
    assert helpers.run(lambda: 1) == [1]


def test_the_first_part_is_done_by_the_caller(helpers: Helpers) -> None:
    first, second = helpers.run(threading.get_ident, threading.get_ident)
    assert first == threading.get_ident() != second


@pytest.mark.parametrize("who", ["first", "other"])
def test_an_error_waits_for_the_others(helpers: Helpers, who: str) -> None:
    done = []

    def fail() -> None:
        raise ValueError("no")

    def work() -> None:
        done.append(threading.get_ident())

    parts = (fail, work, work) if who == "first" else (work, fail, work)
    with pytest.raises(ValueError, match="no"):
        helpers.run(*parts)
    assert len(done) == 2
    assert helpers.run(lambda: 1, lambda: 2) == [1, 2]


@several_cpus
def test_each_on_a_cpu_of_its_own(helpers: Helpers) -> None:
    helpers.run(cpus_when_together, cpus_when_together)  # the thread is made
    mine, others = helpers.run(cpus_when_together, cpus_when_together)
    assert len(mine) == 1
    assert others == CPUS - mine
    assert os.sched_getaffinity(0) == CPUS
    ids = helpers._ids
    assert [os.sched_getaffinity(each) for each in ids] == [CPUS] * len(ids)


@several_cpus
def test_nobody_is_tied_where_all_cpus_have_work(
    helpers: Helpers, monkeypatch: pytest.MonkeyPatch
) -> None:
    helpers.run(lambda: 1, lambda: 2)
    monkeypatch.setattr(threads, "_running", lambda: os.cpu_count())
    assert helpers.run(cpus_when_together, cpus_when_together) == [CPUS, CPUS]


@pytest.mark.skipif(sys.platform != "linux", reason="nobody tells elsewhere")
def test_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RUNNING() >= 1
    monkeypatch.setattr(threads, "_load_file", lambda: -1)
    assert RUNNING() == 0


@several_cpus
def test_a_thread_made_by_a_tied_one_is_free() -> None:
    """A new thread takes over which CPUs its maker may use."""
    helpers = Helpers(1, "test")
    os.sched_setaffinity(0, {min(CPUS)})
    try:
        _mine, other = helpers.run(cpus_when_together, cpus_when_together)
    finally:
        os.sched_setaffinity(0, CPUS)
        helpers.close()
    assert other == CPUS


@several_cpus
def test_errors_leave_nobody_tied(helpers: Helpers) -> None:
    helpers.run(lambda: 1, lambda: 2)
    with pytest.raises(ZeroDivisionError):
        helpers.run(lambda: 1 // 0, lambda: 2)
    assert os.sched_getaffinity(0) == CPUS
    assert os.sched_getaffinity(helpers._ids[0]) == CPUS


@several_cpus
def test_who_may_use_few_cpus_goes_on_doing_so(helpers: Helpers) -> None:
    """A caller that is tied to a CPU by its user stays there."""
    helpers.run(lambda: 1, lambda: 2)
    only = {min(CPUS)}
    os.sched_setaffinity(0, only)
    try:
        assert helpers.run(os.getpid, os.getpid) == [os.getpid()] * 2
        assert os.sched_getaffinity(0) == only
    finally:
        os.sched_setaffinity(0, CPUS)


@several_cpus
def test_many_callers(helpers: Helpers) -> None:
    """Helpers that somebody has are shared, and all CPUs are free in the end."""

    def ask(i: int) -> tuple[list[int], set[int]]:
        found = [helpers.run(lambda: i, lambda: i + 1) for _ in range(50)]
        assert all(one == found[0] for one in found)
        return found[0], os.sched_getaffinity(0)

    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(ask, range(8)))
    assert asked == [([i, i + 1], CPUS) for i in range(8)]
    assert os.sched_getaffinity(helpers._ids[0]) == CPUS


def test_where_cpus_cannot_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    if sys.platform == "linux":
        monkeypatch.setattr(os, "sched_setaffinity", refused)
        monkeypatch.setattr(os, "sched_getaffinity", refused)
    helpers = Helpers(1, "test")
    assert helpers.run(lambda: 1, lambda: 2) == [1, 2]
    helpers.close()
