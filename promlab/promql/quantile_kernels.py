"""Kernels of quantiles over windows: a sorted copy of the window moves along with it.

They have the signature `window_kernels.WINDOW`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.window_kernels import WINDOW, most_samples, windows

QUANTILE, MAD = range(2)


@kernel(inline=True)
def below(x: float, y: float) -> bool:
    """The order of quantiles: NaN comes first."""
    return x < y or (x != x and y == y)


@kernel()
def place(ordered: Any, count: int, x: float) -> int:
    """Position of the first of `count` ordered values that is not below x."""
    lo = 0
    hi = count
    while lo < hi:
        middle = (lo + hi) >> 1
        if below(ordered[middle], x):
            lo = middle + 1
        else:
            hi = middle
    return lo


@kernel()
def quantile_of(q: float, ordered: Any, count: int) -> float:
    """Quantile of ordered values by linear interpolation; ±Inf for q outside [0, 1]."""
    if count == 0 or q != q:
        return np.nan
    if q < 0.0:
        return -np.inf
    if q > 1.0:
        return np.inf
    rank = q * (count - 1.0)
    floor = np.floor(rank)
    lower = int(max(0.0, floor))
    upper = int(min(count - 1.0, lower + 1.0))
    weight = rank - floor
    value: float = ordered[lower] * (1.0 - weight) + ordered[upper] * weight
    return value


@kernel(WINDOW)
def quantiles(
    order: Any,
    a: int,
    b: int,
    offsets: Any,
    times_at: Any,
    t_ms: Any,
    values: Any,
    start_ms: int,
    step_ms: int,
    range_ms: int,
    mode: int,
    params: Any,
    out: Any,
    present: Any,
) -> None:
    """QUANTILE params[0, t] of the window, or MAD, the median distance from its median
    (NaN if a value is)."""
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    seen = np.full(2, -1)
    longest = most_samples(order, a, b, offsets)
    ordered = np.empty(longest)
    apart = np.empty(longest)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end, seen)
        count = 0
        removed = 0
        added = 0
        for t in range(steps):
            lo = first[t]
            hi = end[t]
            if lo >= added:
                removed = added = lo
                count = 0
            while removed < lo:
                i = place(ordered, count, values[base + removed])
                ordered[i : count - 1] = ordered[i + 1 : count]
                count -= 1
                removed += 1
            if count == 0 and hi > added:
                ordered[: hi - added] = values[base + added : base + hi]
                count = hi - added
                ordered[:count].sort()
                # sort() puts NaN last, quantiles put them first.
                nans = 0
                while nans < count and ordered[count - 1 - nans] != ordered[count - 1 - nans]:
                    nans += 1
                if 0 < nans < count:
                    for i in range(count - nans - 1, -1, -1):
                        ordered[i + nans] = ordered[i]
                    ordered[:nans] = np.nan
                added = hi
            while added < hi:
                x = values[base + added]
                i = place(ordered, count, x)
                for j in range(count, i, -1):
                    ordered[j] = ordered[j - 1]
                ordered[i] = x
                count += 1
                added += 1
            if hi <= lo:
                present[s, t] = False
                out[s, t] = 0.0
                continue
            present[s, t] = True
            if mode == QUANTILE:
                out[s, t] = quantile_of(params[0, t], ordered, count)
                continue
            if ordered[0] != ordered[0]:
                out[s, t] = np.nan
                continue
            median = quantile_of(0.5, ordered, count)
            for i in range(count):
                apart[i] = abs(ordered[i] - median)
            apart[:count].sort()
            out[s, t] = quantile_of(0.5, apart, count)
