"""One float as Prometheus prints it: shortest digits, Go's 'f' and 'e' notation.

For labels, messages and single values; columns of floats are printed by `float_kernels`.
"""

from __future__ import annotations

import math
from decimal import Decimal


def format_float(value: float) -> str:
    """`1`, `0.1`, `1e+21`, `1e-07`, `+Inf`, `-Inf`, `NaN`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    shortest = repr(value)
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(shortest), "f").removesuffix(".0")
    digits, _, exponent = format(Decimal(shortest), "e").partition("e")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return f"{digits}e{exponent[0]}{exponent[1:]:0>2}"


def format_plain(value: float) -> str:
    """Like `format_float`, but never with an exponent: how the API prints scalars."""
    if math.isfinite(value) and value:
        text = repr(value)
        return (text if "e" not in text else format(Decimal(text), "f")).removesuffix(".0")
    return format_float(value)


def format_seconds(t_ms: int) -> str:
    """A time in ms as seconds, with three decimals or none: `1435781451.781`, `5`."""
    sign, size = ("-", -t_ms) if t_ms < 0 else ("", t_ms)
    whole, rest = divmod(size, 1000)
    return f"{sign}{whole}.{rest:03d}" if rest else f"{sign}{whole}"


def go_number(value: float) -> str:
    """A value as expositions of Go programs print it: 3, 2.5e+10, NaN."""
    if value != value or math.isinf(value):
        return format_float(value)
    size = abs(value)
    if size == 0 or 1e-4 <= size < 1e6:
        return repr(float(value)).removesuffix(".0")
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = exponent + len(digits) - 1
    text = "".join(map(str, digits))
    point = f"{text[0]}.{text[1:]}" if len(text) > 1 else text
    return f"{'-' if sign else ''}{point}e{'-' if power < 0 else '+'}{abs(power):02d}"
