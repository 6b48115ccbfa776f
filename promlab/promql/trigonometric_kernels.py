"""Sines, tangents and their inverses, to the last bit as Go computes them on x86: those of Cephes.

An angle is brought into an eighth of a turn with π/4 in three parts, or, from 2^29 on, with
as many bits of 4/π as its exponent asks for (Payne and Hanek's method).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from promlab.jit import kernel
from promlab.model.float_kernels import float_bits, high_product
from promlab.promql.exponential_kernels import float_of

PI_HIGH, PI_MIDDLE, PI_LOW = (  # of π/4
    7.85398125648498535156e-1,
    3.77489470793079817668e-8,
    2.69515142907905952645e-15,
)
LARGE = 2.0**29
BEYOND_HALF_PI = 6.123233995736765886130e-17
TAN_3_8 = 2.41421356237309504880  # of three eighths of π
_U: Any = np.uint64


def _arctangent(inverse: int, bits: int) -> int:
    """arctan(1 / inverse) in fixed point."""
    power = total = (1 << bits) // inverse
    n = 1
    while power:
        power //= -inverse * inverse
        n += 2
        total += power // n
    return total


def _four_over_pi() -> npt.NDArray[np.uint64]:
    """4/π as u64[20], 64 bits each from the highest down: one bit of it is before the point."""
    bits = 1400
    quarter = 4 * _arctangent(5, bits) - _arctangent(239, bits)
    whole = ((1 << 2 * bits) // quarter) >> (bits - (20 * 64 - 64))
    return np.array([whole >> 64 * i & (2**64 - 1) for i in range(19, -1, -1)], np.uint64)


_FOUR_OVER_PI = _four_over_pi()


@kernel()
def _reduced_large(x: float) -> tuple[int, float]:
    """Eighth of a turn and angle within it, of an angle of 2^29 or more."""
    bits = float_bits(x)
    place = np.int64(bits >> _U(52)) - 1023 - 52 + 61
    word = place // 64
    shift = place % 64
    digits = np.empty(3, np.uint64)
    for i in range(3):
        digits[i] = _FOUR_OVER_PI[word + i] << _U(shift)
        if shift:
            digits[i] |= _FOUR_OVER_PI[word + i + 1] >> _U(64 - shift)
    mantissa = (bits & _U(2**52 - 1)) | _U(2**52)
    low = _U(digits[1] * mantissa)
    carried = high_product(digits[2], mantissa)
    low = _U(low + carried)
    high = _U(_U(digits[0] * mantissa) + high_product(digits[1], mantissa))
    if low < carried:
        high = _U(high + _U(1))
    eighth = np.int64(high >> _U(61))
    high = _U(high << _U(3)) | (low >> _U(61))
    zeros = 0
    while zeros < 63 and not (high >> _U(63 - zeros)) & _U(1):
        zeros += 1
    high = _U(high << _U(zeros + 1)) | (low >> _U(63 - zeros)) if zeros < 63 else low
    angle = float_of((high >> _U(12)) | (_U(1022 - zeros) << _U(52)))
    if eighth & 1:
        eighth = (eighth + 1) & 7
        angle -= 1.0
    return int(eighth), angle * (math.pi / 4)


@kernel()
def _reduced(x: float) -> tuple[int, float]:
    """Even eighth of a turn that is next to a positive angle, and how far it is from there."""
    if x >= LARGE:
        return _reduced_large(x)
    eighth = np.int64(x * (4.0 / math.pi))
    eighth += eighth & 1
    turns = float(eighth)
    return int(eighth & 7), ((x - turns * PI_HIGH) - turns * PI_MIDDLE) - turns * PI_LOW


@kernel()
def _sine_near_0(x: float) -> float:
    z = x * x
    sum_ = (1.58962301576546568060e-10 * z - 2.50507477628578072866e-8) * z
    sum_ = ((sum_ + 2.75573136213857245213e-6) * z - 1.98412698295895385996e-4) * z
    sum_ = (sum_ + 8.33333333332211858878e-3) * z - 1.66666666666666307295e-1
    return x + x * z * sum_


@kernel()
def _cosine_near_0(x: float) -> float:
    z = x * x
    sum_ = (-1.13585365213876817300e-11 * z + 2.08757008419747316778e-9) * z
    sum_ = ((sum_ - 2.75573141792967388112e-7) * z + 2.48015872888517045348e-5) * z
    sum_ = (sum_ - 1.38888888888730564116e-3) * z + 4.16666666666665929218e-2
    return 1.0 - 0.5 * z + z * z * sum_


@kernel()
def sin(x: float) -> float:
    """The sine."""
    size = abs(x)
    if x == 0.0 or not size < np.inf:
        return x if x == 0.0 else np.nan
    eighth, rest = _reduced(size)
    value = _cosine_near_0(rest) if eighth & 2 else _sine_near_0(rest)
    return -value if (eighth > 3) != (x < 0.0) else value


@kernel()
def cos(x: float) -> float:
    """The cosine."""
    size = abs(x)
    if not size < np.inf:
        return np.nan
    eighth, rest = _reduced(size)
    value = _sine_near_0(rest) if eighth & 2 else _cosine_near_0(rest)
    return -value if eighth in (2, 4) else value


@kernel()
def tan(x: float) -> float:
    """The tangent."""
    size = abs(x)
    if x == 0.0 or not size < np.inf:
        return x if x == 0.0 else np.nan
    eighth, value = _reduced(size)
    z = value * value
    if z > 1e-14:
        upper = -1.30936939181383734205e4 * z + 1.15351664838587416140e6
        upper = upper * z - 1.79565251976484877988e7
        lower = ((z + 1.36812963470692954678e4) * z - 1.32089234440210967447e6) * z
        lower = (lower + 2.50083801823357915839e7) * z - 5.38695755929454629881e7
        value = value + value * (z * upper / lower)
    if eighth & 2:
        value = -1.0 / value
    return -value if x < 0.0 else value


@kernel()
def _arctangent_near_0(x: float) -> float:
    z = x * x
    upper = (-8.750608600031904122785e-01 * z - 1.615753718733365076637e01) * z
    upper = ((upper - 7.500855792314704667340e01) * z - 1.228866684490136173410e02) * z
    upper -= 6.485021904942025371773e01
    lower = ((z + 2.485846490142306297962e01) * z + 1.650270098316988542046e02) * z
    lower = ((lower + 4.328810604912902668951e02) * z + 4.853903996359136964868e02) * z
    return x * (z * upper / (lower + 1.945506571482613964425e02)) + x


@kernel()
def _arctangent_of(x: float) -> float:
    """Of a positive number."""
    if x <= 0.66:
        return _arctangent_near_0(x)
    if x > TAN_3_8:
        return math.pi / 2 - _arctangent_near_0(1.0 / x) + BEYOND_HALF_PI
    return math.pi / 4 + _arctangent_near_0((x - 1.0) / (x + 1.0)) + 0.5 * BEYOND_HALF_PI


@kernel()
def atan(x: float) -> float:
    """The inverse of the tangent."""
    if x == 0.0 or x != x:
        return x
    return _arctangent_of(x) if x > 0.0 else -_arctangent_of(-x)


@kernel()
def asin(x: float) -> float:
    """The inverse of the sine."""
    size = abs(x)
    if x == 0.0 or not size <= 1.0:
        return x if x == 0.0 else np.nan
    other = np.sqrt(1.0 - size * size)
    if size > 0.7:
        value = math.pi / 2 - _arctangent_of(other / size)
    else:
        value = _arctangent_of(size / other)
    return -value if x < 0.0 else value


@kernel()
def atan2(y: float, x: float) -> float:
    """The angle of the point (x, y)."""
    if y == 0.0 or x == 0.0 or not (abs(x) < np.inf and abs(y) < np.inf):
        return math.atan2(y, x)  # nothing to compute
    angle = atan(y / x)
    if x < 0.0:
        return angle + math.pi if angle <= 0.0 else angle - math.pi
    return angle
