"""Elementary functions over whole arrays: of one value, and of two.

The functions themselves are in `exponential_kernels`, `hyperbolic_kernels` and
`trigonometric_kernels`.
"""

from __future__ import annotations

import math
from typing import Any

from promlab.jit import kernel
from promlab.promql.exponential_kernels import exp, ln, log2, power
from promlab.promql.hyperbolic_kernels import acosh, asinh, atanh, cosh, sinh, tanh
from promlab.promql.trigonometric_kernels import asin, atan, atan2, cos, sin, tan

F64 = "Array(float64, 1, 'C', readonly=True)"
EXP, LN, LOG2, LOG10, SINH, COSH, TANH, ASINH, ACOSH, ATANH = range(10)
SIN, COS, TAN, ASIN, ACOS, ATAN = range(10, 16)
POWER, ATAN2 = range(2)


@kernel()
def _exponential(x: float, function: int) -> float:
    if function == EXP:
        return exp(x)
    if function == LN:
        return ln(x)
    if function == LOG2:
        return log2(x)
    if function == LOG10:
        return ln(x) * 0.4342944819032518
    if function == SINH:
        return sinh(x)
    if function == COSH:
        return cosh(x)
    if function == TANH:
        return tanh(x)
    if function == ASINH:
        return asinh(x)
    return acosh(x) if function == ACOSH else atanh(x)


@kernel()
def _trigonometric(x: float, function: int) -> float:
    if function == SIN:
        return sin(x)
    if function == COS:
        return cos(x)
    if function == TAN:
        return tan(x)
    if function == ATAN:
        return atan(x)
    angle = asin(x)
    return angle if function == ASIN else math.pi / 2 - angle


@kernel(f"void({F64}, int64, float64[::1])")
def of_one(values: Any, function: int, out: Any) -> None:
    """out[i] = function(values[i])."""
    for i in range(len(values)):
        x = values[i]
        if function < SIN:
            out[i] = _exponential(x, function)
        else:
            out[i] = _trigonometric(x, function)


@kernel(f"void({F64}, {F64}, int64, float64[::1])")
def of_two(left: Any, right: Any, function: int, out: Any) -> None:
    """out[i] = function(left[i], right[i])."""
    for i in range(len(left)):
        if function == POWER:
            out[i] = power(left[i], right[i])
        else:
            out[i] = atan2(left[i], right[i])
