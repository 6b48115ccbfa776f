"""Exponentials, logarithms and powers, to the last bit as Go computes them on x86.

Libraries of mathematics agree in all digits but the last, and Prometheus prints that one too.
`exp` halves its argument four times over and squares what a Taylor series gives; `ln` is that
of FreeBSD's msun, and powers are products of squares. Where Go's own assembly goes wrong, the
right value is given: `exp` from 709.44 on, which it takes for infinite, and `ln` below the
least normal number.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from promlab.jit import intrinsic, ir, kernel, types
from promlab.model.float_kernels import float_bits

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
EXP_LN2_HIGH = 0.69314718055966295651160180568695068359375
EXP_LN2_LOW = 0.28235290563031577122588448175013436025525412068e-12
HALF_ROOT = math.sqrt(2.0) / 2.0
_BIAS = 1022  # of an exponent where the fraction is from 0.5 to 1
_DIGITS = 52


@intrinsic
def fused(_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""

    def build(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), build


@intrinsic
def float_of(_context: Any, bits: Any) -> Any:
    """The f64 with these bits, a u64."""

    def build(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), build


@kernel()
def split(x: float) -> tuple[float, int]:
    """Fraction from 0.5 to 1 and exponent of a positive finite number."""
    shift = 0
    if x < 2.2250738585072014e-308:
        x *= 2.0**_DIGITS
        shift = _DIGITS
    bits = float_bits(x)
    exponent = np.int64(bits >> np.uint64(_DIGITS)) - _BIAS
    fraction = (bits & np.uint64(2**_DIGITS - 1)) | np.uint64(_BIAS << _DIGITS)
    value: float = float_of(fraction)
    return value, int(exponent - shift)


@kernel()
def power_of_2(exponent: int) -> float:
    """2 to a power from -1022 to 1023."""
    value: float = float_of(np.uint64(exponent + _BIAS + 1) << np.uint64(_DIGITS))
    return value


@kernel()
def scaled(x: float, exponent: int) -> float:
    """x times a power of 2, rounded once; x is from 0.25 to 4, or not finite."""
    if exponent > 1030:
        return x * np.inf
    if exponent > 1000:
        return x * power_of_2(1000) * power_of_2(exponent - 1000)
    if exponent >= -1000:
        return x * power_of_2(exponent)
    if exponent < -1100:
        return x * 0.0
    return x * power_of_2(-1000) * power_of_2(exponent + 1000)


@kernel()
def exp(x: float) -> float:
    """e to the power of x."""
    if x != x:
        return x
    if x > 709.782712893384:
        return np.inf
    if x < -745.1332191019412:
        return 0.0
    k = np.rint(x * 1.4426950408889634)
    rest = fused(-k, EXP_LN2_LOW, fused(-k, EXP_LN2_HIGH, x)) * 0.0625
    sum_ = 2.4801587301587301587e-5
    sum_ = fused(sum_, rest, 1.9841269841269841270e-4)
    sum_ = fused(sum_, rest, 1.3888888888888888889e-3)
    sum_ = fused(sum_, rest, 8.3333333333333333333e-3)
    sum_ = fused(sum_, rest, 4.1666666666666666667e-2)
    sum_ = fused(sum_, rest, 1.6666666666666666667e-1)
    sum_ = fused(sum_, rest, 0.5)
    part = rest * fused(sum_, rest, 1.0)  # of e^rest - 1
    for _ in range(3):
        part = part * (part + 2.0)
    return scaled(fused(part, part + 2.0, 1.0), int(k))


@kernel()
def exp2(x: float) -> float:
    """2 to the power of x, by msun's rational function for e to what is left of it."""
    if not -1075.0 < x < 1024.0:
        return x if x != x else (np.inf if x > 0.0 else 0.0)
    k = np.trunc(x + np.copysign(0.5, x))
    high = (x - k) * LN2_HIGH
    low = (k - x) * LN2_LOW
    rest = high - low
    z = rest * rest
    sum_ = (4.13813679705723846039e-08 * z - 1.65339022054652515390e-06) * z
    sum_ = ((sum_ + 6.61375632143793436117e-05) * z - 2.77777777770155933842e-03) * z
    c = rest - z * (sum_ + 1.66666666666666657415e-01)
    return scaled(1.0 - ((low - (rest * c) / (2.0 - c)) - high), int(k))


@kernel()
def ln(x: float) -> float:
    """The natural logarithm."""
    if x != x or x == np.inf:
        return x
    if x < 0.0:
        return np.nan
    if x == 0.0:
        return -np.inf
    fraction, exponent = split(x)
    if fraction < HALF_ROOT:
        fraction *= 2.0
        exponent -= 1
    f = fraction - 1.0
    k = float(exponent)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01
               + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)))  # fmt: skip
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01
                + w * 1.531383769920937332e-01))  # fmt: skip
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + (odd + even)) + k * LN2_LOW)) - f)


@kernel()
def log2(x: float) -> float:
    """The logarithm to base 2: exact of powers of 2."""
    if not 0.0 < x < np.inf:
        return ln(x)
    fraction, exponent = split(x)
    if fraction == 0.5:
        return float(exponent - 1)
    return ln(fraction) * 1.4426950408889634 + float(exponent)


@kernel()
def _product(x: float, part: float, whole: int, inverse: bool) -> float:
    """x to the power of whole + part: a product of squares, and an exponential for the part."""
    result = 1.0
    exponent = 0
    if part != 0.0:
        if part > 0.5:
            part -= 1.0
            whole += 1
        result = exp(part * ln(x))
    square, twos = split(x)
    while whole:
        if abs(twos) > 4096:  # beyond all floats
            exponent += twos
            break
        if whole & 1:
            result *= square
            exponent += twos
        square *= square
        twos *= 2
        if square < 0.5:
            square += square
            twos -= 1
        whole >>= 1
    if inverse:
        result = 1.0 / result
        exponent = -exponent
    if not 0.0 < result < np.inf:
        return result
    fraction, more = split(result)
    return scaled(fraction, exponent + more)


@kernel()
def power(x: float, y: float) -> float:
    """x to the power of y."""
    if y == 0.0 or x == 1.0:
        return 1.0
    if y == 1.0 or x != x:
        return x
    if y != y:
        return y
    size = abs(y)
    odd = size < 2.0**53 and np.floor(size) == size and int(size) & 1 == 1
    sign = -1.0 if np.signbit(x) and odd else 1.0
    if size == np.inf or size >= 2.0**63:
        if abs(x) == 1.0:
            return 1.0
        return 0.0 if (abs(x) < 1.0) == (y > 0.0) else np.inf
    if x == 0.0 or abs(x) == np.inf:
        return sign * (0.0 if (x == 0.0) == (y > 0.0) else np.inf)
    if size == 0.5:
        return float(np.sqrt(x) if y > 0.0 else 1.0 / np.sqrt(x))
    whole = np.floor(size)
    if whole != size and x < 0.0:
        return np.nan
    return sign * _product(abs(x), size - whole, int(whole), y < 0.0)
