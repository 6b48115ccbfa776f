"""Kernels over label codes: which rows of a table are equal, which rows overlap in time."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.promql.aggregate_kernels import CODES, MASK

TABLE = "Array(uint32, 2, 'C', readonly=True)"


@kernel(f"int64({TABLE}, int64[::1], int64[::1])")
def group_rows(codes: Any, group: Any, first: Any) -> int:
    """Give equal rows of codes[n, k] one group; groups are numbered in order of appearance.

    `group` (i64[n]) is written, `first[g]` is the first row of group g; returns their number.
    Rows are hashed, and compared in full: a collision costs time, never a wrong group.
    """
    n, k = codes.shape
    size = 16
    while size < 2 * n:
        size *= 2
    slots = np.full(size, -1, np.int64)
    hashes = np.empty(max(n, 1), np.uint64)
    count = 0
    for i in range(n):
        h = np.uint64(0x9E3779B97F4A7C15)
        for j in range(k):
            h ^= np.uint64(codes[i, j])
            h *= np.uint64(0xFF51AFD7ED558CCD)
            h ^= h >> np.uint64(32)
        at = np.int64(h & np.uint64(size - 1))
        while True:
            g = slots[at]
            if g < 0:
                slots[at] = count
                first[count] = i
                hashes[count] = h
                group[i] = count
                count += 1
                break
            if hashes[g] == h:
                same = True
                for j in range(k):
                    if codes[first[g], j] != codes[i, j]:
                        same = False
                        break
                if same:
                    group[i] = g
                    break
            at = (at + 1) & (size - 1)
    return count


@kernel(f"int64({MASK}, {CODES}, int64, {MASK}, int64[::1])")
def overlap(present: Any, group: Any, groups: int, steps: Any, clash: Any) -> int:
    """The first row that has a value where another row of its group has one already.

    Only steps with steps[0, t] count. Returns the row or -1; `clash` is (other row, step).
    Rows of group -1 are left out.
    """
    n, width = present.shape
    owner = np.full((groups, width), -1, np.int64)
    for i in range(n):
        g = group[i]
        if g < 0:
            continue
        for t in range(width):
            if present[i, t] and steps[0, t]:
                if owner[g, t] >= 0:
                    clash[0] = owner[g, t]
                    clash[1] = t
                    return i
                owner[g, t] = i
    return -1


@kernel(f"void({MASK}, {CODES}, boolean[:, ::1])")
def any_by_group(present: Any, group: Any, out: Any) -> None:
    """At which steps a group has some row; `out` comes in all False."""
    n, width = present.shape
    for i in range(n):
        g = group[i]
        for t in range(width):
            if present[i, t]:
                out[g, t] = True


@kernel(f"void(Array(float64, 2, 'C', readonly=True), {MASK}, {CODES}, f8[:, ::1], b1[:, ::1])")
def merge_rows(values: Any, present: Any, group: Any, out: Any, seen: Any) -> None:
    """Put rows of one group, which don't overlap, into one row; `seen` comes in all False."""
    n, width = values.shape
    for i in range(n):
        g = group[i]
        for t in range(width):
            if present[i, t]:
                out[g, t] = values[i, t]
                seen[g, t] = True
