"""Kernels that find where in the buckets of a native histogram something is: quantiles, fractions.

Buckets of histogram r are offsets[r]:offsets[r+1], in the order of their bounds, none empty;
`place` is their sign, 0 for the zero bucket. What is no histogram that anybody observed, with
counts below zero or without an end, comes out as Prometheus's own order of comparisons has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.bucket_kernels import CUSTOM_SCHEMA, F64, I8, I64
from promlab.promql.exponential_kernels import exp2, log2

QUANTILE, FRACTION = range(2)
RESULT, SHIFTED = 1, 2  # what observations of NaN did: made it NaN, or moved it


@kernel()
def share_below(x: float, lower: float, upper: float, linear: bool) -> float:
    """Which share of a bucket lies below x, lower < x < upper; of one without an end, all lies
    at that end."""
    if np.isinf(lower):
        return 1.0
    if np.isinf(upper):
        return 0.0
    if linear:
        return float((x - lower) / (upper - lower))
    if x > 0.0:
        low = log2(lower)
        return float((log2(x) - low) / (log2(upper) - low))
    low = log2(-lower)
    return float((log2(-x) - low) / (log2(-upper) - low))


@kernel()
def point_within(share: float, lower: float, upper: float, linear: bool) -> float:
    """The value below which this share of a bucket lies."""
    if linear:
        return float(lower + (upper - lower) * share)
    if lower > 0.0:
        low = log2(lower)
        return float(exp2(low + (log2(upper) - low) * share))
    high = log2(-upper)
    return float(-exp2(high + (log2(-lower) - high) * (1.0 - share)))


@kernel()
def ends(
    custom: bool, place: Any, lower: Any, upper: Any, a: int, b: int, at: int
) -> tuple[float, float]:
    """Where a bucket begins and ends: the zero bucket at 0, if all others are on one side."""
    low, high = lower[at], upper[at]
    if place[at] == 0 and not custom:
        if place[a] == 0 and place[b - 1] > 0:
            low = 0.0
        elif place[b - 1] == 0 and place[a] < 0:
            high = 0.0
    return low, high


@kernel()
def bucket_of_rank(counts: Any, a: int, b: int, rank: float, forward: bool) -> tuple[int, float]:
    """The bucket in which a rank is reached, from either end, and what was counted up to there."""
    reached = 0.0
    step = 1 if forward else -1
    at = a if forward else b - 1
    while a <= at < b:
        reached += counts[at]
        if reached >= rank:
            break
        at += step
    return max(a, min(at, b - 1)), reached


@kernel()
def quantile_of(
    p: float, n: float, nans: bool, custom: bool, place: Any, lower: Any, upper: Any, counts: Any,
    a: int, b: int,
) -> tuple[float, int]:  # fmt: skip
    """Quantile p of n observations in the buckets a:b, and what observations of NaN did."""
    if p < 0.0:
        return -np.inf, 0
    if p > 1.0:
        return np.inf, 0
    if n == 0.0 or n != n or p != p:
        return np.nan, 0
    forward = nans or p < 0.5
    rank = p * n if forward else (1.0 - p) * n
    at, reached = bucket_of_rank(counts, a, b, rank, forward)
    short = min(reached, n) < rank
    if b == a:
        return (0.0 if short and not nans else np.nan), (RESULT if nans else 0)
    low, high = ends(custom, place, lower, upper, a, b, at)
    if custom and np.isinf(low):
        if high <= 0.0 or np.isinf(high):
            return min(high, 0.0), 0
        low = 0.0
    elif custom and np.isinf(high):
        return low, 0
    if short:
        return (np.nan if nans else high), (RESULT if nans else 0)
    reached = min(reached, n)
    rank = rank - (reached - counts[at]) if forward else reached - rank
    linear = custom or place[at] == 0
    return point_within(rank / counts[at], low, high, linear), (SHIFTED if nans else 0)


@kernel()
def fraction_of(
    p: float, q: float, n: float, nans: bool, custom: bool, place: Any, lower: Any, upper: Any,
    counts: Any, a: int, b: int,
) -> float:  # fmt: skip
    """Fraction of n observations between p and q, p < q, in the buckets a:b."""
    rank = 0.0
    from_rank = -1.0
    to_rank = -1.0
    for at in range(a, b):
        low, high = ends(custom, place, lower, upper, a, b, at)
        linear = custom or place[at] == 0
        if custom and np.isinf(low) and high > 0.0:
            low = 0.0
        if from_rank < 0.0:
            if low >= p:
                from_rank = rank
            elif high > p:
                from_rank = rank + counts[at] * share_below(p, low, high, linear)
        if to_rank < 0.0:
            if low >= q:
                to_rank = rank
            elif high > q:
                to_rank = rank + counts[at] * share_below(q, low, high, linear)
        rank += counts[at]
    most = rank if nans else n
    from_rank = most if from_rank < 0.0 else min(from_rank, most)
    to_rank = most if to_rank < 0.0 else min(to_rank, most)
    return (to_rank - from_rank) / n


@kernel(
    f"void({I64}, {F64}, {F64}, {F64}, {I8}, {I8}, {F64}, {F64}, {I64}, {F64}, {F64}, int64, "
    "float64[::1], int8[::1])"
)
def positions(
    offsets: Any,
    lower: Any,
    upper: Any,
    counts: Any,
    place: Any,
    schema: Any,
    count: Any,
    total: Any,
    rows: Any,
    p: Any,
    q: Any,
    mode: int,
    out: Any,
    notes: Any,
) -> None:
    """QUANTILE p[i] or FRACTION between p[i] and q[i] of the histogram rows[i].

    A sum of NaN means observations of NaN, that no bucket holds: notes[i] is RESULT where that
    made the result NaN, SHIFTED where it only moved it.
    """
    for i in range(len(rows)):
        r = rows[i]
        a, b = offsets[r], offsets[r + 1]
        custom = schema[r] == CUSTOM_SCHEMA
        n = count[r]
        nans = total[r] != total[r]
        notes[i] = 0
        if mode == QUANTILE:
            out[i], notes[i] = quantile_of(p[i], n, nans, custom, place, lower, upper, counts, a, b)
        elif n == 0.0 or n != n or p[i] != p[i] or q[i] != q[i]:
            out[i] = np.nan
        else:
            notes[i] = SHIFTED if nans else 0
            out[i] = 0.0
            if p[i] < q[i]:
                out[i] = fraction_of(p[i], q[i], n, nans, custom, place, lower, upper, counts, a, b)
