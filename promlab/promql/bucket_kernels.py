"""Kernels over the buckets of native histograms, and over anything else that is summed by rows.

Terms are rows of a table with a factor each: output g is made of the terms
rows[starts[g]:starts[g+1]], in this order. Buckets come as CSR (offsets, indices, counts);
the positive and the negative ones are two calls.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.model import exponential_bounds
from promlab.model.exponential_bounds import FINEST, LARGEST
from promlab.promql.over_time_kernels import add

I64 = "Array(int64, 1, 'C', readonly=True)"
I32 = "Array(int32, 1, 'C', readonly=True)"
I8 = "Array(int8, 1, 'C', readonly=True)"
F64 = "Array(float64, 1, 'C', readonly=True)"
CUSTOM_SCHEMA = -53
FRACTIONS = np.array(exponential_bounds.FRACTIONS)


@kernel(f"void({I64}, {I64}, {F64}, {F64}, float64[::1])")
def weighted_sums(starts: Any, rows: Any, factors: Any, values: Any, out: Any) -> None:
    """Sum of factor * value over the terms of each output, compensated for rounding."""
    for g in range(len(starts) - 1):
        total = 0.0
        lost = 0.0
        for k in range(starts[g], starts[g + 1]):
            total, lost = add(factors[k] * values[rows[k]], total, lost)
        out[g] = total + lost


@kernel()
def bound(schema: Any, index: Any, first: Any, last: Any, bounds: Any) -> float:
    """Upper bound of a positive bucket; custom bounds are bounds[first:last], then +Inf."""
    if schema == CUSTOM_SCHEMA:
        if first + index >= last:
            return np.inf
        if index < 0:
            return -np.inf
        return float(bounds[first + index])
    if schema < 0:
        whole = index << -schema
        part = 0.5
    else:
        whole = index >> schema
        part = FRACTIONS[(index - (whole << schema)) << (FINEST - schema)]
    if whole == 1024 and part == 0.5:
        return LARGEST
    return float(math.ldexp(part, min(max(whole, -2000), 2000) + 1))


@kernel(f"void({I64}, {I64}, {F64}, {I8}, {I64}, {I32}, {F64}, {I64}, {I32}, {F64}, float64[::1])")
def zero_thresholds(
    starts: Any,
    rows: Any,
    thresholds: Any,
    schema: Any,
    offsets: Any,
    indices: Any,
    counts: Any,
    other_offsets: Any,
    other_indices: Any,
    other_counts: Any,
    out: Any,
) -> None:
    """The zero threshold of each output: the widest of its terms' that cuts no filled bucket."""
    for g in range(len(starts) - 1):
        widest = 0.0
        narrowest = np.inf
        for k in range(starts[g], starts[g + 1]):
            widest = max(widest, thresholds[rows[k]])
            narrowest = min(narrowest, thresholds[rows[k]])
        grown = narrowest < widest
        while grown:
            grown = False
            for k in range(starts[g], starts[g + 1]):
                r = rows[k]
                for side in range(2):
                    a = offsets[r] if side == 0 else other_offsets[r]
                    b = offsets[r + 1] if side == 0 else other_offsets[r + 1]
                    for i in range(a, b):
                        index = np.int64(indices[i] if side == 0 else other_indices[i])
                        count = counts[i] if side == 0 else other_counts[i]
                        lower = bound(np.int64(schema[r]), index - 1, 0, 0, thresholds)
                        if lower >= widest:
                            break
                        upper = bound(np.int64(schema[r]), index, 0, 0, thresholds)
                        if upper > widest and count != 0.0:
                            widest = upper
                            grown = True
        out[g] = widest


@kernel(
    f"int64({I64}, {I64}, {F64}, {I8}, {F64}, {I32}, {I64}, {I32}, {F64}, {I8}, {F64}, {I32}, "
    f"{I64}, {F64}, int64, int64[::1], int32[::1], float64[::1], float64[::1])"
)
def weighted_buckets(
    starts: Any,
    rows: Any,
    factors: Any,
    schema: Any,
    thresholds: Any,
    custom: Any,
    offsets: Any,
    indices: Any,
    counts: Any,
    out_schema: Any,
    out_thresholds: Any,
    out_custom: Any,
    bound_starts: Any,
    bounds: Any,
    widest: int,
    out_offsets: Any,
    out_indices: Any,
    out_counts: Any,
    absorbed: Any,
) -> int:
    """Sum of factor * buckets over the terms of each output, as buckets of the output's schema.

    What lies in a wider zero bucket is added to absorbed[g] instead. `widest` bounds how many
    buckets the terms of one output have together. Returns how many buckets there are, and
    writes those that `out_indices` has room for; empty ones are left out.
    """
    at = np.empty(widest + 1, np.int64)
    total = np.empty(widest + 1)
    lost = np.empty(widest + 1)
    new_at = np.empty(widest + 1, np.int64)
    new_total = np.empty(widest + 1)
    new_lost = np.empty(widest + 1)
    room = len(out_indices)
    written = 0
    for g in range(len(starts) - 1):
        size = 0
        target = np.int64(out_schema[g])
        to_first = 0
        to_last = 0
        if out_custom[g] >= 0:
            to_first = bound_starts[out_custom[g]]
            to_last = bound_starts[out_custom[g] + 1]
        for k in range(starts[g], starts[g + 1]):
            r = rows[k]
            own: Any = np.int64(schema[r])
            first = 0
            last = 0
            if custom[r] >= 0:
                first = bound_starts[custom[r]]
                last = bound_starts[custom[r] + 1]
            made = 0
            held = 0
            for i in range(offsets[r], offsets[r + 1]):
                index: Any = np.int64(indices[i])
                x = factors[k] * counts[i]
                wider = thresholds[r] < out_thresholds[g]
                if wider and bound(own, index, first, last, bounds) <= out_thresholds[g]:
                    absorbed[g] += x
                    continue
                if own == CUSTOM_SCHEMA:
                    if custom[r] != out_custom[g]:
                        upper = bound(own, index, first, last, bounds)
                        lo = to_first
                        hi = to_last
                        while lo < hi:
                            middle = (lo + hi) >> 1
                            if bounds[middle] < upper:
                                lo = middle + 1
                            else:
                                hi = middle
                        index = lo - to_first
                elif own > target:
                    index = ((index - 1) >> (own - target)) + 1
                if made > 0 and new_at[made - 1] == index:
                    new_total[made - 1], new_lost[made - 1] = add(
                        x, new_total[made - 1], new_lost[made - 1]
                    )
                    continue
                while held < size and at[held] < index:
                    new_at[made] = at[held]
                    new_total[made] = total[held]
                    new_lost[made] = lost[held]
                    made += 1
                    held += 1
                if held < size and at[held] == index:
                    new_total[made], new_lost[made] = add(x, total[held], lost[held])
                    held += 1
                else:
                    new_total[made] = x
                    new_lost[made] = 0.0
                new_at[made] = index
                made += 1
            while held < size:
                new_at[made] = at[held]
                new_total[made] = total[held]
                new_lost[made] = lost[held]
                made += 1
                held += 1
            size = made
            for i in range(size):
                at[i] = new_at[i]
                total[i] = new_total[i]
                lost[i] = new_lost[i]
        out_offsets[g] = written
        for i in range(size):
            x = total[i] + lost[i]
            if x != 0.0:
                if written < room:
                    out_indices[written] = at[i]
                    out_counts[written] = x
                written += 1
    out_offsets[len(starts) - 1] = written
    return written
