"""Bounds of exponential buckets, to the last digit those that Prometheus prints.

A bound is a fraction from [1/2, 1) times a power of two. The fractions come from a table that
its client libraries and its server share; the table was made by multiplication, and is up to four
units in the last place away from the powers of two it stands for. So it is made the same way here.
"""

from __future__ import annotations

import math
import sys

FINEST = 8
LARGEST = sys.float_info.max
# The square root of two as Go has it: the last bit differs.
_ROOT_OF_2 = math.nextafter(math.sqrt(2.0), 0.0)


def fractions() -> tuple[float, ...]:
    """Those of the finest schema: that of schema s at i stands at i << (8 - s)."""
    table = [0.5]
    for schema in range(1, FINEST + 1):
        factor = _ROOT_OF_2 if schema == 1 else 2.0 ** (2.0**-schema)
        # Every second one is known from the schema before; the others are one step from those.
        table = [each for known in table for each in (known, known * factor)]
    return tuple(table)


FRACTIONS = fractions()


def exponential_bound(schema: int, index: int) -> float:
    """Upper bound of the (positive) bucket with this index, for a schema from -4 to 8.

    Of the bucket that ends beyond all numbers it is the largest number, and behind that infinity.
    """
    fine, coarse = max(schema, 0), max(-schema, 0)
    whole = (index << coarse) >> fine
    part = (index << coarse) - (whole << fine)
    if whole >= 1024:
        return LARGEST if whole == 1024 and part == 0 else math.inf
    return math.ldexp(FRACTIONS[part << (FINEST - fine)], max(whole, -2000) + 1)
