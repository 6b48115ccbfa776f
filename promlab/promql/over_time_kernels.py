"""Kernels of range functions that look at every sample of a window: sums, extremes, moments.

They have the signature `window_kernels.WINDOW`. Windows overlap, so what can be merged is
not summed anew at each step: a window is a stack of partial results that grows to the left
from a pivot, and one running result to the right of it; when the window has left the pivot
behind, the stack is built anew (amortised, one merge a sample). Extremes use a queue whose
values fall, quantiles a sorted copy of the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.window_kernels import WINDOW, windows

SUM, AVG = range(2)
MAX, MIN, MAX_TIME, MIN_TIME = range(4)
VARIANCE, DEVIATION, SLOPE, PREDICT = range(4)
QUANTILE, MAD = range(2)
_HUGE = 1e290


@kernel(inline=True)
def add(inc: float, total: float, rest: float) -> tuple[float, float]:
    """Neumaier's compensated addition: the new total, and what its rounding lost."""
    t = total + inc
    if np.isinf(t):
        rest = 0.0
    elif abs(total) >= abs(inc):
        rest += (total - t) + inc
    else:
        rest += (inc - t) + total
    return t, rest


@kernel()
def plain_sum(values: Any, start: int, end: int, mean: bool) -> float:
    """Sum or mean in the order of time; a mean that overflows goes on incrementally."""
    total = 0.0
    rest = 0.0
    for i in range(start, end):
        new_total, new_rest = add(values[i], total, rest)
        if mean and np.isinf(new_total) and i > start:
            count = float(i - start)
            average = total / count
            rest /= count
            for j in range(i, end):
                count += 1.0
                q = (count - 1.0) / count
                average, rest = add(values[j] / count, q * average, q * rest)
            return average + rest
        total = new_total
        rest = new_rest
    if mean:
        return total / (end - start) + rest / (end - start)
    return total + rest


@kernel(WINDOW)
def sums(
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
    """SUM or AVG with compensated addition. Series with huge values are summed plainly."""
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    seen_at = -1
    seen_n = -1
    longest = 0
    for k in range(a, b):
        longest = max(longest, offsets[order[k] + 1] - offsets[order[k]])
    left_total = np.empty(longest)
    left_rest = np.empty(longest)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        if at != seen_at or n != seen_n:
            windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end)
            seen_at = at
            seen_n = n
        huge = False
        for i in range(base, base + n):
            huge |= abs(values[i]) > _HUGE
        pivot = 0
        added = 0
        total = 0.0
        rest = 0.0
        for t in range(steps):
            lo = first[t]
            hi = end[t]
            if hi <= lo:
                present[s, t] = False
                out[s, t] = 0.0
                continue
            present[s, t] = True
            if huge or (lo >= added and (t + 1 == steps or first[t + 1] >= hi)):
                out[s, t] = plain_sum(values, base + lo, base + hi, mode == AVG)
                continue
            if lo >= pivot:
                pivot = hi
                added = hi
                total = 0.0
                rest = 0.0
                x = 0.0
                c = 0.0
                for i in range(hi - 1, lo - 1, -1):
                    x, c = add(values[base + i], x, c)
                    left_total[i] = x
                    left_rest[i] = c
            while added < hi:
                total, rest = add(values[base + added], total, rest)
                added += 1
            x, c = add(total, left_total[lo], left_rest[lo] + rest)
            if mode == AVG:
                out[s, t] = x / (hi - lo) + c / (hi - lo)
            else:
                out[s, t] = x + c


@kernel(WINDOW)
def extremes(
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
    """MAX or MIN, or the time in seconds of the last sample that has it. NaN if all are NaN."""
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    seen_at = -1
    seen_n = -1
    longest = 0
    for k in range(a, b):
        longest = max(longest, offsets[order[k] + 1] - offsets[order[k]])
    queue = np.empty(longest, np.int64)
    sign = -1.0 if mode in (MIN, MIN_TIME) else 1.0
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        if at != seen_at or n != seen_n:
            windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end)
            seen_at = at
            seen_n = n
        head = 0
        tail = 0
        added = 0
        for t in range(steps):
            lo = first[t]
            hi = end[t]
            if added < lo:
                added = lo
                head = tail = 0
            while added < hi:
                x = sign * values[base + added]
                if x == x:
                    while tail > head and sign * values[base + queue[tail - 1]] <= x:
                        tail -= 1
                    queue[tail] = added
                    tail += 1
                added += 1
            while head < tail and queue[head] < lo:
                head += 1
            if head == tail:
                head = tail = 0
            if hi <= lo:
                present[s, t] = False
                out[s, t] = 0.0
                continue
            present[s, t] = True
            best = queue[head] if head < tail else hi - 1
            if mode in (MAX, MIN):
                out[s, t] = values[base + best]
            else:
                out[s, t] = t_ms[at + best] / 1000.0


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
    PREDICT, its value params[0, t] seconds after the step. A line needs two samples.
    """
    steps = out.shape[1]
    first = np.empty(steps, np.int64)
    end = np.empty(steps, np.int64)
    seen_at = -1
    seen_n = -1
    longest = 0
    for k in range(a, b):
        longest = max(longest, offsets[order[k] + 1] - offsets[order[k]])
    left = np.empty((longest, 6))
    changed = np.empty(longest, np.int64)
    line = mode in (SLOPE, PREDICT)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        if at != seen_at or n != seen_n:
            windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end)
            seen_at = at
            seen_n = n
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
                    m0, m1, m2, m3, m4, m5 = merge(
                        m0, m1, m2, m3, m4, m5, 1.0, x, values[base + i], 0.0, 0.0, 0.0
                    )
                    left[i, 0] = m0
                    left[i, 1] = m1
                    left[i, 2] = m2
                    left[i, 3] = m3
                    left[i, 4] = m4
                    left[i, 5] = m5
            while added < hi:
                x = (t_ms[at + added] - start_ms) / 1000.0
                c0, c1, c2, c3, c4, c5 = merge(
                    c0, c1, c2, c3, c4, c5, 1.0, x, values[base + added], 0.0, 0.0, 0.0
                )
                added += 1
            m = left[lo]
            count, mx, my, xx, xy, yy = merge(
                m[0], m[1], m[2], m[3], m[4], m[5], c0, c1, c2, c3, c4, c5
            )
            if not line:
                variance = yy / count
                # Nothing deviates finitely from an infinity, or at all from NaN.
                if np.isinf(variance) or not np.isfinite(my):
                    variance = np.nan
                out[s, t] = variance if mode == VARIANCE else np.sqrt(variance)
                continue
            y0 = values[base + lo]
            if changed[hi - 1] <= lo:
                slope = np.nan if np.isinf(y0) else 0.0
                my = np.nan if np.isinf(y0) else y0
            else:
                # With an infinity among the values there is no line.
                slope = xy / xx if np.isfinite(my + xy) else np.nan
            if mode == SLOPE:
                out[s, t] = slope
            else:
                out[s, t] = my + slope * (t * step_ms / 1000.0 - mx) + slope * params[0, t]


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
    seen_at = -1
    seen_n = -1
    longest = 0
    for k in range(a, b):
        longest = max(longest, offsets[order[k] + 1] - offsets[order[k]])
    ordered = np.empty(longest)
    apart = np.empty(longest)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        if at != seen_at or n != seen_n:
            windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end)
            seen_at = at
            seen_n = n
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
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        windows(t_ms, times_at[s], offsets[s + 1] - base, start_ms, step_ms, range_ms, first, end)
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
