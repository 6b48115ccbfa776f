"""Upstream's acceptance scenarios, in virtual time: what is sent, and at which second."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from promlab.alertmanager.config import load_text
from promlab.alertmanager.matchers import parse_all
from promlab.alertmanager.notify import integration
from promlab.alertmanager.silence import Silence
from tests.alertmanager.virtual import SINK, START_MS, Lab, Received, Sinks, run, simple, until


@pytest.fixture(autouse=True)
def even_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses before retries without chance in them."""
    monkeypatch.setattr(integration, "_SPREAD", 0.0)


def within(received: list[Received], *windows: tuple[float, float]) -> None:
    """One notification in each window of seconds, and no other."""
    seconds = [each.second for each in received]
    assert len(seconds) == len(windows), seconds
    for second, (start, end) in zip(seconds, windows, strict=True):
        assert start - 0.15 <= second <= end + 0.15, (seconds, windows)


def silence(text: str, start: float, end: float) -> Silence:
    return Silence(
        "", tuple(parse_all(text)), START_MS + round(start * 1000), START_MS + round(end * 1000),
        0, "me", "why",
    )  # fmt: skip


def test_merge_alerts() -> None:
    async def scenario() -> None:
        lab = Lab(simple())
        await until(1)
        lab.push("test", start=1)
        await until(1.2)
        lab.push("test", start=0.5)
        await until(2.1)
        lab.push("test", start=0.5, annotations={"ann": "v1"})
        await until(3.6)
        lab.push("test", start=0.5, annotations={"ann": "v2"})
        await until(4.6)
        lab.push("test", start=1, end=4.6, annotations={"ann": "v2"})
        await until(4.8)
        lab.push("test", start=1, end=4.8, annotations={"ann": "v3"})
        await until(4.82)
        lab.push("test", start=1, end=4.8, annotations={"ann": "v3"})
        await until(5.3)
        lab.push("test", start=5)
        await until(6.7)
        received = lab.sinks.at(SINK)
        within(received, (2, 2.5), (3, 3.5), (4, 4.5), (5, 5.5), (6, 6.5))
        alerts = [each.body["alerts"][0] for each in received]
        assert [a["annotations"].get("ann", "") for a in alerts] == ["", "v1", "v2", "v3", ""]
        assert [a["status"] for a in alerts] == ["firing"] * 3 + ["resolved", "firing"]
        assert alerts[3]["endsAt"] == "2027-01-15T08:00:04.8Z"
        assert alerts[4]["startsAt"] == "2027-01-15T08:00:05Z"
        await lab.close()

    run(scenario())


def test_repeat() -> None:
    async def scenario() -> None:
        lab = Lab(simple())
        await until(1)
        lab.push("test", start=1)
        await until(3.5)
        lab.push("test", start=1, end=3)
        await until(6)
        received = lab.sinks.at(SINK)
        within(received, (2, 2.5), (3, 3.5), (4, 4.5))
        assert [each.body["status"] for each in received] == ["firing", "firing", "resolved"]
        await lab.close()

    run(scenario())


def test_retry() -> None:
    async def failing() -> int:
        return 500 if asyncio.get_running_loop().time() < 4.5 else 200

    async def scenario() -> None:
        sinks = Sinks(answers={"http://b/": failing})
        lab = Lab(
            """
route: {receiver: default, group_by: [alertname], group_wait: 1s, group_interval: 2s,
  repeat_interval: 3s}
receivers:
- name: default
  webhook_configs: [{url: "http://a/"}, {url: "http://b/"}]
""",
            sinks=sinks,
        )
        await until(1)
        lab.push("test", start=1)
        await until(7)
        within(sinks.at("http://a/"), (2, 2.5), (6, 6.5))
        # Pauses of 0.5s, 0.75s, 1.125s, 1.6875s: the first try after 4.5s is the fifth.
        within(sinks.at("http://b/"), (6, 6.5))
        assert [round(t, 3) for t in sinks.tries["http://b/"]] == [2.0, 2.5, 3.25, 4.375, 6.062]
        assert lab.am.counters.failed == {}
        await lab.close()

    run(scenario())


