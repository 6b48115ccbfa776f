"""Kernels of classic histograms: quantiles and fractions from cumulative buckets.

Histogram g has the rows rows[starts[g]:starts[g+1]] of the matrix, sorted by their upper
bounds `upper`; at each step the buckets are the rows that are present there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.aggregate_kernels import CODES, MASK, NUMBERS, VALUES

QUANTILE, FRACTION = range(2)
_TOLERANCE = 1e-12
_TINY = 2.2250738585072014e-308


@kernel()
def almost_equal(a: float, b: float) -> bool:
    """Equal up to what rounding does."""
    if a == b:
        return True
    size = abs(a) + abs(b)
    apart = abs(a - b)
    if a == 0.0 or b == 0.0 or size < _TINY:
        return apart < _TOLERANCE * _TINY
    return apart / min(size, 1.7976931348623157e308) < _TOLERANCE


@kernel()
def bucket_quantile(q: float, bounds: Any, counts: Any, n: int) -> float:
    """Quantile of n > 1 monotonic buckets by linear interpolation inside one of them."""
    observations = counts[n - 1]
    if observations == 0.0 or observations != observations:
        return np.nan
    rank = q * observations
    b = 0
    while b < n - 1 and not counts[b] >= rank:
        b += 1
    if b == n - 1:
        return float(bounds[n - 2])
    if b == 0 and bounds[0] <= 0.0:
        return float(bounds[0])
    start = 0.0
    count = counts[b]
    if b > 0:
        start = bounds[b - 1]
        count -= counts[b - 1]
        rank -= counts[b - 1]
    return float(start + (bounds[b] - start) * (rank / count))


@kernel()
def bucket_fraction(lower: float, upper: float, bounds: Any, counts: Any, n: int) -> float:
    """Share of the observations between two values, by linear interpolation."""
    count = counts[n - 1]
    if count == 0.0 or lower != lower or upper != upper or count != count:
        return np.nan
    if lower >= upper:
        return 0.0
    rank = 0.0
    lower_rank = count
    upper_rank = count
    lower_set = False
    upper_set = False
    for i in range(n):
        left = bounds[i - 1] if i > 0 else (0.0 if bounds[0] > 0.0 else -np.inf)
        right = bounds[i]
        if not lower_set and left >= lower:
            lower_rank = rank
            lower_set = True
        if not upper_set and left >= upper:
            upper_rank = rank
            upper_set = True
        if not lower_set and left < lower and right > lower:
            lower_rank = rank + (counts[i] - rank) * (lower - left) / (right - left)
            lower_set = True
        if not upper_set and left < upper and right > upper:
            upper_rank = rank + (counts[i] - rank) * (upper - left) / (right - left)
            upper_set = True
        if lower_set and upper_set:
            break
        rank = counts[i]
    return float((min(upper_rank, count) - min(lower_rank, count)) / count)


@kernel(
    f"void({VALUES}, {MASK}, {CODES}, {CODES}, {NUMBERS}, {VALUES}, int64, int64, int64, "
    "float64[:, ::1], boolean[:, ::1], boolean[::1])"
)
def classic(
    values: Any,
    present: Any,
    rows: Any,
    starts: Any,
    upper: Any,
    params: Any,
    t0: int,
    t1: int,
    mode: int,
    out: Any,
    seen: Any,
    forced: Any,
) -> None:
    """QUANTILE params[0, t] or FRACTION between params[0, t] and params[1, t].

    Counts that fall from one bucket to the next are lifted; where that was more than
    rounding, forced[g] is set (never reset).
    """
    bounds = np.empty(max(1, len(rows)))
    counts = np.empty(max(1, len(rows)))
    for g in range(len(starts) - 1):
        for t in range(t0, t1):
            n = 0
            some = False
            for k in range(starts[g], starts[g + 1]):
                row = rows[k]
                if not present[row, t]:
                    continue
                some = True
                if n > 0 and bounds[n - 1] == upper[k]:
                    counts[n - 1] += values[row, t]
                else:
                    bounds[n] = upper[k]
                    counts[n] = values[row, t]
                    n += 1
            seen[g, t] = some
            out[g, t] = np.nan
            if not some:
                continue
            q = params[0, t]
            if mode == QUANTILE:
                if q != q:
                    continue
                if q < 0.0 or q > 1.0:
                    out[g, t] = -np.inf if q < 0.0 else np.inf
                    continue
            if bounds[n - 1] != np.inf:
                continue
            if mode == FRACTION:
                out[g, t] = bucket_fraction(q, params[1, t], bounds, counts, n)
                continue
            before = counts[0]
            for k in range(1, n):
                if counts[k] == before:
                    continue
                if almost_equal(before, counts[k]):
                    counts[k] = before
                elif counts[k] < before:
                    counts[k] = before
                    forced[g] = True
                else:
                    before = counts[k]
            if n >= 2:
                out[g, t] = bucket_quantile(q, bounds, counts, n)
