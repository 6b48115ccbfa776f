"""Alerting rules: states over time, series, templates, sending, restoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rule_world import STALE, World, alert_rule

from promlab.model.samples import stale_values
from promlab.rules.alert import RESOLVED_RETENTION_MS, AlertHistory, AlertState
from promlab.rules.restore import RestoreOptions, restore
from promlab.rules.status import alert_status, group_status

M = 60_000
H = 60 * M


def states(world_values: list[float | None], **settings: Any) -> tuple[World, Any]:
    world = World()
    for i, value in enumerate(world_values):
        if value is not None:
            world.store.add({"__name__": "m", "job": "j"}, (i * M, value))
    return world, alert_rule("m > 0", **settings)


async def seen(values: list[float | None], **settings: Any) -> list[str]:
    """The rule's state after each minute."""
    world, rule = states(values, **settings)
    group = world.group(rule)
    out = []
    for i in range(len(values)):
        await group.evaluate(i * M + 1)
        out.append(rule.state.value[0])
    return out


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        ([0, 1, 1, 0], {}, "iffi"),
        ([0, 1, 1, 1, 0], {"for_ms": 2 * M}, "ippfi"),
        ([1, 1, 0, 1, 1, 1], {"for_ms": 2 * M}, "ppippf"),
        ([1, 0, 0, 0, 1], {"keep_firing_for_ms": 2 * M}, "fffif"),
        ([1, 0, 1, 0, 0, 0], {"keep_firing_for_ms": 2 * M}, "fffffi"),
        ([1, 0, 0], {"for_ms": M, "keep_firing_for_ms": H}, "pii"),
    ],
)
async def test_states(values: list[float | None], settings: dict[str, int], expected: str) -> None:
    assert "".join(await seen(values, **settings)) == expected


async def test_alert_series() -> None:
    world, rule = states([1, 1, 0], for_ms=M, labels={"severity": "x"})
    group = world.group(rule)
    for i in range(3):
        await group.evaluate(i * M)
    assert world.store.of("ALERTS", alertname="A", job="j", severity="x") == {
        (("alertstate", "pending"),): [(0, 1.0), (M, STALE)],
        (("alertstate", "firing"),): [(M, 1.0), (2 * M, STALE)],
    }
    assert world.store.of("ALERTS_FOR_STATE") == {
        (("alertname", "A"), ("job", "j"), ("severity", "x")): [(0, 0.0), (M, 0.0), (2 * M, STALE)]
    }


async def test_templates_of_labels_and_annotations() -> None:
    world, rule = states(
        [5],
        labels={"where": "{{ $labels.job }}", "__x": "", "job": ""},
        annotations={
            "text": "{{ $value }} {{ .ExternalLabels.region }} {{ externalURL }}",
            "asked": '{{ with query "m + 1" }}{{ . | first | value }}{{ end }}',
            "bad": "{{ $labels.a.b }}",
        },
        external_labels={"region": "eu"},
        external_url="http://me/p",
    )
    await world.group(rule).evaluate(0)
    (alert,) = rule.active_alerts()
    assert alert.labels == {"alertname": "A", "where": "j"}
    assert alert.annotations["text"] == "5 eu http://me/p"
    assert alert.annotations["asked"] == "6"
    assert alert.annotations["bad"].startswith("<error expanding template: error executing ")
    assert alert.state is AlertState.FIRING


async def test_two_rows_with_one_label_set_are_an_error() -> None:
    world, rule = states([1], labels={"job": ""})
    world.store.add({"__name__": "m", "job": "k"}, (0, 1.0))
    group = world.group(rule)
    await group.evaluate(0)
    assert "same labelset after applying alert labels" in rule.last_error
    assert rule.active == {}


async def test_the_limit_clears_all_alerts() -> None:
    world, rule = states([1, 1])
    group = world.group(rule, limit=1)
    await group.evaluate(0)
    world.store.add({"__name__": "m", "job": "k"}, (M, 1.0))
    await group.evaluate(M)
    assert rule.last_error == "exceeded limit of 1 with 2 alerts"
    assert rule.active == {}
    assert all(samples == [(0, 1.0)] for samples in world.store.of("ALERTS").values())