def test_batching() -> None:
    async def scenario() -> None:
        lab = Lab(simple(interval="1s", repeat="4900ms", group_by="[]"))
        await until(1.1)
        lab.push("a", start=1)
        await until(1.7)
        lab.push("b", start=1)
        await until(3.3)
        for name in "cde":
            lab.push(name, start=1.5)
        await until(9.8)
        received = lab.sinks.at(SINK)
        within(received, (2, 2.5), (4.1, 4.5), (9.1, 9.5))
        assert [len(each.alerts) for each in received] == [2, 5, 5]
        await lab.close()

    run(scenario())


def test_resolved_by_timeout() -> None:
    async def scenario() -> None:
        lab = Lab(simple(interval="5s", repeat="1h"))
        await until(1)
        lab.push("test", start=1, resolve_timeout_s=10)
        await until(14)
        received = lab.sinks.at(SINK)
        within(received, (2, 2.5), (12, 13))
        assert received[1].body["alerts"][0]["endsAt"] == "2027-01-15T08:00:11Z"
        await lab.close()

    run(scenario())


def test_resolved_filter() -> None:
    config = """
route: {receiver: default, group_by: [alertname], group_wait: 1s, group_interval: 5s}
receivers:
- name: default
  webhook_configs:
  - {url: "http://a/", send_resolved: true}
  - {url: "http://b/", send_resolved: false}
"""

    async def scenario() -> None:
        lab = Lab(config)
        await until(1)
        lab.push("test", lbl="v1", start=1)
        lab.push("test", lbl="v2", start=1)
        await until(3)
        lab.push("test", lbl="v1", start=1, end=2.5)
        lab.push("test", lbl="v3", start=3)
        await until(8)
        lab.push("test", lbl="v2", start=1, end=8)
        lab.push("test", lbl="v3", start=3, end=8)
        await until(13)
        within(lab.sinks.at("http://a/"), (2, 2.5), (7, 7.5), (12, 12.5))
        within(lab.sinks.at("http://b/"), (2, 2.5), (7, 7.5))
        assert [status for _, status in lab.sinks.at("http://b/")[1].alerts] == ["firing"] * 2
        await lab.close()

    run(scenario())


def test_cold_start() -> None:
    async def scenario() -> None:
        config = simple(interval="6s", repeat="10m", group_by="[]")
        lab = Lab(config, start_delay_s=5.0)
        await until(1)
        lab.push("a", start=-100)
        await until(3)
        lab.push("b", start=-100)
        await until(5.2)
        within(lab.sinks.at(SINK), (5, 5.2))
        assert len(lab.sinks.at(SINK)[0].alerts) == 2
        lab.am.apply(load_text(config))
        await until(6)
        lab.push("c", start=5)
        lab.push("d", start=5)
        await until(12)
        received = lab.sinks.at(SINK)
        assert len(received) == 2
        assert len(received[1].alerts) == 4
        await lab.close()

    run(scenario())


def test_reload() -> None:
    async def scenario() -> None:
        config = simple(interval="6s", repeat="10m", group_by="[]")
        lab = Lab(config)
        await until(1)
        lab.push("a", start=1)
        await until(3)
        lab.am.apply(load_text(config))
        await until(4)
        lab.push("b", start=3)
        await until(10)
        received = lab.sinks.at(SINK)
        within(received, (2, 2.5), (9, 9.5))
        assert len(received[1].alerts) == 2
        await lab.close()

    run(scenario())


