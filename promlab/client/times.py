"""Times and durations as people give them to the client and to the magics.

A time is a datetime (a naive one is UTC), seconds since the epoch, RFC 3339 text, or text
relative to now: `now`, `now-15m`, `-15m`. A duration is a timedelta, seconds, or `15m`.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta

from promlab.model.durations import parse_duration_ms

TimeLike = datetime | float | str | None
DurationLike = timedelta | float | str

_YEAR_9999_MS = 253_402_300_799_999


def now_ms() -> int:
    """The clock of this machine, ms UTC."""
    return time.time_ns() // 1_000_000


def to_ms(when: TimeLike, now: int | None = None) -> int:
    """Milliseconds UTC of `when`; None is now. Raises ValueError with what would be right."""
    now = now_ms() if now is None else now
    if when is None:
        return now
    if isinstance(when, datetime):
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    if isinstance(when, str):
        return _text_to_ms(when.strip(), now)
    return _seconds_to_ms(float(when), str(when))


def to_duration_ms(length: DurationLike) -> int:
    """Milliseconds of a length of time, at least 1. Raises ValueError."""
    if isinstance(length, timedelta):
        found = round(length.total_seconds() * 1000)
    elif isinstance(length, str):
        found = _duration_text_to_ms(length.strip())
    else:
        found = _seconds_to_ms(float(length), str(length))
    if found <= 0:
        raise ValueError(f"a duration must be longer than nothing, not {length!r}")
    return found


def to_datetime(t_ms: int) -> datetime:
    """An aware datetime, UTC."""
    return datetime.fromtimestamp(t_ms / 1000, UTC)


def show_time(t_ms: int, *, day: bool = True) -> str:
    """`2026-11-23 13:05:40`, with milliseconds only where there are any."""
    if not -62_135_596_800_000 <= t_ms <= _YEAR_9999_MS:
        return f"{t_ms / 1000} s"
    shown = to_datetime(t_ms).strftime("%Y-%m-%d %H:%M:%S" if day else "%H:%M:%S")
    return f"{shown}.{t_ms % 1000:03d}" if t_ms % 1000 else shown


def _seconds_to_ms(seconds: float, shown: str) -> int:
    if not math.isfinite(seconds) or abs(seconds) > _YEAR_9999_MS / 1000:
        raise ValueError(f"{shown} is not a number of seconds that a time can have")
    return round(seconds * 1000)


def _duration_text_to_ms(text: str) -> int:
    try:
        return _seconds_to_ms(float(text), text)
    except ValueError:
        pass
    try:
        return parse_duration_ms(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a duration: write 30s, 15m, 1h30m or 2d") from None


def _text_to_ms(text: str, now: int) -> int:
    relative = text.removeprefix("now").strip()
    if text == "now":
        return now
    if relative.startswith(("-", "+")) and (text.startswith("now") or relative[-1:].isalpha()):
        sign = -1 if relative[0] == "-" else 1
        return now + sign * _duration_text_to_ms(relative[1:].strip())
    try:
        return _seconds_to_ms(float(text), text)
    except ValueError:
        pass
    try:
        return to_ms(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: write 2026-11-23T13:05:00Z, seconds since 1970, or now-15m"
        ) from None
