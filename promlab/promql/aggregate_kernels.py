"""Kernels of aggregations: rows of a matrix reduced by group, step by step.

`values` and `present` are [n, steps], `group` is the group of each row. A kernel does the
steps t0 <= t < t1, so two threads may share one call by splitting the steps.

Reductions go on: `add_to_*` adds the first n rows to the state of their groups, f64[parts,
groups, steps], and to `seen`, bool[groups, steps]. States begin and end in reductions.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.over_time_kernels import add
from promlab.promql.quantile_kernels import quantile_of

VALUES = "Array(float64, 2, 'C', readonly=True)"
MASK = "Array(boolean, 2, 'C', readonly=True)"
CODES = "Array(int64, 1, 'C', readonly=True)"
NUMBERS = "Array(float64, 1, 'C', readonly=True)"
ADD = (
    f"void({VALUES}, {MASK}, {CODES}, int64, int64, int64, int64, float64[:, :, ::1], "
    "boolean[:, ::1])"
)

SUM, AVG = range(2)
MIN, MAX = range(2)
STDVAR, STDDEV = range(2)


@kernel()
def _add_to_mean(x: float, total: Any, rest: Any, count: Any, g: int, t: int) -> None:
    n = count[g, t]
    if n >= 0.0:
        new, lost = add(x, total[g, t], rest[g, t])
        if n == 0.0 or not np.isinf(new):
            total[g, t] = new
            rest[g, t] = lost
            count[g, t] = n + 1.0
            return
        total[g, t] /= n
        rest[g, t] /= n
        n = -n
    n -= 1.0
    count[g, t] = n
    q = (n + 1.0) / n
    total[g, t], rest[g, t] = add(x / -n, q * total[g, t], q * rest[g, t])


@kernel(inline=True)
def _add_row(row: Any, there: Any, total: Any, rest: Any) -> None:
    """What `add` does at each step, without a branch: the processor takes four steps at once."""
    for t in range(len(total)):
        x = row[t] if there[t] else -0.0  # adding -0 changes nothing
        before = total[t]
        after = before + x
        larger = before if abs(before) >= abs(x) else x
        smaller = x if abs(before) >= abs(x) else before
        lost = rest[t] + ((larger - after) + smaller)
        total[t] = after
        rest[t] = 0.0 if np.isinf(after) else lost


@kernel(inline=True)
def _see(there: Any, seen: Any) -> None:
    for t in range(len(seen)):
        seen[t] |= there[t]


@kernel(ADD)
def add_to_sums(
    values: Any,
    present: Any,
    group: Any,
    n: int,
    t0: int,
    t1: int,
    mode: int,
    state: Any,
    seen: Any,
) -> None:
    """SUM: total and what its rounding lost. AVG: a count too, below zero where the mean has
    overflowed and goes on incrementally.
    """
    total = state[0]
    rest = state[1]
    for i in range(n):
        g = group[i]
        if mode == SUM:
            _add_row(values[i, t0:t1], present[i, t0:t1], total[g, t0:t1], rest[g, t0:t1])
        else:
            count = state[2]
            for t in range(t0, t1):
                if present[i, t]:
                    _add_to_mean(values[i, t], total, rest, count, g, t)
        _see(present[i, t0:t1], seen[g, t0:t1])


@kernel(ADD)
def add_to_extremes(
    values: Any,
    present: Any,
    group: Any,
    n: int,
    t0: int,
    t1: int,
    mode: int,
    state: Any,
    seen: Any,
) -> None:
    """MIN and MAX, NaN at first; NaN only where all values are NaN."""
    for i in range(n):
        g = group[i]
        row = values[i, t0:t1]
        there = present[i, t0:t1]
        best = state[0, g, t0:t1]
        for t in range(len(best)):
            x = row[t]
            old = best[t]
            better = x < old if mode == MIN else x > old
            best[t] = x if there[t] & (better | (old != old)) else old
        _see(there, seen[g, t0:t1])


@kernel(ADD)
def add_to_counts(
    values: Any,
    present: Any,
    group: Any,
    n: int,
    t0: int,
    t1: int,
    mode: int,
    state: Any,
    seen: Any,
) -> None:
    """Number of rows."""
    for i in range(n):
        g = group[i]
        there = present[i, t0:t1]
        count = state[0, g, t0:t1]
        for t in range(len(count)):
            count[t] += 1.0 if there[t] else 0.0
        _see(there, seen[g, t0:t1])


@kernel(ADD)
def add_to_variances(
    values: Any,
    present: Any,
    group: Any,
    n: int,
    t0: int,
    t1: int,
    mode: int,
    state: Any,
    seen: Any,
) -> None:
    """Mean, sum of squared deviations and count, by Welford's recurrence."""
    mean = state[0]
    squares = state[1]
    count = state[2]
    for i in range(n):
        g = group[i]
        for t in range(t0, t1):
            if not present[i, t]:
                continue
            x = values[i, t]
            seen[g, t] = True
            count[g, t] += 1.0
            delta = x - mean[g, t]
            mean[g, t] += delta / count[g, t]
            if np.isinf(x):
                squares[g, t] = np.nan
            squares[g, t] += delta * (x - mean[g, t])


