"""Time intervals: when routes are mute or active. Read here, and asked: is a moment inside?

Items of a list are alternatives; within one item all fields must hold; within one field any
range will do. Times of a day are half-open: the end is no longer inside.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.section import Section, opt, record, sections

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_CLOCK = re.compile(r"((?:[01][0-9])|(?:2[0-3])):([0-5][0-9])|(24):(00)")


class Range(NamedTuple):
    """From and to, both inside."""

    begin: int
    end: int


class MinuteRange(NamedTuple):
    """Minutes of a day; `end` is no longer inside."""

    begin: int
    end: int


def _minutes(at: At) -> int:
    found = _CLOCK.fullmatch(at.text())
    if found is None:
        at.fail(f"couldn't parse timestamp {at.text()}, invalid format: it must be HH:MM")
    hour, minute = [part for part in found.groups() if part is not None]
    return int(hour) * 60 + int(minute)


def _show_minutes(minutes: int | None) -> str:
    minutes = minutes or 0
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


_MINUTES: Kind[int | None] = Kind(_minutes, _show_minutes, None)


@record
class TimeRangeConfig(Section):
    """A part of the day."""

    start: int | None = opt(_MINUTES, None, key="start_time")
    end: int | None = opt(_MINUTES, None, key="end_time")

    def check(self, at: At) -> None:
        """Both ends, in order."""
        if self.start is None or self.end is None:
            at.fail("both start and end times must be provided")
        if self.start >= self.end:
            at.fail("start time cannot be equal or greater than end time")


def _ranges(
    what: str, number: Callable[[At, str], int], show: Callable[[int], Any]
) -> Kind[tuple[Range, ...]]:
    def read_one(item: At) -> Range:
        begin, colon, end = item.text().strip().lower().partition(":")
        if ":" in end:
            item.fail(f"{item.text()!r} is not a range: write begin:end")
        first = number(item, begin.strip())
        last = number(item, end.strip()) if colon else first
        return Range(first, last)

    def write(found: tuple[Range, ...]) -> list[Any]:
        return [
            show(r.begin) if r.begin == r.end else f"{show(r.begin)}:{show(r.end)}" for r in found
        ]

    def read(at: At) -> tuple[Range, ...]:
        found = tuple(read_one(item) for item in at.items())
        for item, each in zip(at.items(), found, strict=True):
            if what != "day of the month" and each.begin > each.end:
                item.fail(f"start {what} cannot be before end {what}")
        return found

    return Kind(read, write, ())


def _named(names: Sequence[str], what: str, base: int) -> Callable[[At, str], int]:
    def number(at: At, text: str) -> int:
        if text in names:
            return names.index(text) + base
        at.fail(f"{text} is not a valid {what}")

    return number


def _month(at: At, text: str) -> int:
    if text in MONTHS:
        return MONTHS.index(text) + 1
    if text.isascii() and text.isdigit():  # a month 13 is taken, and never comes
        return int(text)
    at.fail(f"{text} is not a valid month")


def _integer(at: At, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        at.fail(f"{text} is not a whole number")


def _read_days(at: At) -> tuple[Range, ...]:
    found = _DAYS_OF_MONTH(at)
    for item, (begin, end) in zip(at.items(), found, strict=True):
        for day in (begin, end):
            if day == 0 or not -31 <= day <= 31:
                item.fail(f"{day} is not a valid day of the month: out of range")
        if begin < 0 < end:
            item.fail("end day must be negative if start day is negative")
        # Compared within a month of 31 days; shorter ones are clamped when asked.
        if _in_month(begin, 31) > _in_month(end, 31):
            item.fail(f"end day {end} is always before start day {begin}")
    return found


def _in_month(day: int, length: int) -> int:
    return day if day > 0 else length + day + 1


_DAYS_OF_MONTH = _ranges("day of the month", _integer, int)


def _location(at: At) -> str:
    name = at.text()
    if name in ("", "UTC", "Local"):
        return name
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        at.fail(f"unknown time zone {name}")
    return name


@record
class IntervalConfig(Section):
    """One alternative of a time interval."""

    times: tuple[TimeRangeConfig, ...] = opt(
        sections(TimeRangeConfig, "both start and end times must be provided"), ()
    )
    weekdays: tuple[Range, ...] = opt(
        _ranges("day of the week", _named(DAYS, "weekday", 0), lambda n: DAYS[n]), ()
    )
    days_of_month: tuple[Range, ...] = opt(Kind(_read_days, _DAYS_OF_MONTH.write, ()), ())
    months: tuple[Range, ...] = opt(
        _ranges("month", _month, lambda n: MONTHS[n - 1] if 1 <= n <= 12 else n), ()
    )
    years: tuple[Range, ...] = opt(_ranges("year", _integer, int), ())
    location: str = opt(Kind(_location, lambda text: text, ""), "")

    def contains(self, t_ms: int) -> bool:
        """Whether a moment is inside."""
        here = datetime.fromtimestamp(t_ms / 1000, UTC).astimezone(_zone(self.location))
        minute = here.hour * 60 + here.minute
        if self.times and not any(
            (each.start or 0) <= minute < (each.end or 0) for each in self.times
        ):
            return False
        length = calendar.monthrange(here.year, here.month)[1]
        days = [_clamped(each, length) for each in self.days_of_month]
        days_ok = not days or any(each and each[0] <= here.day <= each[1] for each in days)
        return (
            days_ok
            and _within(self.months, here.month)
            and _within(self.weekdays, here.isoweekday() % 7)
            and _within(self.years, here.year)
        )


def _zone(name: str) -> tzinfo | None:
    if name == "Local":
        return None  # astimezone(None): the machine's own
    return ZoneInfo(name) if name and name != "UTC" else UTC


def _within(ranges: tuple[Range, ...], number: int) -> bool:
    return not ranges or any(begin <= number <= end for begin, end in ranges)


def _clamped(days: Range, length: int) -> Range | None:
    """The range in a month of this length; None where it begins after the month's end."""
    begin, end = _in_month(days.begin, length), _in_month(days.end, length)
    if begin > length or end < 1:
        return None
    return Range(max(begin, 1), min(end, length))


@record
class TimeIntervalConfig(Section):
    """A named time interval."""

    name: str = opt(kinds.string, "")
    time_intervals: tuple[IntervalConfig, ...] = opt(
        sections(IntervalConfig, "an empty time interval"), ()
    )

    def contains(self, t_ms: int) -> bool:
        """Whether a moment is inside any of its alternatives."""
        return any(each.contains(t_ms) for each in self.time_intervals)


@dataclass(frozen=True, slots=True)
class TimeIntervals:
    """All time intervals of a configuration, by name."""

    by_name: Mapping[str, TimeIntervalConfig]

    def active(self, names: Sequence[str], t_ms: int) -> list[str]:
        """Those of the named that a moment is inside of."""
        return [name for name in names if self.by_name[name].contains(t_ms)]
