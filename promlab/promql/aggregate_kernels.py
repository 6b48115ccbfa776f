"""Kernels of aggregations: rows of a matrix reduced by group, step by step.

`values` and `present` are [n, steps], `group` is the group of each row. A kernel does the
steps t0 <= t < t1 and writes every cell of its output there, so two threads may share one
call by splitting the steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.over_time_kernels import add, quantile_of

VALUES = "Array(float64, 2, 'C', readonly=True)"
MASK = "Array(boolean, 2, 'C', readonly=True)"
CODES = "Array(int64, 1, 'C', readonly=True)"
NUMBERS = "Array(float64, 1, 'C', readonly=True)"
REDUCE = f"void({VALUES}, {MASK}, {CODES}, int64, int64, int64, float64[:, ::1], boolean[:, ::1])"

SUM, AVG = range(2)
MIN, MAX = range(2)
COUNT, GROUP = range(2)
STDVAR, STDDEV = range(2)


@kernel(REDUCE)
def sums(
    values: Any, present: Any, group: Any, t0: int, t1: int, mode: int, out: Any, seen: Any
) -> None:
    """SUM and AVG with compensated addition; an average that overflows goes on incrementally."""
    groups = out.shape[0]
    rest = np.zeros((groups, t1 - t0))
    count = np.zeros((groups, t1 - t0))
    running = np.zeros((groups, t1 - t0), np.bool_)
    for g in range(groups):
        for t in range(t0, t1):
            out[g, t] = 0.0
            seen[g, t] = False
    for i in range(values.shape[0]):
        g = group[i]
        for t in range(t0, t1):
            if not present[i, t]:
                continue
            x = values[i, t]
            if not seen[g, t]:
                seen[g, t] = True
                out[g, t] = x
                count[g, t - t0] = 1.0
                continue
            count[g, t - t0] += 1.0
            if not running[g, t - t0]:
                total, lost = add(x, out[g, t], rest[g, t - t0])
                if mode == SUM or not np.isinf(total):
                    out[g, t] = total
                    rest[g, t - t0] = lost
                    continue
                running[g, t - t0] = True
                out[g, t] /= count[g, t - t0] - 1.0
                rest[g, t - t0] /= count[g, t - t0] - 1.0
            n = count[g, t - t0]
            q = (n - 1.0) / n
            out[g, t], rest[g, t - t0] = add(x / n, q * out[g, t], q * rest[g, t - t0])
    for g in range(groups):
        for t in range(t0, t1):
            if mode == AVG and seen[g, t] and not running[g, t - t0]:
                out[g, t] = out[g, t] / count[g, t - t0] + rest[g, t - t0] / count[g, t - t0]
            else:
                out[g, t] += rest[g, t - t0]


@kernel(
    f"void({VALUES}, {MASK}, {CODES}, int64, int64, float64[:, ::1], float64[:, ::1], "
    "boolean[:, ::1])"
)
def add_rows(
    values: Any, present: Any, group: Any, row: int, n: int, total: Any, rest: Any, seen: Any
) -> None:
    """Add the first n rows to the compensated sums of their groups group[row:row+n].

    `total`, `rest` and `seen` come in all 0; the sums are total + rest.
    """
    steps = total.shape[1]
    for i in range(n):
        g = group[row + i]
        for t in range(steps):
            if present[i, t]:
                x = values[i, t]
                if seen[g, t]:
                    total[g, t], rest[g, t] = add(x, total[g, t], rest[g, t])
                else:
                    total[g, t] = x
                    seen[g, t] = True


@kernel(REDUCE)
def extremes(
    values: Any, present: Any, group: Any, t0: int, t1: int, mode: int, out: Any, seen: Any
) -> None:
    """MIN and MAX; NaN only where all values are NaN."""
    for g in range(out.shape[0]):
        for t in range(t0, t1):
            out[g, t] = np.nan
            seen[g, t] = False
    for i in range(values.shape[0]):
        g = group[i]
        for t in range(t0, t1):
            if present[i, t]:
                x = values[i, t]
                old = out[g, t]
                if old != old or (x < old if mode == MIN else x > old):
                    out[g, t] = x
                seen[g, t] = True


@kernel(REDUCE)
def counts(
    values: Any, present: Any, group: Any, t0: int, t1: int, mode: int, out: Any, seen: Any
) -> None:
    """COUNT of rows, or 1 for each GROUP that has some."""
    for g in range(out.shape[0]):
        for t in range(t0, t1):
            out[g, t] = 0.0
    for i in range(values.shape[0]):
        g = group[i]
        for t in range(t0, t1):
            if present[i, t]:
                out[g, t] = out[g, t] + 1.0 if mode == COUNT else 1.0
    for g in range(out.shape[0]):
        for t in range(t0, t1):
            seen[g, t] = out[g, t] > 0.0


@kernel(REDUCE)
def variances(
    values: Any, present: Any, group: Any, t0: int, t1: int, mode: int, out: Any, seen: Any
) -> None:
    """STDVAR and STDDEV of the population, by Welford's recurrence."""
    groups = out.shape[0]
    mean = np.zeros((groups, t1 - t0))
    count = np.zeros((groups, t1 - t0))
    for g in range(groups):
        for t in range(t0, t1):
            out[g, t] = 0.0
            seen[g, t] = False
    for i in range(values.shape[0]):
        g = group[i]
        for t in range(t0, t1):
            if not present[i, t]:
                continue
            x = values[i, t]
            seen[g, t] = True
            count[g, t - t0] += 1.0
            delta = x - mean[g, t - t0]
            mean[g, t - t0] += delta / count[g, t - t0]
            if np.isinf(x):
                out[g, t] = np.nan
            out[g, t] += delta * (x - mean[g, t - t0])
    for g in range(groups):
        for t in range(t0, t1):
            if seen[g, t]:
                out[g, t] /= count[g, t - t0]
                if mode == STDDEV:
                    out[g, t] = np.sqrt(out[g, t])


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
