"""Alert states over random histories, against a plain model of what the words mean."""

from __future__ import annotations

import asyncio

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_world import World, alert_rule

from promlab.model.labels import LabelTable, Symbols
from promlab.promql.result import InstantVector, QueryResult
from promlab.rules.rule import RuleContext

M = 60_000


def expected(holds: list[bool], for_n: int, keep_n: int) -> list[str]:
    """State after each evaluation, one a minute."""
    out: list[str] = []
    since: int | None = None  # pending or firing since
    missing: int | None = None
    firing = False
    for i, here in enumerate(holds):
        if here:
            since = i if since is None else since
            firing = firing or i - since >= for_n
            missing = None
        elif firing:
            missing = i if missing is None else missing
            if i - missing >= keep_n:
                since, missing, firing = None, None, False
        else:
            since = None
        out.append("firing" if firing else "inactive" if since is None else "pending")
    return out


@settings(deadline=None)
@given(
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=25),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_states_of_three_series(steps: list[list[bool]], for_n: int, keep_n: int) -> None:
    rule = alert_rule("m", for_ms=for_n * M, keep_firing_for_ms=keep_n * M)
    symbols = Symbols()
    seen: list[list[str]] = [[], [], []]
    for t, step in enumerate(steps):
        rows = [{"i": str(i)} for i, here in enumerate(step) if here]
        table = LabelTable.from_dicts(rows, symbols)
        answer = QueryResult(InstantVector(table, t * M, np.ones(len(rows))))
        now = (t + 1) * M
        output = rule.evaluate(RuleContext(now, now, lambda text, a=answer: a, symbols))
        active = {alert.labels["i"]: alert.state.value for alert in rule.active_alerts()}
        for i in range(3):
            seen[i].append(active.get(str(i), "inactive"))
        assert output.labels.n == 2 * len(active)
        told = {row["i"]: row["alertstate"] for row in output.labels.rows() if "alertstate" in row}
        assert told == active
    for i in range(3):
        assert seen[i] == expected([step[i] for step in steps], for_n, keep_n)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_a_group_writes_what_the_rule_says(holds: list[bool]) -> None:
    """ALERTS read back at each evaluation are just the active alerts of then."""
    world = World()
    for t, here in enumerate(holds):
        world.store.add({"__name__": "m"}, (t * M, float(here)))
    rule = alert_rule("m > 0", for_ms=2 * M)
    group = world.group(rule)

    async def run() -> None:
        for t in range(len(holds)):
            await group.evaluate(t * M)
            value = world.engine.instant("ALERTS", t * M).value
            assert isinstance(value, InstantVector)
            told = [row["alertstate"] for row in value.labels.rows()]
            assert told == [alert.state.value for alert in rule.active_alerts()]

    asyncio.run(run())