ROWS = f"void({VALUES}, {MASK}, {CODES}, {CODES}, {NUMBERS}, int64, int64, int64"


@kernel(f"{ROWS}, float64[:, ::1], boolean[:, ::1])")
def quantiles(
    values: Any,
    present: Any,
    rows: Any,
    starts: Any,
    q: Any,
    t0: int,
    t1: int,
    mode: int,
    out: Any,
    seen: Any,
) -> None:
    """Quantile q[t] of each group; group g has the rows rows[starts[g]:starts[g+1]]."""
    ordered = np.empty(max(1, len(rows)))
    for g in range(len(starts) - 1):
        for t in range(t0, t1):
            nans = 0
            for k in range(starts[g], starts[g + 1]):
                if present[rows[k], t] and values[rows[k], t] != values[rows[k], t]:
                    ordered[nans] = np.nan
                    nans += 1
            count = nans
            for k in range(starts[g], starts[g + 1]):
                if present[rows[k], t] and values[rows[k], t] == values[rows[k], t]:
                    ordered[count] = values[rows[k], t]
                    count += 1
            ordered[nans:count].sort()
            seen[g, t] = count > 0
            out[g, t] = quantile_of(q[t], ordered, count)


@kernel(inline=True)
def worse(x: float, y: float, sign: float) -> bool:
    """Whether x has to make room for y: NaN always, and of equals none."""
    return sign * x < sign * y or (x != x and y == y)


@kernel(f"{ROWS}, boolean[:, ::1])")
def best(
    values: Any,
    present: Any,
    rows: Any,
    starts: Any,
    k: Any,
    t0: int,
    t1: int,
    mode: int,
    kept: Any,
) -> None:
    """Which rows are among the k[t] largest (mode 1) or smallest (-1) of their group, or
    just the first k[t] (0). Of equal values the first ones stay. `kept` comes in all False.

    A heap holds the k best so far, its root is the one to give way.
    """
    sign = float(mode)
    heap = np.empty(max(1, len(rows)), np.int64)
    for t in range(t0, t1):
        for g in range(len(starts) - 1):
            limit = int(min(k[t], float(starts[g + 1] - starts[g])))
            size = 0
            if limit < 1:
                continue
            for j in range(starts[g], starts[g + 1]):
                row = rows[j]
                if not present[row, t]:
                    continue
                if size < limit:
                    i = size
                    size += 1
                    heap[i] = row
                    while mode != 0 and i > 0:
                        up = (i - 1) >> 1
                        if not worse(values[heap[i], t], values[heap[up], t], sign):
                            break
                        heap[i], heap[up] = heap[up], heap[i]
                        i = up
                elif mode == 0:
                    break
                elif worse(values[heap[0], t], values[row, t], sign):
                    heap[0] = row
                    i = 0
                    while True:
                        low = 2 * i + 1
                        if low >= size:
                            break
                        if low + 1 < size and worse(
                            values[heap[low + 1], t], values[heap[low], t], sign
                        ):
                            low += 1
                        if not worse(values[heap[low], t], values[heap[i], t], sign):
                            break
                        heap[i], heap[low] = heap[low], heap[i]
                        i = low
            for i in range(size):
                kept[heap[i], t] = True
