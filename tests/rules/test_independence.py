"""Rules of one group that may be evaluated at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from rule_world import World

from promlab.rules.group import Group
from promlab.rules.independence import batches
from promlab.rules.recording import RecordingRule

M = 60_000


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"a": "x", "b": "y", "c": "z"}, [[0, 1, 2]]),
        ({"a": "x", "b": "a + y", "c": "z"}, [[2], [0], [1]]),
        ({"a": "x", "b": "max_over_time(a[1h:])", "c": "sum(b)"}, [[0], [1], [2]]),
        ({"a": "x", "b": '{job="y"}', "c": "z"}, [[0], [1], [2]]),
        ({"a": "x", "b": '{__name__=~"y.*"}'}, [[0], [1]]),
        ({"a": "x", "b": 'ALERTS{alertstate="firing"}'}, [[0, 1]]),
        ({"a": "vector(1)", "b": "time()"}, [[0, 1]]),
        ({}, []),
    ],
)
def test_rules_that_know_nothing_of_each_other_go_together(
    rules: dict[str, str], expected: list[list[int]]
) -> None:
    assert batches([RecordingRule(name, expr, {}) for name, expr in rules.items()]) == expected


class Meeting:
    """An engine whose queries wait for each other: alone, none of them would end."""

    def __init__(self, engine: Any, parties: int) -> None:
        self._engine = engine
        self._barrier = threading.Barrier(parties, timeout=300)

    def instant(self, text: str, t_ms: int) -> Any:
        self._barrier.wait()
        return self._engine.instant(text, t_ms)


async def test_independent_rules_run_at_the_same_time() -> None:
    world = World()
    rules = [RecordingRule(name, "vector(1)", {}) for name in ("a", "b", "c")]
    with ThreadPoolExecutor(3) as pool:
        options = replace(
            world.options,
            engine=Meeting(world.options.engine, 3),
            executor=pool,
            concurrent=True,
        )
        group = Group("g", "f", rules, options, interval_ms=M)
        await group.evaluate(M)
    assert [rule.health for rule in group.rules] == ["ok"] * 3
    assert group.stats.samples == 3
    assert world.store.of("b") == {(): [(M, 1.0)]}
