"""The whole of an alertmanager.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.config.global_ import GlobalConfig
from promlab.alertmanager.config.inhibit import InhibitRuleConfig
from promlab.alertmanager.config.intervals import TimeIntervalConfig, TimeIntervals
from promlab.alertmanager.config.receiver import ReceiverConfig
from promlab.alertmanager.config.route import RouteConfig
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.section import Section, maybe, opt, record, section, sections
from promlab.config.tracing import TracingConfig


def _rule(at: At) -> InhibitRuleConfig:
    return InhibitRuleConfig() if at.is_null else InhibitRuleConfig.read(at)


# An empty rule is allowed: it mutes nothing, because its source is its target.
_rules: Kind[tuple[InhibitRuleConfig, ...]] = Kind(
    lambda at: tuple(_rule(item) for item in at.items()),
    lambda rules: [rule.plain() for rule in rules],
    (),
    shape={
        "type": ["array", "null"],
        "items": {"anyOf": [InhibitRuleConfig, {"type": "null"}]},
    },
)


@record
class Config(Section):
    """A configuration: sections as they are written, settled by `settled`."""

    global_: GlobalConfig = opt(section(GlobalConfig), GlobalConfig(), key="global", always=True)
    route: RouteConfig | None = opt(maybe(RouteConfig), None)
    inhibit_rules: tuple[InhibitRuleConfig, ...] = opt(_rules, ())
    receivers: tuple[ReceiverConfig, ...] = opt(
        sections(ReceiverConfig, "missing name in receiver"), ()
    )
    templates: tuple[str, ...] = opt(kinds.list_of(kinds.path), (), always=True)
    mute_time_intervals: tuple[TimeIntervalConfig, ...] = opt(
        sections(TimeIntervalConfig, "missing name in mute time interval"), ()
    )
    time_intervals: tuple[TimeIntervalConfig, ...] = opt(
        sections(TimeIntervalConfig, "missing name in time interval"), ()
    )
    tracing: TracingConfig | None = opt(maybe(TracingConfig), None)
    event_recorder: Mapping[str, Any] = opt(own.open_map, {})

    def check(self, at: At) -> None:
        """Names are unique, and exist where they are used."""
        receivers = self._receiver_names(at)
        intervals = self._interval_names(at)
        if self.route is None:
            at.fail("no route provided in config")
        place = at.get("route")
        self.route.check_root(place)
        self.route.check_names(place, receivers, intervals)

    def _receiver_names(self, at: At) -> set[str]:
        seen: set[str] = set()
        places = at.get("receivers").items() if self.receivers else []
        for receiver, place in zip(self.receivers, places, strict=True):
            if receiver.name in seen:
                place.get("name").fail(f"notification config name {receiver.name!r} is not unique")
            seen.add(receiver.name)
        return seen

    def _interval_names(self, at: At) -> set[str]:
        seen: set[str] = set()
        for field in ("mute_time_intervals", "time_intervals"):
            found = getattr(self, field)
            places = at.get(field).items() if found else []
            for interval, place in zip(found, places, strict=True):
                if not interval.name:
                    place.fail("missing name in time interval")
                if interval.name in seen:
                    place.get("name").fail(f"time interval {interval.name!r} is not unique")
                seen.add(interval.name)
        return seen

    def settled(self, at: At) -> Config:
        """The same with every receiver's open fields filled from `global`."""
        places = at.get("receivers").items() if self.receivers else []
        settled = tuple(
            receiver.settled(self.global_, place)
            for receiver, place in zip(self.receivers, places, strict=True)
        )
        return replace(self, receivers=settled)

    @property
    def root(self) -> RouteConfig:
        """The routing tree; a checked configuration has one."""
        assert self.route is not None
        return self.route

    @property
    def intervals(self) -> TimeIntervals:
        """All time intervals, of the older field too."""
        found = (*self.mute_time_intervals, *self.time_intervals)
        return TimeIntervals({each.name: each for each in found})

    def receiver(self, name: str) -> ReceiverConfig:
        """The receiver of this name."""
        return next(each for each in self.receivers if each.name == name)

    def to_yaml(self) -> str:
        """The configuration in YAML, secrets hidden: what the status shows."""
        return yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True, width=1_000_000)
