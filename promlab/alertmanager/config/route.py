"""The routing tree as it is written: `route` and the routes below it."""

from __future__ import annotations

from typing import Any

from promlab.alertmanager.config import kinds as own
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.section import Section, opt, record
from promlab.model.matchers import Matcher

_DURATION: Kind[int | None] = own.maybe_kind(kinds.duration)


def _read_routes(at: At) -> tuple[RouteConfig, ...]:
    found = []
    for item in at.items():
        if item.is_null:
            item.fail("a route must not be empty")
        found.append(RouteConfig.read(item))
    return tuple(found)


_routes: Kind[tuple[Any, ...]] = Kind(
    _read_routes,
    lambda routes: [route.plain() for route in routes],
    (),
    shape=lambda: {"type": ["array", "null"], "items": RouteConfig},
)


@record
class RouteConfig(Section):
    """One node; None stands for what it takes from its parent."""

    receiver: str = opt(kinds.string, "")
    group_by: tuple[str, ...] | None = opt(own.group_by, None)
    match: tuple[Matcher, ...] = opt(own.match, ())
    match_re: tuple[Matcher, ...] = opt(own.match_re, ())
    matchers: tuple[Matcher, ...] = opt(own.matchers, ())
    mute_time_intervals: tuple[str, ...] = opt(kinds.strings, ())
    active_time_intervals: tuple[str, ...] = opt(kinds.strings, ())
    continue_: bool = opt(kinds.boolean, False, key="continue", always=True)
    routes: tuple[RouteConfig, ...] = opt(_routes, ())
    group_wait_ms: int | None = opt(_DURATION, None, key="group_wait")
    group_interval_ms: int | None = opt(_DURATION, None, key="group_interval")
    repeat_interval_ms: int | None = opt(_DURATION, None, key="repeat_interval")

    def check(self, at: At) -> None:
        """Intervals that would never end."""
        if self.group_interval_ms == 0:
            at.get("group_interval").fail("group_interval cannot be zero")
        if self.repeat_interval_ms == 0:
            at.get("repeat_interval").fail("repeat_interval cannot be zero")

    @property
    def all_matchers(self) -> tuple[Matcher, ...]:
        """All that an alert must match, of the older fields too."""
        return (*self.match, *self.match_re, *self.matchers)

    def check_root(self, at: At) -> None:
        """The root takes every alert, always."""
        if not self.receiver:
            at.fail("root route must specify a default receiver")
        if self.match or self.match_re or self.matchers:
            at.fail("root route must not have any matchers")
        if self.mute_time_intervals:
            at.get("mute_time_intervals").fail("root route must not have any mute time intervals")
        if self.active_time_intervals:
            at.get("active_time_intervals").fail(
                "root route must not have any active time intervals"
            )
        if self.continue_:
            at.get("continue").fail("cannot have continue in root route")

    def check_names(self, at: At, receivers: set[str], intervals: set[str]) -> None:
        """Receivers and time intervals that are named exist. Raises ConfigError."""
        if self.receiver and self.receiver not in receivers:
            at.get("receiver").fail(f"undefined receiver {self.receiver!r} used in route")
        for field in ("mute_time_intervals", "active_time_intervals"):
            for name in getattr(self, field):
                if name not in intervals:
                    at.get(field).fail(f"undefined time interval {name!r} used in route")
        if self.routes:
            for route, place in zip(self.routes, at.get("routes").items(), strict=True):
                route.check_names(place, receivers, intervals)