async def test_sending() -> None:
    world, rule = states([1, 1, 1, 0, 0, 0], for_ms=M)
    group = world.group(rule, interval_ms=M // 2)
    for t_ms in range(0, 30 * M, M // 2):
        await group.evaluate(t_ms)
    firing = [alert for _, alert in world.sent if not alert.resolved_ms]
    resolved = [alert for _, alert in world.sent if alert.resolved_ms]
    # Sent when it fires, then after more than a minute; ends four delays later if unheard of.
    assert [alert.last_sent_ms for alert in firing] == [M, 5 * M // 2]
    assert [alert.valid_until_ms for alert in firing] == [5 * M, 13 * M // 2]
    assert {alert.fired_ms for alert in firing} == {M}
    assert {alert.resolved_ms for alert in resolved} == {3 * M}
    assert resolved[0].last_sent_ms == 3 * M
    assert resolved[-1].last_sent_ms <= 3 * M + RESOLVED_RETENTION_MS + M
    assert len(resolved) == 11
    assert rule.active == {}


async def test_history_knows_the_changes() -> None:
    history = AlertHistory(capacity=3)
    world, rule = states([1, 1, 0, 1], for_ms=M, history=history)
    group = world.group(rule)
    for i in range(4):
        await group.evaluate(i * M)
    found = [(c.t_ms // M, c.before.value, c.after.value) for c in history.changes()]
    assert found == [
        (1, "pending", "firing"),
        (2, "firing", "inactive"),
        (3, "inactive", "pending"),
    ]
    assert len(history.changes(since_ms=3 * M)) == len(history.changes(rule="A")) - 2 == 1
    assert history.changes(rule="B") == []


async def test_status() -> None:
    world, rule = states([1.5], labels={"s": "x"}, annotations={"t": "v={{ $value }}"})
    assert rule.state is AlertState.UNKNOWN
    group = world.group(rule, interval_ms=15_000, limit=9)
    assert group_status(group)["rules"][0]["lastEvaluation"] == "0001-01-01T00:00:00Z"
    await group.evaluate(1_500)
    shown = group_status(group)
    assert (shown["name"], shown["file"], shown["interval"], shown["limit"]) == ("g", "f", 15.0, 9)
    assert shown["lastEvaluation"] == "1970-01-01T00:00:01.5Z"
    (one,) = shown["rules"]
    assert one.pop("evaluationTime") > 0
    assert one == {
        "state": "firing",
        "name": "A",
        "query": "m > 0",
        "duration": 0.0,
        "keepFiringFor": 0.0,
        "labels": {"s": "x"},
        "annotations": {"t": "v={{ $value }}"},
        "alerts": [
            {
                "labels": {"alertname": "A", "job": "j", "s": "x"},
                "annotations": {"t": "v=1.5"},
                "state": "firing",
                "activeAt": "1970-01-01T00:00:01.5Z",
                "value": "1.5e+00",
            }
        ],
        "health": "ok",
        "lastEvaluation": "1970-01-01T00:00:01.5Z",
        "type": "alerting",
    }
    assert group_status(group, exclude_alerts=True)["rules"][0]["alerts"] is None
    assert alert_status(rule.active_alerts()[0])["value"] == "1.5e+00"


async def test_a_raised_for_takes_a_firing_alert_back() -> None:
    world, old = states([1, 1, 1, 1], for_ms=M)
    group = world.group(old)
    for i in range(2):
        await group.evaluate(i * M)
    assert old.state is AlertState.FIRING
    new = alert_rule("m > 0", for_ms=3 * M)
    later = world.group(new)
    later.take_over(group)
    await later.evaluate(2 * M)
    assert new.state is AlertState.PENDING
    await later.evaluate(3 * M)
    assert new.state is AlertState.FIRING


# (hours `for`, minutes pending before, minutes down) -> activation, as seen from now
@pytest.mark.parametrize(
    ("for_min", "pending_min", "down_min", "left_min"),
    [
        (60, 20, 10, 40),  # the time down does not count
        (60, 55, 10, 10),  # at least the grace period is left
        (60, 70, 10, -20),  # it was firing
        (5, 4, 10, None),  # shorter than the grace period: not restored
        (60, 20, 61, None),  # down too long
    ],
)
async def test_restoring(
    for_min: int, pending_min: int, down_min: int, left_min: int | None
) -> None:
    world, rule = states([1], for_ms=for_min * M, restored=False)
    down_at, now = 200 * M, (200 + down_min) * M
    world.store.add({"__name__": "m", "job": "j"}, (now, 1.0))
    world.store.add(
        {"__name__": "ALERTS_FOR_STATE", "alertname": "A", "job": "j"},
        (down_at, (down_at - pending_min * M) / 1000),
    )
    group = world.group(rule)
    await group.evaluate(now)
    assert world.store.of("ALERTS") == {}, "nothing is written before it is restored"
    found = restore(rule, world.store, now, RestoreOptions())
    (alert,) = rule.active_alerts()
    if left_min is None:
        assert (found, alert.active_ms) == (0, now)
    else:
        assert (found, alert.active_ms + for_min * M - now) == (1, left_min * M)
    assert rule.restored
    await group.evaluate(now + M)
    assert len(world.store.of("ALERTS")) == 1


async def test_an_alert_that_ended_is_not_restored() -> None:
    world, rule = states([1], for_ms=H, restored=False)
    world.store.add({"__name__": "m", "job": "j"}, (100 * M, 1.0))
    key = (("__name__", "ALERTS_FOR_STATE"), ("alertname", "A"), ("job", "j"))
    world.store.samples[key] = [(90 * M, np.float64(0)), (91 * M, stale_values(1)[0])]
    await world.group(rule).evaluate(100 * M)
    assert restore(rule, world.store, 100 * M, RestoreOptions()) == 0


async def test_a_clock_that_is_set_back_takes_no_alert_back() -> None:
    world, rule = states([1] * 4, for_ms=M)
    group = world.group(rule)
    await group.evaluate(3 * M)
    assert rule.state is AlertState.PENDING
    await group.evaluate(0)
    await group.evaluate(M)
    assert rule.state is AlertState.FIRING  # after a minute, whatever the clock said before
    (alert,) = rule.active_alerts()
    assert alert.active_ms == 0
    later_ms = alert.active_ms = 3 * M
    await group.evaluate(2 * M)
    assert rule.state is AlertState.FIRING
    assert alert.active_ms == later_ms
