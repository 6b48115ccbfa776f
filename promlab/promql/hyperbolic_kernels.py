"""Hyperbolic functions and their inverses, to the last bit as Go computes them on x86.

The functions are those of Cephes, the inverses those of FreeBSD's msun.
"""

from __future__ import annotations

import math

import numpy as np

from promlab.jit import kernel
from promlab.promql.exponential_kernels import exp, ln

LN2 = math.log(2.0)
HUGE = 2.0**28


@kernel()
def sinh(x: float) -> float:
    """The hyperbolic sine."""
    size = abs(x)
    if size > 21.0:
        value = exp(size) * 0.5
    elif size > 0.5:
        value = exp(size)
        value = (value - 1.0 / value) * 0.5
    else:
        z = x * x
        upper = -0.2630563213397497062819489e2 * z - 0.2894211355989563807284660366e4
        upper = (upper * z - 0.8991272022039509355398013511e5) * z
        upper -= 0.6307673640497716991184787251e6
        lower = ((z - 0.173678953558233699533450911e3) * z + 0.1521517378790019070696485176e5) * z
        value = upper * size / (lower - 0.6307673640497716991212077277e6)
    return float(np.copysign(value, x))


@kernel()
def cosh(x: float) -> float:
    """The hyperbolic cosine."""
    value = exp(abs(x))
    return value * 0.5 if abs(x) > 21.0 else (value + 1.0 / value) * 0.5


@kernel()
def tanh(x: float) -> float:
    """The hyperbolic tangent."""
    size = abs(x)
    if size > 44.014845965556524:
        return float(np.copysign(1.0, x))
    if size >= 0.625:
        return float(np.copysign(1.0 - 2.0 / (exp(2.0 * size) + 1.0), x))
    if x == 0.0:
        return x
    z = x * x
    upper = (-9.64399179425052238628e-1 * z - 9.92877231001918586564e1) * z
    upper -= 1.61468768441708447952e3
    lower = ((z + 1.12811678491632931402e2) * z + 2.23548839060100448583e3) * z
    return x + x * z * upper / (lower + 4.84406305325125486048e3)


@kernel()
def asinh(x: float) -> float:
    """The inverse of the hyperbolic sine."""
    size = abs(x)
    if x == 0.0 or size == np.inf:
        return x
    if size > HUGE:
        value = ln(size) + LN2
    elif size > 2.0:
        value = ln(2.0 * size + 1.0 / (np.sqrt(size * size + 1.0) + size))
    elif size < 1.0 / HUGE:
        value = size
    else:
        value = np.log1p(size + size * size / (1.0 + np.sqrt(1.0 + size * size)))
    return float(np.copysign(value, x))


@kernel()
def acosh(x: float) -> float:
    """The inverse of the hyperbolic cosine."""
    if not x >= 1.0:
        return np.nan
    if x >= HUGE:
        return ln(x) + LN2
    if x > 2.0:
        return ln(2.0 * x - 1.0 / (x + np.sqrt(x * x - 1.0)))
    t = x - 1.0
    return float(np.log1p(t + np.sqrt(2.0 * t + t * t)))


@kernel()
def atanh(x: float) -> float:
    """The inverse of the hyperbolic tangent."""
    size = abs(x)
    if not size < 1.0:
        return x * np.inf if size == 1.0 else np.nan
    if size < 1.0 / HUGE:
        return x
    if size < 0.5:
        twice = size + size
        value = 0.5 * np.log1p(twice + twice * size / (1.0 - size))
    else:
        value = 0.5 * np.log1p((size + size) / (1.0 - size))
    return float(np.copysign(value, x))
