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
    counter is not extrapolated below zero. What a counter lost in resets is added in the
    order of time, resets are listed once a series.
    """
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    sampled = np.empty(steps)
    to_start = np.empty(steps)
    to_end = np.empty(steps)
    factor = np.empty(steps)
    seen = np.full(2, -1)
    range_s = range_ms / 1000.0
    longest = most_samples(order, a, b, offsets)
    resets = np.empty(longest, np.int64)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        if windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end, seen):
            for t in range(steps):
                lo = first[t]
                hi = end[t] - 1
                if hi - lo < 1:
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
                sampled[t] = si
                to_start[t] = ds
                to_end[t] = de
                factor[t] = (si + ds + de) / si
                if mode == RATE:
                    factor[t] /= range_s
        reset_count = 0
        if mode != DELTA:
            falls = 0
            for i in range(base + 1, base + n):
                falls += values[i] < values[i - 1]
            if falls > 0:
                for i in range(base + 1, base + n):
                    if values[i] < values[i - 1]:
                        resets[reset_count] = i - base
                        reset_count += 1
        reset_lo = 0
        for t in range(steps):
            lo = first[t]
            hi = end[t] - 1
            if hi - lo < 1:
                present[s, t] = False
                out[s, t] = 0.0
                continue
            start_value = values[base + lo]
            result = values[base + hi] - start_value
            scale = factor[t]
            if mode != DELTA:
                while reset_lo < reset_count and resets[reset_lo] <= lo:
                    reset_lo += 1
                r = reset_lo
                while r < reset_count and resets[r] <= hi:
                    result += values[base + resets[r] - 1]
                    r += 1
                near = sampled[t] * start_value <= result * to_start[t] * _MARGIN
                if result > 0.0 and start_value >= 0.0 and near:
                    to_zero = sampled[t] * (start_value / result)
                    if to_zero < to_start[t]:
                        scale = (sampled[t] + to_zero + to_end[t]) / sampled[t]
                        if mode == RATE:
                            scale /= range_s
            present[s, t] = True
            out[s, t] = result * scale


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