def test_webhook_timeout() -> None:
    async def slow() -> int:
        if asyncio.get_running_loop().time() < 3:
            await asyncio.sleep(10)
        return 200

    async def scenario() -> None:
        config = simple(interval="1m").replace("send_resolved: true", "timeout: 500ms")
        lab = Lab(config, sinks=Sinks(answers={SINK: slow}))
        await until(1)
        lab.push("test", start=1)
        await until(10)
        within(lab.sinks.at(SINK), (3, 4.2))
        assert lab.am.counters.requests_failed[("webhook", "")] >= 1
        await lab.close()

    run(scenario())


INHIBITING = """
inhibit_rules:
- {source_match: {alertname: JobDown}, target_match: {alertname: InstanceDown}, equal: [job, zone]}
"""


def test_inhibiting() -> None:
    async def scenario() -> None:
        lab = Lab(simple(repeat="1s", group_by="[]", more=INHIBITING))
        await until(1)
        lab.push("test1", job="testjob", zone="aa")
        lab.push("InstanceDown", job="testjob", zone="aa")
        lab.push("InstanceDown", job="testjob", zone="ab")
        await until(2.2)
        lab.push("JobDown", job="testjob", zone="aa", start=2.2)
        await until(3.6)
        lab.push("JobDown", job="testjob", zone="aa", start=2.2, end=3.6)
        await until(4.7)
        received = lab.sinks.at(SINK)
        within(received, (2, 2.5), (3, 3.5), (4, 4.5))
        down = "InstanceDown"
        assert sorted(n for n, _ in received[0].alerts) == [down, down, "test1"]
        assert sorted(n for n, _ in received[1].alerts) == [down, "JobDown", "test1"]
        assert ("JobDown", "resolved") in received[2].alerts
        assert len(received[2].alerts) == 4
        assert lab.am.counters.suppressed == {"inhibition": 1}
        await lab.close()

    run(scenario())


def test_always_inhibiting() -> None:
    async def scenario() -> None:
        lab = Lab(simple(repeat="1s", group_by="[]", more=INHIBITING))
        await until(1)
        for name in ("JobDown", "InstanceDown"):
            lab.push(name, job="testjob", zone="aa", start=1)
        await until(2.6)
        for name in ("JobDown", "InstanceDown"):
            lab.push(name, job="testjob", zone="aa", start=1, end=2.6)
        await until(4.5)
        received = lab.sinks.at(SINK)
        within(received, (2, 2.5), (3, 3.5))
        assert received[0].alerts == [("JobDown", "firing")]
        assert sorted(received[1].alerts) == [("InstanceDown", "resolved"), ("JobDown", "resolved")]
        await lab.close()

    run(scenario())


def test_empty_inhibition_rule() -> None:
    async def scenario() -> None:
        lab = Lab(simple(more="inhibit_rules:\n-\n- {}\n"))
        lab.push("a")
        await until(1.5)
        assert len(lab.sinks.at(SINK)) == 1
        await lab.close()

    run(scenario())


def test_silencing() -> None:
    async def scenario() -> None:
        lab = Lab(simple(group_by="[]"))
        await until(1)
        lab.push("test1", start=1)
        lab.push("test2", start=1)
        await until(2.3)
        lab.silences.set(silence('alertname="test1"', 2.5, 4.5))
        await until(5.7)
        received = lab.sinks.at(SINK)
        within(received, (2, 2.5), (3, 3.5), (4, 4.5), (5, 5.5))
        assert [len(each.alerts) for each in received] == [2, 1, 1, 2]
        await lab.close()

    run(scenario())


def test_silence_delete() -> None:
    async def scenario() -> None:
        lab = Lab(simple(repeat="1h"))
        await until(1.3)
        made = lab.silences.set(silence('alertname=~".+"', 1.3, 3000))
        lab.push("test1", start=1)
        await until(3.5)
        assert lab.sinks.at(SINK) == []
        lab.silences.expire(made)
        await until(6)
        within(lab.sinks.at(SINK), (3.5, 4.5))
        await lab.close()

    run(scenario())


