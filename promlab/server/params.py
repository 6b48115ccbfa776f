"""Parameters of the API: times, durations, limits, selectors, with Prometheus's messages."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from promlab.model.durations import parse_duration_ms
from promlab.model.matchers import Matcher, all_match_empty
from promlab.server.envelope import ApiError, bad_parameter
from promlab.web.http import Form

MIN_TIME_MS = -(2**53)
MAX_TIME_MS = 2**53
# As Go reads it: an hour of one digit, a comma before the fraction, offsets up to +24:60.
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))\Z",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?([0-9.][0-9a-fpx_.+-]*|inf|infinity|nan)\Z", re.I)
_GROUPED = re.compile("(?<=[0-9a-fx])_(?=[0-9a-f])", re.I)  # underscores that are allowed
_PLAIN = 12  # digits of whole seconds that are in range
_SHORT = 9  # the same of a duration's
_INTEGER = re.compile(r"[+-]?\d+\Z", re.ASCII)
_INT64_MAX = 2**63 - 1
NS_OF_MS = 1_000_000
_NO_MATCHER = "match[] must contain at least one non-empty matcher"


def _float(text: str) -> float | None:
    """A number as Go reads it, hexadecimal and with underscores too; None if it is none."""
    if not _NUMBER.match(text):
        return None
    try:
        if "p" in text.lower():
            return float.fromhex(_GROUPED.sub("", text))
        return float(text)
    except (ValueError, OverflowError):
        return None


def parse_time_ms(text: str) -> int:
    """ms of a float of seconds or an RFC 3339 time. Raises ValueError in Prometheus's words."""
    if len(text) <= _PLAIN and text.isdecimal() and text.isascii():
        return int(text) * 1000
    seconds = _float(text)
    if seconds is not None and MIN_TIME_MS <= seconds * 1000 <= MAX_TIME_MS:
        rest, whole = math.modf(seconds)
        # Rounded to ms first (1435781430.781 is not that number in binary), halves away from 0.
        return int(whole) * 1000 + int(rest * 1000 + math.copysign(0.5, rest))
    found = _RFC3339.match(text)
    if found:
        try:
            return _rfc3339_ms(found)
        except (ValueError, OverflowError):
            pass
    raise ValueError(f'cannot parse "{text}" to a valid timestamp')


def _rfc3339_ms(found: re.Match[str]) -> int:
    parts = [int(part) for part in found.group(1, 2, 3, 4, 5, 6)]
    moment = datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # six ints
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _SECOND
    if found.group(8):
        hours, minutes = int(found.group(9)), int(found.group(10))
        if hours > 24 or minutes > 60:
            raise ValueError("bad offset")
        offset = hours * 3600 + minutes * 60
        seconds += offset if found.group(8) == "-" else -offset
    ms = seconds * 1000 + int((found.group(7) or "0").ljust(3, "0")[:3])
    # What is less than a millisecond is cut off, which before 1970 leads to a later time.
    return ms + (ms < 0 and bool((found.group(7) or "")[3:].strip("0")))


_SECOND = datetime(1970, 1, 1, 0, 0, 1) - datetime(1970, 1, 1)


def parse_duration_ns(text: str) -> int:
    """ns of a duration like 1h30m, or of a float of seconds. Raises ValueError.

    What is no number is the least of all durations, as in Prometheus.
    """
    if len(text) <= _SHORT and text.isdecimal() and text.isascii():
        return int(text) * 1000 * NS_OF_MS
    seconds = _float(text)
    unreadable = f'cannot parse "{text}" to a valid duration'
    if seconds is not None and (math.isfinite(seconds) or "n" in text.lower()):
        nanoseconds = seconds * 1e9
        if abs(nanoseconds) > _INT64_MAX + 1:
            raise ValueError(f"{unreadable}. It overflows int64")
        return int(nanoseconds) if abs(nanoseconds) <= _INT64_MAX else -_INT64_MAX - 1
    try:
        return parse_duration_ms(text) * NS_OF_MS
    except ValueError:
        raise ValueError(unreadable) from None


def time_param(form: Form, name: str, default_ms: int) -> int:
    """A time that may be left out. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return default_ms
    try:
        return parse_time_ms(text)
    except ValueError as error:
        raise bad_parameter(name, f"invalid time value for '{name}': {error}") from None


def required_time(form: Form, name: str) -> int:
    """A time that may not be left out. Raises ApiError."""
    try:
        return parse_time_ms(form.firsts.get(name, ""))
    except ValueError as error:
        raise bad_parameter(name, error) from None


def limit_param(form: Form, name: str = "limit") -> int:
    """How many to answer at most; 0 for all. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return 0
    if not _INTEGER.match(text):
        raise bad_parameter(name, f'strconv.Atoi: parsing "{text}": invalid syntax')
    limit = int(text)
    if limit > _INT64_MAX or limit < -_INT64_MAX - 1:
        raise bad_parameter(name, f'strconv.Atoi: parsing "{text}": value out of range')
    if limit < 0:
        raise bad_parameter(name, "limit must be non-negative")
    return limit


def whole_param(form: Form, name: str, default: int, *, least: int = 1) -> int:
    """A whole number of at least `least`. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return default
    if not _INTEGER.match(text) or len(text) > 18:
        raise bad_parameter(name, f'strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < least:
        raise bad_parameter(name, f"must be at least {least}")
    return int(text)


_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


def bool_param(form: Form, name: str, *, default: bool = False) -> bool:
    """A boolean in Go's spellings. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return default
    if text not in _TRUE | _FALSE:
        reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise bad_parameter(name, f"unable to parse boolean: {reason}")
    return text in _TRUE


def choice_param(form: Form, name: str, choices: list[str]) -> str:
    """One of some words; the first where none is given. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return choices[0]
    if text not in choices:
        known = ", ".join(choice for choice in choices if choice)
        raise bad_parameter(name, f'unsupported value "{text}", supported values: {known}')
    return text


def number_param(form: Form, name: str) -> int:
    """The limits of the metadata endpoints: any number; -1 for none. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return -1
    if not _INTEGER.match(text) or not -_INT64_MAX - 1 <= int(text) <= _INT64_MAX:
        raise ApiError("bad_data", f"{name} must be a number")
    return int(text)


def matcher_sets(
    form: Form, *, required: bool = False, named: bool = True, all_series: bool = False
) -> list[list[Matcher]]:
    """The selectors of `match[]`. Raises ApiError, whose text names the parameter if `named`.

    `all_series` allows selectors that match everything.
    """
    from promlab.server.promql import parse_matchers

    texts = form.get("match[]", [])
    if required and not texts:
        raise ApiError("bad_data", "no match[] parameter provided")
    sets = []
    for text in texts:
        try:
            matchers = parse_matchers(text, "match[]")
            if not all_series and all_match_empty(matchers):
                raise bad_parameter("match[]", _NO_MATCHER)
        except ApiError as error:
            if named:
                raise
            raise error.unnamed("match[]") from None
        sets.append(matchers)
    return sets
