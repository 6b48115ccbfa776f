"""What keeps alerts quiet, on its own: silences, inhibition, time intervals, merging, matchers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promlab.alertmanager.alerts import Alert, fingerprint, fingerprints
from promlab.alertmanager.config import load_text
from promlab.alertmanager.config.inhibit import InhibitRuleConfig
from promlab.alertmanager.inhibit import Inhibitor
from promlab.alertmanager.matcher_syntax import MatcherSyntaxError
from promlab.alertmanager.matchers import Mode, parse_all, parse_one, show_all
from promlab.alertmanager.nflog import Entry
from promlab.alertmanager.notify.integration import reason_to_send
from promlab.alertmanager.provider import Alerts
from promlab.alertmanager.routing import tree
from promlab.alertmanager.silence import (
    InvalidSilence,
    Silence,
    SilenceNotFound,
    decode,
    listing,
)
from promlab.alertmanager.silences import Silences
from promlab.alertmanager.storage import Memory

HOUR_MS = 3_600_000


class Hand:
    """A clock that is moved by hand."""

    def __init__(self, t_ms: int = 1_800_000_000_000) -> None:
        self.t_ms = t_ms

    def now_ms(self) -> int:
        return self.t_ms


def silences(clock: Hand, store: Memory | None = None) -> Silences:
    return Silences(store or Memory(), clock, retention_ms=24 * HOUR_MS)


def silence(text: str, clock: Hand, start: float = 0, end: float = 1, **more: str) -> Silence:
    """A silence from and to hours from now."""
    return Silence(
        more.get("id", ""), tuple(parse_all(text)), clock.t_ms + round(start * HOUR_MS),
        clock.t_ms + round(end * HOUR_MS), 0, "me", more.get("comment", ""),
    )  # fmt: skip


def test_a_silence_begins_and_ends() -> None:
    clock = Hand()
    all_ = silences(clock)
    made = all_.set(silence('a="b",c=~"d.*"', clock, 1, 2))
    labels = {"a": "b", "c": "dd"}
    seen = []
    for _ in range(4):
        seen.append((all_.get(made).state(clock.t_ms), all_.muting(1, labels) == [made]))
        clock.t_ms += HOUR_MS
    assert seen == [("pending", False), ("active", True), ("expired", False), ("expired", False)]
    assert all_.muting(2, {"a": "b", "c": "x"}) == []
    clock.t_ms += 24 * HOUR_MS
    assert all_.collect() == 1
    with pytest.raises(SilenceNotFound):
        all_.get(made)


def test_start_in_the_past_is_now_and_pending_ends_before_it_began() -> None:
    clock = Hand()
    all_ = silences(clock)
    past = all_.get(all_.set(silence('a="b"', clock, -1, 1)))
    assert past.starts_ms == clock.t_ms
    pending = all_.set(silence('a="b"', clock, 1, 2))
    all_.expire(pending)
    found = all_.get(pending)
    assert (found.starts_ms, found.ends_ms) == (clock.t_ms, clock.t_ms)


def test_a_change_of_start_makes_another_silence() -> None:
    clock = Hand()
    all_ = silences(clock)
    made = all_.set(silence('a="b"', clock))
    clock.t_ms += 60_000
    again = all_.set(silence('a="b"', clock, id=made))
    assert again != made
    assert all_.get(made).state(clock.t_ms) == "expired"
    assert all_.counts() == {"active": 1, "pending": 0, "expired": 1}


@pytest.mark.parametrize("text", ['a=""', 'a=~".*"', 'a!="b"'])
def test_silences_that_would_mute_everything(text: str) -> None:
    clock = Hand()
    with pytest.raises(InvalidSilence, match="must not match the empty string"):
        silences(clock).set(silence(text, clock))


def test_peers_exchange_silences() -> None:
    clock = Hand()
    one, two = silences(clock), silences(clock)
    made = one.set(silence('a="b"', clock))
    raw = one.get(made).encode()
    assert two.merge([decode(raw)])
    assert not two.merge([decode(raw)])
    assert two.muting(1, {"a": "b"}) == [made]
    clock.t_ms += 1
    two.expire(made)
    assert one.merge([two.get(made)])
    assert one.muting(1, {"a": "b"}) == []


def test_listing_order() -> None:
    clock = Hand()
    all_ = silences(clock)
    spans = {"late": (0, 5), "soon": (0, 1), "tomorrow": (9, 20), "later": (3, 4), "gone": (0, 2)}
    for name, (start, end) in spans.items():
        all_.set(silence(f'a="{name}"', clock, start, end))
    all_.expire(next(s.id for s in all_ if s.matchers[0].value == "gone"))
    order = [s.matchers[0].value for s in listing(all_, clock.t_ms)]
    assert order == ["soon", "late", "later", "tomorrow", "gone"]


def test_many_silences_are_found_by_label() -> None:
    clock = Hand()
    all_ = silences(clock)
    ids = [all_.set(silence(f'job="j",host="h{i}"', clock)) for i in range(2000)]
    regex = all_.set(silence('host=~"h1999|h2"', clock))
    assert all_.muting(1, {"job": "j", "host": "h7"}) == [ids[7]]
    assert all_.muting(2, {"job": "j", "host": "h1999"}) == sorted([ids[1999], regex])
    # That one, and the one that says it by a regular expression.
    assert len(list(all_._index.candidates({"job": "j", "host": "h7"}))) == 2


def labelled(now_ms: int = 0, end_ms: int = HOUR_MS, **labels: str) -> Alert:
    return Alert(labels, {}, now_ms, end_ms, now_ms, fingerprint=fingerprint(labels))


def rule(text: str) -> InhibitRuleConfig:
    config = load_text(
        f"route: {{receiver: a}}\nreceivers: [{{name: a}}]\ninhibit_rules: [{text}]\n"
    )
    return config.inhibit_rules[0]


def test_inhibition_needs_equal_labels_and_a_firing_source() -> None:
    inhibitor = Inhibitor([rule("{source_matchers: [s=1], target_matchers: [t=1], equal: [e, f]}")])
    source = labelled(s="1", e="x")
    inhibitor.note([source])
    assert inhibitor.inhibited_by({"t": "1", "e": "x"}, 0) == [source.hex]
    assert inhibitor.inhibited_by({"t": "1", "e": "x", "f": ""}, 0) == [source.hex]
    assert inhibitor.inhibited_by({"t": "1", "e": "y"}, 0) == []
    assert inhibitor.inhibited_by({"e": "x"}, 0) == []
    assert inhibitor.inhibited_by({"t": "1", "e": "x"}, HOUR_MS) == []
    inhibitor.collect(HOUR_MS)
    assert inhibitor.inhibited_by({"t": "1", "e": "x"}, 0) == []


def test_what_is_source_and_target_does_not_mute_itself() -> None:
    inhibitor = Inhibitor([rule("{source_matchers: ['a=~.+'], target_matchers: ['a=~.+']}")])
    inhibitor.note([labelled(a="1"), labelled(a="2")])
    assert inhibitor.inhibited_by({"a": "1"}, 0) == []
    mixed = Inhibitor([rule("{source_matchers: ['a=~.+'], target_matchers: [b=1]}")])
    source, both = labelled(a="1"), labelled(a="2", b="1")
    mixed.note([source, both])
    assert mixed.inhibited_by({"b": "1"}, 0) != []
    assert mixed.inhibited_by({"a": "2", "b": "1"}, 0) == [source.hex]


INTERVALS = [
    ("{times: [{start_time: '09:00', end_time: '17:00'}]}", "2026-03-04T09:00", True),
    ("{times: [{start_time: '09:00', end_time: '17:00'}]}", "2026-03-04T17:00", False),
    ("{times: [{start_time: '23:00', end_time: '24:00'}]}", "2026-03-04T23:59", True),
    ("{weekdays: ['monday:wednesday']}", "2026-03-04T00:00", True),
    ("{weekdays: ['thursday', 'sunday']}", "2026-03-04T00:00", False),
    ("{days_of_month: ['-1']}", "2026-02-28T12:00", True),
    ("{days_of_month: ['-1']}", "2028-02-28T12:00", False),
    ("{days_of_month: ['29:31']}", "2026-02-28T12:00", False),
    ("{days_of_month: ['20:31']}", "2026-02-28T12:00", True),
    ("{days_of_month: ['-3:-1']}", "2026-02-26T12:00", True),
    ("{days_of_month: ['-31:-29']}", "2026-02-01T12:00", False),
    ("{months: ['january:march', '12']}", "2026-03-31T12:00", True),
    ("{months: ['january:march', '12']}", "2026-04-01T12:00", False),
    ("{years: ['2020:2026']}", "2026-12-31T12:00", True),
    ("{years: ['2020:2025']}", "2026-01-01T12:00", False),
    # 08:30 UTC is 09:30 in Paris in winter, and 10:30 in summer, across the change of clocks.
    ("{times: [{start_time: '09:00', end_time: '10:00'}], location: Europe/Paris}",
     "2026-03-28T08:30", True),
    ("{times: [{start_time: '09:00', end_time: '10:00'}], location: Europe/Paris}",
     "2026-03-29T08:30", False),
    ("{days_of_month: ['-1'], location: Australia/Sydney}", "2026-03-30T14:00", True),
    ("{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['saturday']}",
     "2026-03-04T12:00", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "moment", "inside"), INTERVALS)
def test_time_intervals(text: str, moment: str, inside: bool) -> None:
    config = load_text(
        "route: {receiver: a}\nreceivers: [{name: a}]\n"
        f"time_intervals: [{{name: t, time_intervals: [{text}]}}]\n"
    )
    t_ms = round(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)
    assert config.intervals.active(["t"], t_ms) == (["t"] if inside else [])


def put(alerts: Alerts, start: int, end: int, now: int, *, timeout: bool = False) -> Alert:
    """Report the one alert; what is then known of it."""
    report = Alert({"a": "b"}, {"at": str(now)}, start, end, now, timeout=timeout)
    (known,) = alerts.put([report])
    return known


def test_merging_of_reports() -> None:
    alerts = Alerts()
    put(alerts, 10, 100, 10, timeout=True)
    known = put(alerts, 5, 120, 20, timeout=True)
    assert (known.starts_ms, known.ends_ms, known.annotations["at"]) == (5, 120, "20")
    # It starts later by what is said later: the first start stands while it lasts.
    known = put(alerts, 30, 130, 30, timeout=True)
    assert (known.starts_ms, known.ends_ms) == (5, 130)
    # An end that is named stands against a timeout.
    known = put(alerts, 5, 40, 40)
    assert known.ends_ms == 40
    # After it has ended it begins anew.
    known = put(alerts, 50, 150, 50, timeout=True)
    assert known.starts_ms == 50
    assert len(alerts.collect(150)) == 1
    assert len(alerts) == 0


def test_limit_of_alerts_of_one_name() -> None:
    alerts = Alerts(per_name_limit=2)
    for i in range(4):
        alerts.put([labelled(alertname="A", i=str(i))])
    assert (len(alerts), alerts.limited) == (2, 2)
    alerts.put([labelled(alertname="A", i="0")])
    alerts.put([labelled(alertname="B")])
    assert (len(alerts), alerts.limited) == (3, 2)
    alerts.collect(HOUR_MS)
    alerts.put([labelled(HOUR_MS, 2 * HOUR_MS, alertname="A", i="9")])
    assert len(alerts) == 1


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20)), min_size=8, max_size=20)
)
def test_fingerprints_in_columns_are_those_of_single_sets(sets: list[dict[str, str]]) -> None:
    clean = [{k.replace("\0", ""): v.replace("\0", "") for k, v in each.items()} for each in sets]
    assert fingerprints(clean) == [fingerprint(each) for each in clean]


def test_fingerprint_is_the_originals() -> None:
    labels = {"alertname": "Disk <full>", "instance": "a:9100", "job": "node",
              "severity": "critical"}  # fmt: skip
    assert fingerprint(labels) == 0xE92F10C5A10D7EA5


MATCHERS = [
    # text, classic, UTF-8, fallback: what it is read as, or an error
    ('{foo="bar"}', '{foo="bar"}', '{foo="bar"}', '{foo="bar"}'),
    ("a=b,c=d", '{a="b",c="d"}', '{a="b",c="d"}', '{a="b",c="d"}'),
    ("{}", "{}", "{}", "{}"),
    ("", "{}", "{}", "{}"),
    ("a=b,", '{a="b"}', '{a="b"}', '{a="b"}'),
    ("foo=", '{foo=""}', None, '{foo=""}'),
    ("foo==bar", '{foo="=bar"}', None, '{foo="=bar"}'),
    ("foo=bar baz", '{foo="bar baz"}', None, '{foo="bar baz"}'),
    ("foo=`bar`", '{foo="`bar`"}', None, '{foo="`bar`"}'),
    ('a="b\\w"', '{a="b\\\\w"}', None, '{a="b\\\\w"}'),
    ("{foo=bar", '{foo="bar"}', None, '{foo="bar"}'),
    ('"foo bar"=baz', None, '{"foo bar"="baz"}', '{"foo bar"="baz"}'),
    ("föö=bar", None, '{"föö"="bar"}', '{"föö"="bar"}'),
    ("a.b=c", None, '{"a.b"="c"}', '{"a.b"="c"}'),
    ('q="\\xf0\\x9f\\x99\\x82"', '{q="\\\\xf0\\\\x9f\\\\x99\\\\x82"}', '{q="🙂"}',
     '{q="\\\\xf0\\\\x9f\\\\x99\\\\x82"}'),
    (",", None, None, None),
    ("foo", None, None, None),
    ("=bar", None, None, None),
    ("foo!bar", None, None, None),
    ("a=b,,c=d", None, None, None),
    ('foo="bar', None, None, None),
    ('foo=a"b', None, None, None),
    ("'foo'=bar", None, None, None),
    ('a=~"["', None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "classic", "utf8", "fallback"), MATCHERS)
def test_matchers_in_three_modes(
    text: str, classic: str | None, utf8: str | None, fallback: str | None
) -> None:
    modes = {Mode.CLASSIC: classic, Mode.UTF8: utf8, Mode.FALLBACK: fallback}
    for mode, expected in modes.items():
        if expected is None:
            with pytest.raises(MatcherSyntaxError):
                parse_all(text, mode)
        else:
            assert show_all(parse_all(text, mode)) == expected, mode


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{foo=bar", "0:8: end of input: expected close brace".replace("0:8", "8:8")),
        ("foo", "3:3: end of input: expected an operator"),
        ("foo=", "4:4: end of input: expected label value"),
        ("=bar", "0:1: unexpected =: expected label name"),
    ],
)
def test_errors_of_matchers_name_the_place(text: str, message: str) -> None:
    with pytest.raises(MatcherSyntaxError) as raised:
        parse_all(text, Mode.UTF8)
    assert str(raised.value).startswith(message)


def test_one_matcher_has_no_braces() -> None:
    assert parse_one("a=b").value == "b"
    with pytest.raises(MatcherSyntaxError, match="unexpected open or close brace"):
        parse_one("{a=b}")
    with pytest.raises(MatcherSyntaxError):
        parse_one("a=b,c=d", Mode.UTF8)


ROUTES = """
receiver: root
group_by: [a]
group_wait: 7s
routes:
- receiver: one
  matchers: [x=1]
  routes:
  - {receiver: deep, matchers: [y=1], group_by: ['...'], repeat_interval: 1d}
  - {receiver: reset, matchers: [y=2], group_by: []}
