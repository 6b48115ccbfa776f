"""What is evaluated on the event loop: what took little CPU, however long it waited for it."""

from __future__ import annotations

import pytest

from promlab.promql.result import QueryResult, QueryStats, Scalar
from promlab.server import queries
from promlab.server.queries import QueryRunner
from promlab.server.query_costs import CHEAP_S, QueryCosts

Q = ("q", 0)


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

    runner.run_inline(Q, evaluate, 10.0)


def test_waiting_for_the_cpu_is_no_cost(clocks: Clocks) -> None:
    runner = QueryRunner(1)
    for _ in range(5):
        run(runner, clocks, 0.0001, 0.0001)
        assert runner.is_cheap(Q)
        run(runner, clocks, 3.0, 0.0001)
        assert runner.is_cheap(Q)


def test_what_takes_much_of_the_cpu_goes_to_a_thread(clocks: Clocks) -> None:
    runner = QueryRunner(1)
    assert not runner.is_cheap(Q)
    run(runner, clocks, 0.0001, 0.0001)
    run(runner, clocks, 0.5, 0.5)
    run(runner, clocks, 0.5, 0.5)  # seen for what it is at the second time
    assert not runner.is_cheap(Q)
    runner.pool.shutdown()


def test_only_what_has_run_was_cheap(clocks: Clocks) -> None:
    runner = QueryRunner(1)
    assert not runner.was_cheap(Q)
    run(runner, clocks, 0.0001, 0.0001)
    assert runner.was_cheap(Q)
    assert not runner.was_cheap(("other", 0))
    runner.wait_in_threads()
    assert not runner.was_cheap(Q)
    runner.pool.shutdown()


LITTLE, MUCH = CHEAP_S / 10, CHEAP_S * 10


@pytest.mark.parametrize(
    ("like", "asked", "cheap"),
    [
        ('up{job="V"}', 'up{job="b"}', True),
        ("rate(up{job='V',i!='V'}[5m])", 'rate(up{job="b",i!="2"}[5m])', True),
        ('up{job="V"}', 'up{job=~"b"}', False),
        ('up{job=~"V"}', 'up{job=~"b"}', False),
        ('up{job=~ "V"}', 'up{job=~ "b"}', False),
        ('up{job!~"V"}', 'up{job!~"b"}', False),
        ('up{job="V"}', 'down{job="a"}', False),
        ('{"V"}', '{"down"}', False),
        ('{__name__="V"}', '{__name__="down"}', False),
        ('label_replace(up, "x", "V", "", "")', 'label_replace(up, "x", "b", "", "")', False),
    ],
)
def test_like_others_that_were_cheap(like: str, asked: str, cheap: bool) -> None:
    costs = QueryCosts()
    for value in "123":
        assert not costs.is_cheap((asked, 60))
        costs.note((like.replace("V", value), 60), LITTLE)
    assert costs.is_cheap((asked, 60)) == cheap
    assert not costs.is_cheap((asked, 7))


def test_one_that_was_not_cheap_is_told_from_those_like_it_for_a_while() -> None:
    costs = QueryCosts()
    for i in range(5):
        costs.note((f'up{{i="{i}"}}',), LITTLE)
    assert costs.is_cheap(('up{i="x"}',))
    costs.note(('up{i="1"}',), MUCH)  # it has grown
    assert not costs.is_cheap(('up{i="x"}',))
    assert costs.is_cheap(('up{i="2"}',))  # known itself
    for i in range(20):
        costs.note((f'up{{i="z{i}"}}',), LITTLE)
    assert costs.is_cheap(('up{i="x"}',))
