"""Single texts of a body: escapes, numbers, and the spelling of le and quantile."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_ESCAPE = re.compile(r'\\([\\"n])')
_HELP_ESCAPE = re.compile(r"\\([\\n])")
_FLOAT = re.compile(
    r"[+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?|nan|[+-]?inf(?:inity)?",
    re.ASCII | re.IGNORECASE,
)
_HEX_FLOAT = re.compile(r"[+-]?0x[0-9a-f_]*\.?[0-9a-f_]*p[+-]?\d+", re.ASCII | re.IGNORECASE)


def unescape(text: str, *, quotes: bool = True) -> str:
    """The text that was escaped: backslash, line break and, if `quotes`, the double quote.

    What is no escape stays as it is.
    """
    if "\\" not in text:
        return text
    pattern = _ESCAPE if quotes else _HELP_ESCAPE
    return pattern.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


def read_float(token: str) -> float:
    """The float of a token that has a number's syntax; ValueError if it is out of range."""
    value = float(token)
    if math.isinf(value) and "n" not in token.lower():
        raise ValueError(f"the number {token[:40]} is out of range")
    return value


def canonical_float(text: str) -> str:
    """A bound of a histogram or a quantile as OpenMetrics writes it: `1` is `1.0`.

    A text that is no number stays as it is.
    """
    try:
        if _FLOAT.fullmatch(text):
            value = read_float(text)
        elif _HEX_FLOAT.fullmatch(text):
            value = float.fromhex(text.replace("_", ""))
        else:
            return text
    except (ValueError, OverflowError):
        return text
    return canonical(value)


def canonical(value: float) -> str:
    """A bound or quantile in OpenMetrics's one way of writing it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return _shortest(value)


def _shortest(value: float) -> str:
    """Shortest digits; with an exponent below 1e-4 and from 1e6 on; else with a fraction."""
    if value == 0:
        return "0.0"
    exact = Decimal(repr(value)).normalize()
    if -4 <= exact.adjusted() < 6:
        plain = format(exact, "f")
        return plain if "." in plain else f"{plain}.0"
    digits, _, exponent = format(exact, "e").partition("e")
    return f"{digits}e{exponent[0]}{exponent[1:]:0>2}"
