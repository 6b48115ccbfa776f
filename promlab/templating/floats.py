"""Floats in Go's formats: `%e`, `%f`, `%g`, with a precision or with the fewest digits."""

from __future__ import annotations

import math
from decimal import Decimal


def shortest(value: float) -> str:
    """As `%v` prints a float64: `1e+06`, `0.1`, `+Inf`."""
    return format_float(value, "g", -1)


def format_float(value: float, verb: str, precision: int) -> str:
    """A float by one of `e`, `f`, `g`; precision -1 is as many digits as it takes."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if verb == "f":
        if precision >= 0:
            return f"{value:.{precision}f}"
        return _trim(f"{Decimal(repr(value)):f}")
    if verb == "e":
        return _exponent(value, precision)
    return _general(value, precision)


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponent(value: float, precision: int) -> str:
    if precision >= 0:
        return f"{value:.{precision}e}"
    digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    if value == 0:
        digits, exponent = ("-0" if math.copysign(1, value) < 0 else "0"), "+0"
    return f"{_trim(digits)}e{exponent[0]}{exponent[1:]:0>2}"


def _general(value: float, precision: int) -> str:
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    if precision == 0:
        precision = 1
    text = _exponent(value, precision - 1 if precision > 0 else -1)
    digits, _, exponent = text.partition("e")
    power = int(exponent)
    significant = sum(char.isdigit() for char in _trim(digits))
    threshold = precision
    if precision < 0:
        threshold = 6
    elif threshold > significant >= power + 1:
        threshold = significant
    if power < -4 or power >= threshold:
        return f"{_trim(digits)}e{exponent}"
    return _trim(f"{Decimal(text):f}")
