"""What is evaluated on the event loop: what took little CPU, however long it waited for it."""

from __future__ import annotations

import pytest

from promlab.promql.result import QueryResult, QueryStats, Scalar
from promlab.server import queries
from promlab.server.queries import QueryRunner


class Clocks:
    """Time that passes, and time of the CPU, as a test sets them."""

    def __init__(self) -> None:
        self.now = self.cpu = 0.0

    def perf_counter(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.cpu


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    found = Clocks()
    monkeypatch.setattr(queries, "time", found)
    return found


def run(runner: QueryRunner, clocks: Clocks, wall_s: float, cpu_s: float) -> None:
    def evaluate(_left_s: float, _cancel: object) -> QueryResult:
        clocks.now += wall_s
        clocks.cpu += cpu_s
        return QueryResult(Scalar(0, 1.0), (), (), QueryStats(0, 0, 0.0, 0.0))

    runner.run_inline("q", evaluate, 10.0)


def test_waiting_for_the_cpu_is_no_cost(clocks: Clocks) -> None:
    runner = QueryRunner(1)
    for _ in range(5):
        run(runner, clocks, 0.0001, 0.0001)
        assert runner.is_cheap("q")
        run(runner, clocks, 3.0, 0.0001)
        assert runner.is_cheap("q")


def test_what_takes_much_of_the_cpu_goes_to_a_thread(clocks: Clocks) -> None:
    runner = QueryRunner(1)
    assert not runner.is_cheap("q")
    run(runner, clocks, 0.0001, 0.0001)
    run(runner, clocks, 0.5, 0.5)
    run(runner, clocks, 0.5, 0.5)  # seen for what it is at the second time
    assert not runner.is_cheap("q")
    runner.pool.shutdown()