def test_status_is_current_between_flushes() -> None:
    async def scenario() -> None:
        lab = Lab(simple(wait="5m", interval="1h", more=INHIBITING))
        await until(1)
        lab.push("InstanceDown", job="j", zone="z")
        (target,) = list(lab.am.alerts)
        assert lab.am.status(target).state == "active"
        lab.push("JobDown", job="j", zone="z")
        source = next(a for a in lab.am.alerts if a.name == "JobDown")
        status = lab.am.status(target)
        assert (status.state, status.inhibited_by) == ("suppressed", [source.hex])
        made = lab.silences.set(silence('alertname="InstanceDown"', 1, 100))
        assert lab.am.status(target).silenced_by == [made]
        lab.silences.expire(made)
        assert lab.am.status(target).silenced_by == []
        await lab.close()

    run(scenario())


def test_alert_that_began_long_ago_does_not_wait() -> None:
    """And what joins later waits for the next flush; one that ends is told; a silence holds."""

    async def scenario() -> None:
        lab = Lab(simple(wait="2s", interval="3s", repeat="1h", group_by="[group]"))
        lab.push("old", group="x", start=-600)
        lab.push("fresh", group="y", start=0)
        await until(1)
        assert [each.second for each in lab.sinks.at(SINK)] == [0.0]
        await until(2.5)
        assert [each.second for each in lab.sinks.at(SINK)] == [0.0, 2.0]
        await until(3)
        lab.push("joined", group="y", start=3)
        await until(5.5)
        latest = lab.sinks.at(SINK)[-1]
        assert (latest.second, latest.body["notification_reason"]) == (5.0, "new alerts added")
        lab.push("fresh", group="y", start=0, end=5.5)
        await until(8.5)
        latest = lab.sinks.at(SINK)[-1]
        assert (latest.second, latest.body["notification_reason"]) == (8.0, "some alerts resolved")
        lab.silences.set(silence('group="y"', 8.5, 100))
        lab.push("joined", group="y", start=3, end=9)
        await until(20)
        assert lab.sinks.at(SINK)[-1] is latest
        # After a restart nothing that was told is told again.
        again = Lab(simple(wait="2s", interval="3s", repeat="1h", group_by="[group]"),
                    stores=lab.stores)  # fmt: skip
        again.push("old", group="x", start=-600)
        await until(40)
        assert again.sinks.at(SINK) == []
        again.push("old", group="x", start=-600, end=40)
        await until(50)
        assert [each.body["notification_reason"] for each in again.sinks.at(SINK)] == [
            "all alerts resolved"
        ]
        await lab.close()
        await again.close()

    run(scenario())


def test_repeats_are_checked_at_flushes_only() -> None:
    async def scenario() -> None:
        lab = Lab(simple(wait="0s", interval="2s", repeat="10s"))
        lab.push("a", resolve_timeout_s=1000)
        await until(40)
        seconds = [each.second for each in lab.sinks.at(SINK)]
        gaps = [b - a for a, b in itertools.pairwise(seconds)]
        assert set(gaps) <= {10.0, 12.0}
        assert all(
            each.body["notification_reason"] == "repeat interval elapsed"
            for each in lab.sinks.at(SINK)[1:]
        )
        await lab.close()

    run(scenario())


def test_utf8_route() -> None:
    async def scenario() -> None:
        lab = Lab(
            """
route:
  receiver: nobody
  group_by: ["foo🙂"]
  group_wait: 1s
  routes:
  - receiver: default
    matchers: ['foo🙂 = bar']
receivers:
- name: nobody
- name: default
  webhook_configs: [{url: "http://sink/"}]
"""
        )
        lab.push("", **{"foo🙂": "bar", "a": "b"})
        lab.push("", **{"foo🙂": "baz"})
        await until(3)
        (received,) = lab.sinks.at(SINK)
        assert received.body["groupLabels"] == {"foo🙂": "bar"}
        assert received.body["groupKey"] == '{}/{"foo🙂"="bar"}:{foo🙂="bar"}'
        await lab.close()

    run(scenario())