- {receiver: two, matchers: [x=~"1|2"], continue: true}
- {receiver: three, matchers: [z!=""]}
- {receiver: missing, matchers: [w=""], match: {v: "1"}}
"""


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({}, ["root"]),
        ({"x": "1"}, ["one"]),
        ({"x": "1", "y": "1"}, ["deep"]),
        ({"x": "2"}, ["two"]),
        ({"x": "2", "z": "1"}, ["two", "three"]),
        ({"v": "1"}, ["missing"]),
        ({"v": "1", "w": "1"}, ["root"]),
        ({"x": "12"}, ["root"]),
    ],
)
def test_routes(labels: dict[str, str], receivers: list[str]) -> None:
    text = "".join(f"  {line}\n" for line in ROUTES.strip().split("\n"))
    names = ("root", "one", "deep", "reset", "two", "three", "missing")
    listed = ", ".join(f"{{name: {name}}}" for name in names)
    root = tree(load_text(f"route:\n{text}receivers: [{listed}]\n").root)
    assert [route.options.receiver for route in root.match(labels)] == receivers
    deep, reset = root.children[0].children
    assert deep.group_labels({"p": "q", "a": "b"}) == {"p": "q", "a": "b"}
    assert reset.group_labels({"a": "b"}) == {}
    assert deep.options.group_wait_ms == 7000
    assert deep.options.repeat_interval_ms == 24 * HOUR_MS
    assert deep.key == '{}/{x="1"}/{y="1"}'


def entry(firing: set[int], resolved: set[int], t_ms: int = 0) -> Entry:
    return Entry("k", t_ms, 10, frozenset(firing), frozenset(resolved))


@pytest.mark.parametrize(
    ("known", "firing", "resolved", "send_resolved", "now_ms", "reason"),
    [
        (None, {1}, set(), True, 0, "first notification"),
        (None, set(), {1}, True, 0, ""),
        (entry({1}, set()), {1}, set(), True, 0, ""),
        (entry({1}, set()), {1, 2}, set(), True, 0, "new alerts added"),
        (entry({1, 2}, set()), {1}, {2}, True, 0, "some alerts resolved"),
        (entry({1, 2}, set()), {1}, {2}, False, 0, ""),
        (entry({1}, set()), set(), {1}, False, 0, "all alerts resolved"),
        (entry(set(), {1}), set(), {1}, True, 0, ""),
        (entry({1}, set()), {1}, set(), True, 101, "repeat interval elapsed"),
        (entry({1}, set()), {1}, set(), True, 100, ""),
    ],
)
def test_why_something_is_sent(
    known: Entry | None, firing: set[int], resolved: set[int], send_resolved: bool, now_ms: int,
    reason: str,
) -> None:  # fmt: skip
    found = reason_to_send(
        known, frozenset(firing), frozenset(resolved),
        send_resolved=send_resolved, repeat_ms=100, now_ms=now_ms,
    )  # fmt: skip
    assert found == reason
