"""Which native histograms are equal: in all but their hints, with NaN equal to NaN.

That is not what subtraction says: an infinity less itself is no zero.
"""

from __future__ import annotations

import numpy as np

from promlab.model.histograms import Buckets, Floats, HistogramTable, Index
from promlab.promql.vector import Mask


def equal_rows(table: HistogramTable, a: Index, b: Index) -> Mask:
    """Whether histograms a[i] and b[i] are equal, whatever their hints."""
    same: Mask = (table.schema[a] == table.schema[b]) & (table.custom[a] == table.custom[b])
    same &= table.zero_threshold[a] == table.zero_threshold[b]
    for numbers in (table.zero_count, table.count, table.sum):
        same &= _same_numbers(numbers[a], numbers[b])
    left = np.flatnonzero(same)
    if len(left):
        one, other = table.take(a[left]), table.take(b[left])
        same[left] = _equal_buckets(one.positive, other.positive)
        same[left] &= _equal_buckets(one.negative, other.negative)
    return same


def _same_numbers(x: Floats, y: Floats) -> Mask:
    same: Mask = (x == y) | (np.isnan(x) & np.isnan(y))
    return same


def _equal_buckets(one: Buckets, other: Buckets) -> Mask:
    """Whether rows have equal counts in equal places; empty buckets are none, NaN equals NaN."""
    (rows, index, counts), (rows2, index2, counts2) = map(_filled, (one, other))
    n = len(one.offsets) - 1
    sizes = np.bincount(rows, minlength=n)
    same: Mask = sizes == np.bincount(rows2, minlength=n)
    here, there = same[rows], same[rows2]
    differs = (index[here] != index2[there]) | ~_same_numbers(counts[here], counts2[there])
    same[rows[here][differs]] = False
    return same


def _filled(side: Buckets) -> tuple[Index, np.ndarray[tuple[int], np.dtype[np.int32]], Floats]:
    """Row, place and count of all buckets that are not empty."""
    filled = side.counts != 0
    return side.rows[filled], side.indices[filled], side.counts[filled]
