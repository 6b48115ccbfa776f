"""Groups over time and over reloads, with a clock that only tests move."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_world import STALE, World

from promlab.config import load
from promlab.errors import ConfigError
from promlab.rules.manager import RuleManager
from promlab.rules.schedule import last_slot, next_slot, offset_ms

M = 60_000
START = 1_000_000 * M


class Server:
    """A configuration in a folder, and a manager that runs it."""

    def __init__(self, folder: Path, now_ms: float = START) -> None:
        self.folder = folder
        self.world = World(now_ms)
        self.manager = RuleManager(self.world.options, "http://me")

    async def apply(self, rules: str) -> None:
        (self.folder / "rules.yml").write_text(rules)
        (self.folder / "p.yml").write_text(
            "global: {evaluation_interval: 1m, external_labels: {region: eu}}\n"
            "rule_files: [rules*.yml]\n"
        )
        await self.manager.apply(load(self.folder / "p.yml", supported_only=False))


def groups(*texts: str) -> str:
    return "groups:\n" + "".join(texts)


def group(name: str, *rules: str, more: str = "") -> str:
    return f"- name: {name}\n{more}  rules:\n" + "".join(f"  - {rule}\n" for rule in rules)


ONE = "{record: one, expr: vector(1)}"
TWO = "{record: two, expr: vector(2)}"
ALERT = "{alert: A, expr: vector(1), for: 3m}"


async def test_groups_run_at_their_moments(tmp_path: Path) -> None:
    server = Server(tmp_path)
    await server.apply(groups(group("g", ONE), group("h", TWO, more="  interval: 2m\n")))
    await server.world.clock.advance(10 * M)
    g, h = server.manager.groups()
    assert (g.stats.iterations, h.stats.iterations) == (10, 5)
    times = [t for t, _ in server.world.store.of("one")[()]]
    offset = offset_ms(str(tmp_path / "rules.yml"), "g", M)
    assert all(t % M == offset for t in times)
    assert [b - a for a, b in pairwise(times)] == [M] * 9
    await server.manager.stop()
    await server.world.clock.advance(5 * M)
    assert g.stats.iterations == 10
    assert not any(v == STALE for _, v in server.world.store.of("one")[()])


@pytest.mark.parametrize("by_ms", [60 * M, -60 * M])
async def test_a_clock_that_is_set(tmp_path: Path, by_ms: int) -> None:
    """Groups go on at their interval, at the new times."""
    server = Server(tmp_path)
    await server.apply(groups(group("g", ONE)))
    await server.world.clock.advance(5 * M)
    server.world.clock.set_by(by_ms)
    await server.world.clock.advance(10 * M)
    (g,) = server.manager.groups()
    assert g.stats.iterations >= 15
    assert 0 <= server.world.clock.now - g.stats.last_evaluation_ms < M
    await server.manager.stop()


async def test_an_equal_group_goes_on_undisturbed(tmp_path: Path) -> None:
    server = Server(tmp_path)
    await server.apply(groups(group("g", ALERT), group("h", ONE)))
    await server.world.clock.advance(3 * M)
    (g, h) = server.manager.groups()
    await server.apply(groups(group("g", ALERT), group("h", TWO)))
    assert server.manager.groups()[0] is g
    assert server.manager.groups()[1] is not h
    await server.manager.stop()


async def test_a_changed_group_keeps_its_alerts_and_ends_what_is_gone(tmp_path: Path) -> None:
    server = Server(tmp_path)
    await server.apply(groups(group("g", ONE, ALERT)))
    await server.world.clock.advance(3 * M)
    (before,) = server.manager.active_alerts()
    await server.apply(groups(group("g", ALERT, TWO)))
    (after,) = server.manager.active_alerts()
    assert after.active_ms == before.active_ms
    await server.world.clock.advance(2 * M)
    assert server.world.store.of("one")[()][-1][1] == STALE
    assert server.world.store.of("two")[()][-1][1] == 2.0
    (alert,) = server.manager.active_alerts()
    assert alert.state.value == "firing"
    await server.manager.stop()


async def test_series_of_a_removed_group_end_two_intervals_later(tmp_path: Path) -> None:
    server = Server(tmp_path)
    await server.apply(groups(group("g", ONE, TWO)))
    await server.world.clock.advance(2 * M)
    await server.apply(groups(group("renamed", ONE)))
    await server.world.clock.advance(1.9 * M)
    assert server.world.store.of("two")[()][-1][1] == 2.0
    await server.world.clock.advance(0.2 * M)
    assert server.world.store.of("two")[()][-1][1] == STALE
    # What goes on under another group's name does not end.
    assert not any(v == STALE for _, v in server.world.store.of("one")[()])
    await server.manager.stop()


async def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path)
    await server.apply(groups(group("g", ONE)))
    before = server.manager.groups()
    with pytest.raises(ConfigError, match=r"rules\.yml:4:.*could not parse expression"):
        await server.apply(groups(group("g", "{record: x, expr: '('}")))
    assert server.manager.groups() == before
    await server.world.clock.advance(M)
    assert before[0].stats.iterations == 1
    await server.manager.stop()


async def test_experimental_parts_of_promql_have_to_be_allowed(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.manager = RuleManager(server.world.options, features=frozenset())
    rules = groups(group("g", "{record: x, expr: 'sort_by_label(up, \"a\")'}"))
    with pytest.raises(ConfigError, match="sort_by_label"):
        await server.apply(rules)
    allowed = frozenset({"promql-experimental-functions"})
    server.manager = RuleManager(server.world.options, features=allowed)
    await server.apply(rules)
    await server.manager.stop()


async def test_a_slow_group_misses_iterations(tmp_path: Path) -> None:
    server = Server(tmp_path)
    await server.apply(groups(group("g", ONE)))
    await server.world.clock.advance(M)
    (g,) = server.manager.groups()
    engine = server.world.engine
    instant = engine.instant

    def slow(text: str, t_ms: int) -> object:
        server.world.clock.now += 3.5 * M
        return instant(text, t_ms)

    engine.instant = slow  # type: ignore[assignment,method-assign]
    await server.world.clock.advance(M)
    engine.instant = instant  # type: ignore[method-assign]
    assert g.stats.missed >= 2
    await server.manager.stop()


async def test_alerts_are_restored_after_two_iterations(tmp_path: Path) -> None:
    rules = groups(group("g", "{alert: A, expr: vector(1), for: 30m}"))
    server = Server(tmp_path)
    await server.apply(rules)
    await server.world.clock.advance(20 * M)
    first_active = server.manager.active_alerts()[0].active_ms
    assert len(server.world.store.of("ALERTS_FOR_STATE")) == 1
    last = next(iter(server.world.store.of("ALERTS_FOR_STATE").values()))[-1][0]
    await server.manager.stop()
    # Nine minutes down, and a new server on the same storage.
    later = Server(tmp_path, START + 29 * M)
    later.world.store.samples = server.world.store.samples
    await later.apply(rules)
    await later.world.clock.advance(M)
    assert later.manager.active_alerts()[0].active_ms > first_active + 20 * M
    await later.world.clock.advance(M)
    restored = later.manager.active_alerts()[0].active_ms
    down = later.manager.groups()[0].stats.last_evaluation_ms - last
    assert restored == first_active // 1000 * 1000 + down
    await later.manager.stop()


@settings(deadline=None)
@given(st.integers(0, 10**13), st.integers(1, 10**8), st.integers(0, 10**8), st.integers(0, 10**9))
def test_moments(now: int, interval: int, offset: int, late: int) -> None:
    offset %= interval
    slot = last_slot(now, interval, offset)
    assert now - interval < slot <= now
    assert slot % interval == offset
    following, missed = next_slot(slot, slot + late, interval)
    assert (following - slot) == (missed + 1) * interval
    assert following > slot + late - interval
    assert missed == 0 or following <= slot + late


def test_groups_are_spread() -> None:
    offsets = {offset_ms("file", f"g{i}", M) // 1000 for i in range(1000)}
    assert len(offsets) > 55
