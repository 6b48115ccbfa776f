"""Kernels of range functions that look at a window's edges: counts, changes, first and last.

Every kernel over windows has one signature (`WINDOW`), whatever its family:

    order, a, b       rows to do: order[a:b]; rows of equal times stand together in `order`
    offsets, times_at, t_ms, values    the samples, as a SeriesBatch has them, not stale
    start_ms, step_ms, range_ms        step t sees (start + t step - range, start + t step]
    mode              which member of the family
    params            f64[k, steps]: the function's scalar arguments at each step
    out, present      f64[n, steps], bool[n, steps]: every cell of the rows is written

The ends of the windows are found by two pointers, once for all neighbours in `order` that
share their times: the cost is samples + steps a series, however much windows overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel

I64 = "Array(int64, 1, 'C', readonly=True)"
F64 = "Array(float64, 1, 'C', readonly=True)"
PARAMS = "Array(float64, 2, 'C', readonly=True)"
WINDOW = (
    f"void({I64}, int64, int64, {I64}, {I64}, {I64}, {F64}, int64, int64, int64, int64, {PARAMS}, "
    "float64[:, ::1], boolean[:, ::1])"
)
STALE_BITS = np.uint64(0x7FF0000000000002)

LAST, LAST_TIME, FIRST, FIRST_TIME, COUNT, PRESENT = range(6)
CHANGES, RESETS = range(2)


@kernel()
def windows(
    t_ms: Any,
    at: int,
    n: int,
    start_ms: int,
    step_ms: int,
    range_ms: int,
    first: Any,
    end: Any,
    seen: Any,
) -> bool:
    """For each step, the samples first[t] <= i < end[t] that its window holds.

    `seen` (i64[2], -1 at first) remembers whose times these are: nothing is done for a series
    that has the times of the one before. Whether anything was.
    """
    if at == seen[0] and n == seen[1]:
        return False
    seen[0] = at
    seen[1] = n
    lo = 0
    hi = 0
    for t in range(len(first)):
        right = start_ms + t * step_ms
        left = right - range_ms
        while hi < n and t_ms[at + hi] <= right:
            hi += 1
        while lo < hi and t_ms[at + lo] <= left:
            lo += 1
        first[t] = lo
        end[t] = hi
    return True


@kernel()
def most_samples(order: Any, a: int, b: int, offsets: Any) -> int:
    """The samples of the longest of the series order[a:b]."""
    longest = 0
    for k in range(a, b):
        longest = max(longest, offsets[order[k] + 1] - offsets[order[k]])
    return longest


@kernel(WINDOW)
def edges(
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
    """A window's first or last value or its time in seconds, its count, or 1.

    LAST and LAST_TIME take staleness markers: a window that ends in one is empty.
    """
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    bits = values.view(np.uint64)
    seen = np.full(2, -1)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end, seen)
        for t in range(steps):
            lo = first[t]
            hi = end[t]
            if hi <= lo:
                present[s, t] = False
                out[s, t] = 0.0
                continue
            present[s, t] = True
            if mode == LAST:
                fresh = bits[base + hi - 1] != STALE_BITS
                present[s, t] = fresh
                out[s, t] = values[base + hi - 1] if fresh else 0.0
            elif mode == LAST_TIME:
                present[s, t] = bits[base + hi - 1] != STALE_BITS
                out[s, t] = t_ms[at + hi - 1] / 1000.0
            elif mode == FIRST:
                out[s, t] = values[base + lo]
            elif mode == FIRST_TIME:
                out[s, t] = t_ms[at + lo] / 1000.0
            elif mode == COUNT:
                out[s, t] = hi - lo
            else:
                out[s, t] = 1.0


@kernel(WINDOW)
def step_counts(
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
    """CHANGES or RESETS: how often neighbours in the window differ, or the later is smaller."""
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    seen = np.full(2, -1)
    longest = max(1, most_samples(order, a, b, offsets))
    before = np.zeros(longest, np.int64)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end, seen)
        for i in range(1, n):
            old = values[base + i - 1]
            new = values[base + i]
            counts = new < old if mode == RESETS else new != old and not (new != new and old != old)
            before[i] = before[i - 1] + (1 if counts else 0)
        for t in range(steps):
            if end[t] <= first[t]:
                present[s, t] = False
                out[s, t] = 0.0
                continue
            present[s, t] = True
            out[s, t] = before[end[t] - 1] - before[first[t]]


@kernel(f"void({I64}, {I64}, {I64}, {F64}, {I64}, float64[::1], int64[::1], int64[::1])")
def drop_stale(
    offsets: Any,
    times_at: Any,
    t_ms: Any,
    values: Any,
    new_offsets: Any,
    new_values: Any,
    new_times_at: Any,
    extra_t_ms: Any,
) -> None:
    """Copy samples without staleness markers; series that had some get times of their own.

    `extra_t_ms` holds those times; `new_times_at` counts on from the end of `t_ms`.
    """
    bits = values.view(np.uint64)
    extra = 0
    for s in range(len(offsets) - 1):
        base = offsets[s]
        n = offsets[s + 1] - base
        to = new_offsets[s]
        if new_offsets[s + 1] - to == n:
            new_times_at[s] = times_at[s]
            new_values[to : to + n] = values[base : base + n]
            continue
        new_times_at[s] = len(t_ms) + extra
        for i in range(n):
            if bits[base + i] != STALE_BITS:
                new_values[to] = values[base + i]
                extra_t_ms[extra] = t_ms[times_at[s] + i]
                to += 1
                extra += 1


@kernel(f"int64({I64}, {F64}, int64[::1])")
def count_stale(offsets: Any, values: Any, counts: Any) -> int:
    """Number of staleness markers in each series; returns their sum."""
    bits = values.view(np.uint64)
    total = 0
    for s in range(len(offsets) - 1):
        found = 0
        for i in range(offsets[s], offsets[s + 1]):
            found += 1 if bits[i] == STALE_BITS else 0
        counts[s] = found
        total += found
    return total
