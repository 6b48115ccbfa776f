"""Kernels of range functions that look at every sample of a window: sums and extremes.

They have the signature `window_kernels.WINDOW`. Windows overlap, so what can be merged is
not summed anew at each step: a window is a stack of partial results that grows to the left
from a pivot, and one running result to the right of it; when the window has left the pivot
behind, the stack is built anew (amortised, one merge a sample). Extremes use a queue whose
values fall.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.window_kernels import WINDOW, most_samples, windows

SUM, AVG = range(2)
MAX, MIN, MAX_TIME, MIN_TIME = range(4)
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
    seen = np.full(2, -1)
    longest = most_samples(order, a, b, offsets)
    left_total = np.empty(longest)
    left_rest = np.empty(longest)
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end, seen)
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
    seen = np.full(2, -1)
    longest = most_samples(order, a, b, offsets)
    queue = np.empty(longest, np.int64)
    sign = -1.0 if mode in (MIN, MIN_TIME) else 1.0
    for k in range(a, b):
        s = order[k]
        base = offsets[s]
        n = offsets[s + 1] - base
        at = times_at[s]
        windows(t_ms, at, n, start_ms, step_ms, range_ms, first, end, seen)
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
