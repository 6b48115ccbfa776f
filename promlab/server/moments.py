"""Moments that a request names, as Go keeps and bends them: what Prometheus answers depends on it.

A moment is kept in whole nanoseconds, here without an end. Prometheus counts it in 64 bits
wherever it works with it, in nanoseconds or in milliseconds, and what is more wraps around: a
client that sends milliseconds as seconds gets answers about some other time. What can't be
written as a date or a number is refused by name; nothing here knows of requests.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

NS_OF_S = 1_000_000_000
NS_OF_MS = 1_000_000
INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)
MIN_TIME_MS = -(2**53)  # no sample is older or newer than these
MAX_TIME_MS = 2**53
_PLAIN = 15  # digits of whole seconds that are exact
_YEAR_1_S = 62_135_596_800  # Go counts a moment's seconds from there
_CYCLE_DAYS = 146_097  # of 400 years
# The first and the last moment of Prometheus's API, that no date of four digits is.
FIRST_NS = -9_223_309_901_257_974 * NS_OF_S
LAST_NS = 9_223_309_901_257_975 * NS_OF_S - 1
_BOUNDARIES = {
    "-292273086-05-16T16:47:06Z": FIRST_NS,
    "292277025-08-18T07:12:54.999999999Z": LAST_NS,
}
# As Go reads it: an hour of one digit, a comma before the fraction, offsets up to +24:60.
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))\Z",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?([0-9.][0-9a-fpx_.+-]*|inf|infinity|nan)\Z", re.I)
_GROUPED = re.compile("(?<=[0-9a-fx])_(?=[0-9a-f])", re.I)  # underscores that are allowed


def read_number(text: str) -> float | None:
    """A number as Go reads it, hexadecimal and with underscores too; None if it is none."""
    if not _NUMBER.match(text):
        return None
    try:
        if "p" in text.lower():
            return float.fromhex(_GROUPED.sub("", text))
        found = float(text)
    except (ValueError, OverflowError):
        return None
    return None if math.isinf(found) and "n" not in text.lower() else found


def parse_moment(text: str) -> int:
    """ns of a float of seconds or an RFC 3339 time. Raises ValueError in Prometheus's words."""
    if len(text) <= _PLAIN and text.isdecimal() and text.isascii():
        return int(text) * NS_OF_S
    seconds = read_number(text)
    if seconds is not None:
        return _moment_of(seconds)
    found = _RFC3339.match(text)
    if found:
        try:
            return _rfc3339_ns(found)
        except (ValueError, OverflowError):
            pass
    if text in _BOUNDARIES:
        return _BOUNDARIES[text]
    raise ValueError(f'cannot parse "{text}" to a valid timestamp')


def query_ms(moment_ns: int) -> int:
    """The millisecond at which a query is evaluated: 0 is nearer than what is cut off."""
    wrapped = _wrap(moment_ns)
    return wrapped // NS_OF_MS if wrapped >= 0 else -(-wrapped // NS_OF_MS)


def storage_ms(moment_ns: int) -> int:
    """The millisecond by which series are looked for: what is cut off is never in the future.

    Where there are no samples, one moment is as good as another.
    """
    return min(max(_wrap(moment_ns // NS_OF_MS), MIN_TIME_MS), MAX_TIME_MS)


def between_ns(start_ns: int, end_ns: int) -> int:
    """How long it is from one to the other; three centuries stand for all that is longer."""
    return min(max(end_ns - start_ns, _INT64_MIN), INT64_MAX)


def _wrap(number: int) -> int:
    return (number - _INT64_MIN) % 2**64 + _INT64_MIN


def _moment_of(seconds: float) -> int:
    """Rounded to ms first (1435781430.781 is not that number in binary), halves away from 0."""
    if math.isfinite(seconds):
        rest, whole = math.modf(seconds)
        ns = int(rest * 1000 + math.copysign(0.5, rest)) * NS_OF_MS
        s = int(whole) if _INT64_MIN <= whole < -_INT64_MIN else _INT64_MIN
    else:
        s = ns = _INT64_MIN
    since_year_1 = _wrap(s + ns // NS_OF_S + _YEAR_1_S)
    return (since_year_1 - _YEAR_1_S) * NS_OF_S + ns % NS_OF_S


def _rfc3339_ns(found: re.Match[str]) -> int:
    year, *rest = (int(part) for part in found.group(1, 2, 3, 4, 5, 6))
    cycles, year_of_cycle = divmod(year, 400)  # Python knows no year 0
    moment = datetime(400 + year_of_cycle, *rest, tzinfo=UTC)  # type: ignore[arg-type,misc]
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _SECOND
    seconds += (cycles - 1) * _CYCLE_DAYS * 86_400
    if found.group(8):
        hours, minutes = int(found.group(9)), int(found.group(10))
        if hours > 24 or minutes > 60:
            raise ValueError("bad offset")
        offset = hours * 3600 + minutes * 60
        seconds += offset if found.group(8) == "-" else -offset
    return seconds * NS_OF_S + int((found.group(7) or "0").ljust(9, "0")[:9])


_SECOND = datetime(1970, 1, 1, 0, 0, 1) - datetime(1970, 1, 1)
