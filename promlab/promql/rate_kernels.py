"""Kernels of rates: the difference over a window, or that of its last two samples.

They have the signature `window_kernels.WINDOW`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.window_kernels import WINDOW, most_samples, windows

DELTA, INCREASE, RATE = range(3)
IDELTA, IRATE = range(2)
_MARGIN = 1.000001  # beyond it a product tells as surely as the quotient, and sooner


@kernel()
def _measure(
    t_ms: Any,
    at: int,
    ends: Any,
    start_ms: int,
    step_ms: int,
    range_ms: int,
    mode: int,
    places: Any,
    there: Any,
    facts: Any,
) -> None:
    """What the times alone tell of the window first[t] <= i < end[t] of each step.

    Its first and its last sample (`places`: whole rows are looked up, so 0 where it has less than
    two), the seconds between them and from them to the window's edges, and the factor (`facts`).
    """
    for t in range(len(there)):
        lo = ends[0, t]
        hi = ends[1, t] - 1
        there[t] = hi > lo
        if hi <= lo:
            places[:, t] = 0
            facts[:, t] = 0.0
            continue
        right = start_ms + t * step_ms
        si = (t_ms[at + hi] - t_ms[at + lo]) / 1000.0
        ds = (t_ms[at + lo] - (right - range_ms)) / 1000.0
        de = (right - t_ms[at + hi]) / 1000.0
        mean = si / (hi - lo)
        if ds >= mean * 1.1:
            ds = mean / 2.0
        if de >= mean * 1.1:
            de = mean / 2.0
        places[0, t] = lo
        places[1, t] = hi
        facts[0, t] = si
        facts[1, t] = ds
        facts[2, t] = de
        facts[3, t] = (si + ds + de) / si
        if mode == RATE:
            facts[3, t] /= range_ms / 1000.0


@kernel(inline=True)
def _scale(first: float, rise: float, fact: Any, mode: int, range_ms: int) -> float:
    """The factor of a window that begins at the value `first`: a counter was never below zero."""
    si, ds, de = fact[0], fact[1], fact[2]
    scale: float = fact[3]
    near = si * first <= rise * ds * _MARGIN
    if mode != DELTA and rise > 0.0 and first >= 0.0 and near:
        to_zero = si * (first / rise)
        if to_zero < ds:
            scale = (si + to_zero + de) / si
            if mode == RATE:
                scale /= range_ms / 1000.0
    return scale


@kernel()
def _without_resets(
    row: Any,
    places: Any,
    there: Any,
    facts: Any,
    mode: int,
    range_ms: int,
    first: Any,
    rise: Any,
    out: Any,
) -> None:
    """The windows of a series without resets; what is usual in loops without a branch."""
    lo, hi = places[0], places[1]
    for t in range(len(first)):
        first[t] = row[lo[t]]
        rise[t] = row[hi[t]] - first[t]
    for t in range(len(out)):
        x = rise[t] * facts[3, t]
        out[t] = x if there[t] else 0.0
    if mode == DELTA:
        return
    near = 0
    for t in range(len(first)):
        close = facts[0, t] * first[t] <= rise[t] * facts[1, t] * _MARGIN
        near += close & (rise[t] > 0.0) & (first[t] >= 0.0)
    if near > 0:
        for t in range(len(out)):
            if there[t]:
                out[t] = rise[t] * _scale(first[t], rise[t], facts[:, t], mode, range_ms)


@kernel()
def _with_resets(
    row: Any, places: Any, there: Any, facts: Any, mode: int, range_ms: int, resets: Any, out: Any
) -> None:
    """The windows of a counter that was reset; what it lost is added in the order of time."""
    count = 0
    for i in range(1, len(row)):
        if row[i] < row[i - 1]:
            resets[count] = i
            count += 1
    passed = 0
    for t in range(len(out)):
        if not there[t]:
            out[t] = 0.0
            continue
        lo, hi = places[0, t], places[1, t]
        rise = row[hi] - row[lo]
        while passed < count and resets[passed] <= lo:
            passed += 1
        r = passed
        while r < count and resets[r] <= hi:
            rise += row[resets[r] - np.uint64(1)]
            r += 1
        out[t] = rise * _scale(row[lo], rise, facts[:, t], mode, range_ms)


@kernel(WINDOW)
def extrapolated(
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
    """DELTA, INCREASE or RATE: the difference over the window, extrapolated to its edges.

    An edge further away than 1.1 times the mean spacing counts as half a spacing away; a
    counter is not extrapolated below zero. What a counter lost in resets is added.
    """
    steps = out.shape[1]
    ends = np.empty((2, steps), np.int64)
    places = np.empty((2, steps), np.uint64)
    there = np.empty(steps, np.bool_)
    facts = np.empty((4, steps))
    first = np.empty(steps)
    rise = np.empty(steps)
    seen = np.full(2, -1)
    resets = np.empty(most_samples(order, a, b, offsets), np.uint64)
    for k in range(a, b):
        s = order[k]
        row = values[offsets[s] : offsets[s + 1]]
        at = times_at[s]
        if windows(t_ms, at, len(row), start_ms, step_ms, range_ms, ends[0], ends[1], seen):
            _measure(t_ms, at, ends, start_ms, step_ms, range_ms, mode, places, there, facts)
        present[s, :] = there
        if len(row) < 2:
            out[s, :] = 0.0
            continue
        falls = 0
        for i in range(1, len(row)):
            falls += row[i] < row[i - 1]
        if falls > 0 and mode != DELTA:
            _with_resets(row, places, there, facts, mode, range_ms, resets, out[s])
        else:
            _without_resets(row, places, there, facts, mode, range_ms, first, rise, out[s])


@kernel(WINDOW)
def last_two(
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
    """IDELTA or IRATE: the difference of a window's last two samples; after a reset, the last."""
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    seen = np.full(2, -1)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end, seen)
        for t in range(steps):
            hi = end[t] - 1
            if hi - first[t] < 1:
                present[s, t] = False
                out[s, t] = 0.0
                continue
            last = values[base + hi]
            before = values[base + hi - 1]
            result = last - before
            if mode == IRATE:
                if last < before:
                    result = last
                result /= (t_ms[at + hi] - t_ms[at + hi - 1]) / 1000.0
            present[s, t] = True
            out[s, t] = result
