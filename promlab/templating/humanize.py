"""Numbers for people: Prometheus' humanize functions."""

from __future__ import annotations

import math
from typing import Any

from promlab.model.durations import parse_duration_ms
from promlab.templating.errors import FunctionError, quote
from promlab.templating.floats import format_float
from promlab.templating.times import SECOND, Duration, Time, from_seconds
from promlab.templating.values import Function, Functions, type_name

_LARGE = "kMGTPEZY"
_SMALL = "munpfazy"
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


def to_float(value: Any) -> float:
    """A number, or a text of one, as a float; a duration counts in seconds."""
    if isinstance(value, Duration):
        return int(value) / SECOND
    if isinstance(value, str):
        return parse_float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise FunctionError(f"can't convert {type_name(value)} to float")


def parse_float(text: str) -> float:
    """The float of a text, as Go's ParseFloat reads it."""
    try:
        if text.strip() != text or not text.isascii() or len(text) > 400:
            raise ValueError
        if text.lower().lstrip("+-").startswith("0x"):
            value = float.fromhex(text.replace("_", ""))
        else:
            if "_" in text:
                raise ValueError
            value = float(text)
    except (ValueError, OverflowError):
        raise FunctionError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax") from None
    if math.isinf(value) and "inf" not in text.lower():
        raise FunctionError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return value


def _four(value: float) -> str:
    return format_float(value, "g", 4)


def humanize(value: Any) -> str:
    """`1234567` is `1.235M`, `0.12` is `120m`."""
    number = to_float(value)
    if number == 0 or not math.isfinite(number):
        return _four(number)
    return "".join(_scaled(number))


def _scaled(number: float) -> tuple[str, str]:
    prefix = ""
    if abs(number) >= 1:
        for each in _LARGE:
            if abs(number) < 1000:
                break
            prefix, number = each, number / 1000
    else:
        for each in _SMALL:
            if abs(number) >= 1:
                break
            prefix, number = each, number * 1000
    return _four(number), prefix


def humanize_1024(value: Any) -> str:
    """`1048576` is `1Mi`, `2048` is `2ki`."""
    number, prefix = to_float(value), ""
    if abs(number) <= 1 or not math.isfinite(number):
        return _four(number)
    for each in _BINARY:
        if abs(number) < 1024:
            break
        prefix, number = each, number / 1024
    return _four(number) + prefix


def humanize_duration(value: Any) -> str:
    """Seconds: `90061` is `1d 1h 1m 1s`, `0.1` is `100ms`."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four(number)
    if number == 0:
        return _four(number) + "s"
    if abs(number) < 1:
        digits, prefix = _scaled(number)
        return f"{digits}{prefix}s"
    sign, size = ("-", -number) if number < 0 else ("", number)
    whole = min(int(size), 2**63 - 1)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{_four(size)}s"


def humanize_percentage(value: Any) -> str:
    """`0.1234567` is `12.35%`."""
    return _four(to_float(value) * 100) + "%"


def humanize_timestamp(value: Any) -> str:
    """Seconds since 1970 as a date: `2015-07-04 00:00:00 +0000 UTC`."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four(number)
    moment: Time = from_seconds(number)
    return moment.go_string()


def to_time(value: Any) -> Time:
    """Seconds since 1970 as a time."""
    number = to_float(value)
    if not math.isfinite(number):
        raise FunctionError("value is NaN or Inf")
    moment: Time = from_seconds(number)
    return moment


def to_duration(value: Any) -> Duration:
    """Seconds as a duration."""
    number = to_float(value)
    if not math.isfinite(number):
        raise FunctionError("value is NaN or Inf")
    ns = number * SECOND
    if not -(2.0**63) <= ns < 2.0**63:
        raise FunctionError(
            f"{format_float(number, 'g', -1)} cannot be represented as a nanoseconds duration "
            "since it overflows int64"
        )
    return Duration(int(ns))


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `1h30m`."""
    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise FunctionError(str(error)) from None


FUNCTIONS: Functions = {
    "humanize": Function(humanize, ("any",)),
    "humanize1024": Function(humanize_1024, ("any",)),
    "humanizeDuration": Function(humanize_duration, ("any",)),
    "humanizePercentage": Function(humanize_percentage, ("any",)),
    "humanizeTimestamp": Function(humanize_timestamp, ("any",)),
    "toTime": Function(to_time, ("any",)),
    "toDuration": Function(to_duration, ("any",)),
    "parseDuration": Function(parse_duration, ("string",)),
}
