"""Recording rules in their groups: names, order, staleness, errors, limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rule_world import STALE, World

from promlab.promql.result import QueryResult
from promlab.rules.group import Group
from promlab.rules.recording import RecordingRule

M = 60_000


async def test_writes_under_another_name_with_labels() -> None:
    world = World()
    world.store.add({"__name__": "m", "a": "1", "b": "x"}, (0, 2.0))
    world.store.add({"__name__": "m", "a": "2", "b": "x"}, (0, 3.0))
    group = world.group(RecordingRule("r", "m * 10", {"c": "new", "b": ""}))
    await group.evaluate(M)
    assert world.store.of("r") == {
        (("a", "1"), ("c", "new")): [(M, 20.0)],
        (("a", "2"), ("c", "new")): [(M, 30.0)],
    }
    assert (group.rules[0].health, group.stats.samples) == ("ok", 2)


async def test_a_scalar_is_a_series_and_a_string_an_error() -> None:
    world = World()
    group = world.group(RecordingRule("r", "1 + 1", {}), RecordingRule("s", '"text"', {}))
    await group.evaluate(M)
    assert world.store.of("r") == {(): [(M, 2.0)]}
    assert group.rules[1].last_error == "rule result is not a vector or scalar"
    assert (group.rules[1].health, group.stats.failures) == ("err", 1)


async def test_a_rule_sees_what_the_one_before_wrote() -> None:
    world = World()
    group = world.group(RecordingRule("one", "vector(1)", {}), RecordingRule("two", "one + 1", {}))
    await group.evaluate(M)
    assert world.store.of("two") == {(): [(M, 2.0)]}


async def test_series_that_vanish_end() -> None:
    world = World()
    world.store.add({"__name__": "m", "a": "1"}, (0, 1.0), (M, 1.0))
    world.store.add({"__name__": "m", "a": "2"}, (0, 1.0), (M, -1.0))
    group = world.group(RecordingRule("r", 'label_replace(m > 0, "b", "new$1", "a", "(.*)")', {}))
    for t_ms in (0, M, 2 * M):
        await group.evaluate(t_ms)
    assert world.store.of("r", a="1") == {(("b", "new1"),): [(0, 1.0), (M, 1.0), (2 * M, 1.0)]}
    assert world.store.of("r", a="2") == {(("b", "new2"),): [(0, 1.0), (M, STALE)]}


async def test_all_series_may_vanish_and_come_back() -> None:
    world = World()
    world.store.add({"__name__": "m"}, (0, 1.0), (M, -1.0), (2 * M, 1.0))
    group = world.group(RecordingRule("r", "m > 0", {}))
    for t_ms in (0, M, 2 * M):
        await group.evaluate(t_ms)
    assert world.store.of("r") == {(): [(0, 1.0), (M, STALE), (2 * M, 1.0)]}


async def test_duplicates_are_an_error_that_ends_nothing() -> None:
    world = World()
    world.store.add({"__name__": "m", "a": "1"}, (0, 1.0), (M, 1.0))
    group = world.group(RecordingRule("r", "m", {"a": ""}))
    await group.evaluate(0)
    world.store.add({"__name__": "m", "a": "2"}, (M, 1.0))
    await group.evaluate(M)
    assert "same labelset after applying rule labels" in group.rules[0].last_error
    assert world.store.of("r") == {(): [(0, 1.0)]}


async def test_the_limit_clears_the_output() -> None:
    world = World()
    for i in range(3):
        world.store.add({"__name__": "m", "a": str(i)}, (0, 1.0))
    group = world.group(RecordingRule("r", "m", {}), limit=2)
    await group.evaluate(0)
    assert group.rules[0].last_error == "exceeded limit of 2 with 3 series"
    assert world.store.of("r") == {}


async def test_a_query_offset_moves_query_and_samples() -> None:
    world = World()
    world.store.add({"__name__": "m"}, (0, 1.0), (M, 2.0))
    group = world.group(RecordingRule("r", "m", {}), query_offset_ms=M)
    await group.evaluate(M)
    assert world.store.of("r") == {(): [(0, 1.0)]}


async def test_a_failing_query_is_told_and_the_next_rule_goes_on() -> None:
    world = World()
    world.store.add({"__name__": "m", "a": "1", "b": "1"}, (0, 1.0))
    world.store.add({"__name__": "m", "a": "1", "b": "2"}, (0, 1.0))
    group = world.group(
        RecordingRule("bad", "m + on(a) m", {}), RecordingRule("r", "vector(1)", {})
    )
    await group.evaluate(0)
    assert "many-to-many" in group.rules[0].last_error
    assert [rule.health for rule in group.rules] == ["err", "ok"]
    assert len(world.warnings) == 1


async def test_storage_that_fails_is_the_rules_error() -> None:
    world = World()
    group = world.group(RecordingRule("r", "vector(1)", {}))
    world.store.broken = True
    await group.evaluate(0)
    assert (group.rules[0].health, group.rules[0].last_error) == ("err", "disk full")
    world.store.broken = False
    await group.evaluate(M)
    assert (group.rules[0].health, group.rules[0].last_error) == ("ok", "")


@pytest.mark.parametrize("count", [0, 1, 500])
async def test_many_series(count: int) -> None:
    world = World()
    for i in range(count):
        world.store.add(
            {"__name__": "m", "i": str(i), "p": str(i % 2)}, (0, float(i)), (M, i - 250.5)
        )
    group = world.group(RecordingRule("r", "m >= 0", {}))
    await group.evaluate(0)
    await group.evaluate(M)
    ended = sum(samples[-1][1] == STALE for samples in world.store.of("r").values())
    assert (len(world.store.of("r")), ended) == (count, min(count, 251))


async def test_a_fault_in_one_rule_does_not_end_the_group() -> None:
    world = World()

    class Faulty:
        def instant(self, text: str, t_ms: int) -> QueryResult:
            raise KeyError("oops")

    options = replace(world.options, engine=Faulty())
    group = Group("g", "f", [RecordingRule("r", "m", {})], options, interval_ms=M)
    await group.evaluate(0)
    assert group.rules[0].last_error == "internal error: KeyError: 'oops'"
    assert group.stats.iterations == 1
