"""Kernels of how a window's values spread and where they tend: variances, lines, smoothing.

They have the signature `window_kernels.WINDOW`. Moments are merged as sums are, see
over_time_kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.over_time_kernels import add
from promlab.promql.window_kernels import WINDOW, most_samples, windows

VARIANCE, DEVIATION, SLOPE, PREDICT = range(4)


@kernel(inline=True)
def merge(
    n: float,
    mx: float,
    my: float,
    xx: float,
    xy: float,
    yy: float,
    n2: float,
    mx2: float,
    my2: float,
    xx2: float,
    xy2: float,
    yy2: float,
) -> tuple[float, float, float, float, float, float]:
    """Count, means and central moments of two sets of points together (Chan's formula)."""
    if n == 0.0:
        return n2, mx2, my2, xx2, xy2, yy2
    if n2 == 0.0:
        return n, mx, my, xx, xy, yy
    both = n + n2
    dx = mx2 - mx
    dy = my2 - my
    f = n2 / both
    g = n * f
    return (
        both,
        mx + dx * f,
        my + dy * f,
        xx + xx2 + dx * dx * g,
        xy + xy2 + dx * dy * g,
        yy + yy2 + dy * dy * g,
    )


@kernel()
def one_by_one(values: Any, lo: int, hi: int) -> float:
    """Variance of values[lo:hi], each sample added to those before it (Welford's formula)."""
    mean, mean_rest, total, total_rest = 0.0, 0.0, 0.0, 0.0
    for i in range(lo, hi):
        delta = values[i] - (mean + mean_rest)
        mean, mean_rest = add(delta / (i - lo + 1.0), mean, mean_rest)
        total, total_rest = add(delta * (values[i] - (mean + mean_rest)), total, total_rest)
        if np.isnan(total):
            break
    variance: float = (total + total_rest) / (hi - lo)
    return variance


@kernel()
def fitted(t_ms: Any, values: Any, at: int, base: int, n: int, zero_ms: int) -> tuple[float, float]:
    """Slope and value at `zero_ms` of the line through n samples, from plain sums.

    Less exact than central moments, but with Prometheus's infinities and zeros: whether a slope
    is zero, or which infinity comes out, is decided by these operations in this order.
    """
    x_sum, x_rest, y_sum, y_rest = 0.0, 0.0, 0.0, 0.0
    xy_sum, xy_rest, xx_sum, xx_rest = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        x = (t_ms[at + i] - zero_ms) / 1000.0
        y = values[base + i]
        x_sum, x_rest = add(x, x_sum, x_rest)
        y_sum, y_rest = add(y, y_sum, y_rest)
        xy_sum, xy_rest = add(x * y, xy_sum, xy_rest)
        xx_sum, xx_rest = add(x * x, xx_sum, xx_rest)
    x_sum += x_rest
    y_sum += y_rest
    spread = (xx_sum + xx_rest) - x_sum * x_sum / n
    slope = ((xy_sum + xy_rest) - x_sum * y_sum / n) / spread
    return slope, y_sum / n - slope * x_sum / n


@kernel(WINDOW)
def moments(
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
    """VARIANCE and DEVIATION of the values; SLOPE a second of the least-squares line, and
    PREDICT, its value params[1, t] seconds after the step, which is params[0, t] seconds after
    the window. A line needs two samples.
    """
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    seen = np.full(2, -1)
    longest = most_samples(order, a, b, offsets)
    left = np.empty((longest, 6))
    changed = np.empty(longest, np.int64)
    line = mode in (SLOPE, PREDICT)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end, seen)
        for i in range(n):
            same = i > 0 and values[base + i] == values[base + i - 1]
            changed[i] = changed[i - 1] if same else i
        pivot = 0
        added = 0
        c0, c1, c2, c3, c4, c5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for t in range(steps):
            lo = first[t]
            hi = end[t]
            if hi <= lo or (line and hi - lo < 2):
                present[s, t] = False
                out[s, t] = 0.0
                continue
            present[s, t] = True
            if lo >= pivot:
                pivot = hi
                added = hi
                c0, c1, c2, c3, c4, c5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                m0, m1, m2, m3, m4, m5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for i in range(hi - 1, lo - 1, -1):
                    x = (t_ms[at + i] - start_ms) / 1000.0
                    y = values[base + i]  # one that is not finite has no spread, not even alone
                    m0, m1, m2, m3, m4, m5 = merge(
                        m0, m1, m2, m3, m4, m5, 1.0, x, y, 0.0, 0.0, y - y
                    )
                    left[i, 0] = m0
                    left[i, 1] = m1
                    left[i, 2] = m2
                    left[i, 3] = m3
                    left[i, 4] = m4
                    left[i, 5] = m5
            while added < hi:
                x = (t_ms[at + added] - start_ms) / 1000.0
                y = values[base + added]
                c0, c1, c2, c3, c4, c5 = merge(c0, c1, c2, c3, c4, c5, 1.0, x, y, 0.0, 0.0, y - y)
                added += 1
            m = left[lo]
            count, mx, my, xx, xy, yy = merge(
                m[0], m[1], m[2], m[3], m[4], m[5], c0, c1, c2, c3, c4, c5
            )
            if not line:
                variance = yy / count
                # Where something overflowed, the order of the operations decides what comes out.
                if not np.isfinite(variance):
                    variance = one_by_one(values, base + lo, base + hi)
                out[s, t] = variance if mode == VARIANCE else np.sqrt(variance)
                continue
            y0 = values[base + lo]
            constant = changed[hi - 1] <= lo
            slope = xy / xx
            if constant:
                slope = np.nan if np.isinf(y0) else 0.0
                my = np.nan if np.isinf(y0) else y0
            value = slope
            if mode == PREDICT:
                ahead = params[0, t]
                value = my + slope * (t * step_ms / 1000.0 + ahead - mx) + slope * params[1, t]
            if not np.isfinite(value) and not constant:
                zero_ms = t_ms[at + lo]
                if mode == PREDICT:
                    zero_ms = start_ms + t * step_ms + np.int64(np.rint(params[0, t] * 1000.0))
                value, level = fitted(t_ms, values, at + lo, base + lo, hi - lo, zero_ms)
                if mode == PREDICT:
                    value = value * params[1, t] + level
            out[s, t] = value


@kernel(WINDOW)
def smoothed(
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
    """Double exponential smoothing with params[0, t] for the level, params[1, t] for the trend.

    Each window is smoothed from its own first sample: this one does cost its whole length.
    """
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    seen = np.full(2, -1)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        windows(t_ms, times_at[s], n, start_ms, step_ms, range_ms, first, end, seen)
        for t in range(steps):
            lo = base + first[t]
            hi = base + end[t]
            present[s, t] = hi - lo >= 2
            out[s, t] = 0.0
            if hi - lo < 2:
                continue
            level_factor = params[0, t]
            trend_factor = params[1, t]
            before = 0.0
            level = values[lo]
            trend = values[lo + 1] - values[lo]
            for i in range(lo + 1, hi):
                x = level_factor * values[i]
                if i > lo + 1:
                    trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend
                y = (1.0 - level_factor) * (level + trend)
                before = level
                level = x + y
            out[s, t] = level
