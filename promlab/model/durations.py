"""Durations as Prometheus writes them: `1h30m`, `15s`, `250ms`, `0`."""

from __future__ import annotations

import math
import re

from promlab.model.quoting import go_quote

_UNITS_MS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_PIECE = re.compile(r"([0-9]+)([^0-9]*)")
_MAX_UINT64 = 2**64 - 1
_MAX_DIGITS = 100  # Python itself refuses to read thousands of them
MAX_MS = (2**63 - 1) // 1_000_000  # what fits in nanoseconds, the limit of Prometheus


def parse_duration_ms(text: str) -> int:
    """Milliseconds of `text`: units from long to short, each at most once.

    Raises ValueError with Prometheus's wording.
    """
    if text == "0":
        return 0
    if not text:
        raise ValueError("empty duration string")
    invalid = ValueError(f"not a valid duration string: {go_quote(text)}")
    if not ("0" <= text[0] <= "9"):
        raise invalid
    total, longest = 0, math.inf
    for digits, unit in _PIECE.findall(text):
        count = int(digits) if len(digits) < _MAX_DIGITS else _MAX_UINT64 + 1
        if not unit or count > _MAX_UINT64:
            raise invalid
        size = _UNITS_MS.get(unit)
        if size is None:
            raise ValueError(f"unknown unit {go_quote(unit)} in duration {go_quote(text)}")
        if size >= longest:
            raise invalid
        longest = size
        total += count * size
        if total > MAX_MS:
            raise ValueError("duration out of range")
    return total


def format_duration_ms(duration_ms: int) -> str:
    """The text of a duration: `5400000` is `1h30m`; years and weeks only where they are whole."""
    if duration_ms == 0:
        return "0s"
    sign, rest = ("-", -duration_ms) if duration_ms < 0 else ("", duration_ms)
    parts = []
    for unit, size in _UNITS_MS.items():
        whole_only = unit in ("y", "w")
        if whole_only and rest % size:
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)
