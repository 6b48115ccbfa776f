"""Go's time.Time and time.Duration, as far as templates see them: nanoseconds, a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from promlab.templating.errors import FunctionError
from promlab.templating.values import Function, Functions, Stringer

NANOSECOND = 1
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Duration(int, Stringer):
    """A number of nanoseconds that prints as `1h2m3s`."""

    go_type = "time.Duration"

    def go_string(self) -> str:
        """`1h2m0.5s`, `1.5ms`, `0s`."""
        if self == 0:
            return "0s"
        sign, size = ("-", -int(self)) if self < 0 else ("", int(self))
        if size < SECOND:
            for unit, scale in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
                if size < scale * 1000:
                    return f"{sign}{_fraction(size, scale)}{unit}"
        minutes, rest = divmod(size, MINUTE)
        hours, minutes = divmod(minutes, 60)
        shown = f"{_fraction(rest, SECOND)}s"
        if hours:
            return f"{sign}{hours}h{minutes}m{shown}"
        return f"{sign}{minutes}m{shown}" if minutes else f"{sign}{shown}"

    def template_methods(self) -> Functions:
        """Seconds, Minutes, Hours, ... as of Go."""
        n = int(self)
        return {
            "String": Function(self.go_string),
            "Nanoseconds": Function(lambda: n),
            "Microseconds": Function(lambda: _towards_zero(n, 1_000)),
            "Milliseconds": Function(lambda: _towards_zero(n, 1_000_000)),
            "Seconds": Function(lambda: n / SECOND),
            "Minutes": Function(lambda: n / MINUTE),
            "Hours": Function(lambda: n / HOUR),
            "Abs": Function(lambda: Duration(abs(n))),
            "Truncate": Function(lambda m: Duration(_truncated(n, m)), ("int",)),
            "Round": Function(lambda m: Duration(_rounded(n, m)), ("int",)),
        }


def _fraction(size: int, scale: int) -> str:
    whole, rest = divmod(size, scale)
    if not rest:
        return str(whole)
    digits = str(rest).zfill(len(str(scale)) - 1).rstrip("0")
    return f"{whole}.{digits}"


def _towards_zero(n: int, scale: int) -> int:
    return n // scale if n >= 0 else -(-n // scale)


def _truncated(n: int, multiple: int) -> int:
    return n if multiple <= 0 else _towards_zero(n, multiple) * multiple


def _rounded(n: int, multiple: int) -> int:
    if multiple <= 0:
        return n
    size = (abs(n) + multiple // 2) // multiple * multiple
    return size if n >= 0 else -size


class Time(Stringer):
    """A moment, in nanoseconds since 1970, shown in a time zone."""

    def __init__(self, ns: int, go_type: str = "time.Time", zone: tzinfo = UTC) -> None:
        self.ns, self.go_type, self.zone = ns, go_type, zone
        try:
            date = _EPOCH + timedelta(seconds=ns // SECOND)
            self._date = date if zone is UTC else date.astimezone(zone)
        except OverflowError:
            raise FunctionError("the time is out of range") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and other.ns == self.ns

    def __hash__(self) -> int:
        return hash(self.ns)

    def go_string(self) -> str:
        """`2015-07-04 12:00:00.5 +0000 UTC`."""
        return self.format("2006-01-02 15:04:05.999999999 -0700 MST")

    def rfc3339(self) -> str:
        """`2015-07-04T12:00:00.5Z`."""
        return self.format("2006-01-02T15:04:05.999999999Z07:00")

    def format(self, layout: str) -> str:
        """The time in a layout of Go, such as `2006-01-02 15:04`."""
        return _LAYOUT.sub(lambda found: self._part(found[0]), layout)

    def _part(self, word: str) -> str:
        date = self._date
        if word[0] in ".,":
            digits = f"{self.ns % SECOND:09d}"[: len(word) - 1]
            kept = digits if word[1] == "0" else digits.rstrip("0")
            return word[0] + kept if kept else ""
        hour12 = date.hour % 12 or 12
        plain: dict[str, str] = {
            "2006": f"{date.year:04d}", "06": f"{date.year % 100:02d}",
            "01": f"{date.month:02d}", "1": str(date.month),
            "January": _MONTHS[date.month - 1], "Jan": _MONTHS[date.month - 1][:3],
            "02": f"{date.day:02d}", "2": str(date.day), "_2": f"{date.day:2d}",
            "002": f"{date.timetuple().tm_yday:03d}", "__2": f"{date.timetuple().tm_yday:3d}",
            "Monday": _DAYS[date.weekday()], "Mon": _DAYS[date.weekday()][:3],
            "15": f"{date.hour:02d}", "03": f"{hour12:02d}", "3": str(hour12),
            "04": f"{date.minute:02d}", "4": str(date.minute),
            "05": f"{date.second:02d}", "5": str(date.second),
            "PM": "PM" if date.hour >= 12 else "AM", "pm": "pm" if date.hour >= 12 else "am",
        }  # fmt: skip
        return plain[word] if word in plain else self._zone_part(word)

    def _zone_part(self, word: str) -> str:
        if word == "MST":
            return self._date.tzname() or "UTC"
        minutes = int((self._date.utcoffset() or timedelta()).total_seconds()) // 60
        if word[0] == "Z":
            if not minutes:
                return "Z"
            word = "-" + word[1:]
        sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
        return sign + {"-07:00": f"{hours:02d}:{rest:02d}", "-07": f"{hours:02d}"}.get(
            word, f"{hours:02d}{rest:02d}"
        )

    def template_methods(self) -> Functions:
        """Those methods of Go's Time that templates use."""
        date, ns = self._date, self.ns
        same = Function(lambda: self)
        zone = self.zone
        return {
            "Add": Function(lambda d: Time(ns + int(d), zone=zone), ("int",)),
            "AddDate": Function(self._add_date, ("int", "int", "int")),
            "After": Function(lambda other: ns > other.ns, ("time.Time",)),
            "Before": Function(lambda other: ns < other.ns, ("time.Time",)),
            "Day": Function(lambda: date.day),
            "Equal": Function(lambda other: ns == other.ns, ("time.Time",)),
            "Format": Function(self.format, ("string",)),
            "Hour": Function(lambda: date.hour),
            "IsZero": Function(lambda: date.year == 1 and date == date.min.replace(tzinfo=UTC)),
            "Local": same,
            "Minute": Function(lambda: date.minute),
            "Month": Function(lambda: Named(date.month, _MONTHS[date.month - 1], "time.Month")),
            "Nanosecond": Function(lambda: ns % SECOND),
            "Round": Function(lambda m: Time(_rounded(ns, m), zone=zone), ("int",)),
            "Second": Function(lambda: date.second),
            "String": Function(self.go_string),
            "Sub": Function(lambda other: Duration(ns - other.ns), ("time.Time",)),
            "Truncate": Function(lambda m: Time(_truncated(ns, m), zone=zone), ("int",)),
            "UTC": Function(lambda: Time(ns)),
            "Unix": Function(lambda: ns // SECOND),
            "UnixMilli": Function(lambda: ns // 1_000_000),
            "UnixNano": Function(lambda: ns),
            "Weekday": Function(self._weekday),
            "Year": Function(lambda: date.year),
            "YearDay": Function(lambda: date.timetuple().tm_yday),
        }

    def _weekday(self) -> Named:
        return Named((self._date.weekday() + 1) % 7, _DAYS[self._date.weekday()], "time.Weekday")

    def _add_date(self, years: int, months: int, days: int) -> Time:
        date = self._date
        total = date.month - 1 + months
        try:
            first = date.replace(year=date.year + years + total // 12, month=total % 12 + 1, day=1)
            moved = first + timedelta(days=date.day - 1 + days)
        except (OverflowError, ValueError):
            raise FunctionError("the time is out of range") from None
        seconds = (moved - _EPOCH) // timedelta(seconds=1)
        return Time(seconds * SECOND + self.ns % SECOND, zone=self.zone)


class Named(int, Stringer):
    """A number with a name: a month, a weekday."""

    def __new__(cls, value: int, name: str, go_type: str) -> Named:
        """Make one."""
        made = super().__new__(cls, value)
        made._name, made.go_type = name, go_type
        return made

    _name: str

    def go_string(self) -> str:
        """Its name."""
        return self._name

    def template_methods(self) -> Functions:
        """String."""
        return {"String": Function(self.go_string)}


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LAYOUT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|002|__2|_2(?!006)|Z07:00|Z0700|Z07|-07:00|-0700|-07"
    r"|[.,](?:0+|9+)(?!\d)|01|02|03|04|05|06|15|PM|pm|[1-5]"
)


def in_zone(name: str, moment: Time) -> Time:
    """The same moment as clocks of an IANA time zone show it. Raises FunctionError."""
    if name in ("", "UTC", "Local"):
        return Time(moment.ns)
    try:
        return Time(moment.ns, zone=ZoneInfo(name))
    except (ValueError, OSError, KeyError):
        raise FunctionError(f"unknown time zone {name}") from None


def from_seconds(value: float) -> Any:
    """The time that many seconds after 1970. Raises FunctionError where Go would fail."""
    ns = value * SECOND
    if not -(2.0**63) <= ns < 2.0**63:
        from promlab.templating.floats import shortest

        raise FunctionError(
            f"{shortest(value)} cannot be represented as a nanoseconds timestamp "
            "since it overflows int64"
        )
    # Prometheus' own times have milliseconds.
    return Time(int(ns / 1_000_000) * 1_000_000, "*time.Time")
