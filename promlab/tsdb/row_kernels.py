"""Kernels of the writer: rows of a target, logged, stored and sealed. Layouts: head_kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import HISTOGRAM, HOLE, NAN, encode_column, encode_times, put_long
from promlab.tsdb.head_kernels import (
    CAP,
    EXTENT,
    FIRST_SEGMENT,
    LAST_ROW,
    LAST_T,
    NO_ROOM,
    NOT_NEWEST,
    ROW_RECORD,
    ROWS,
    STRIDE,
    WAL_SEGMENT,
    WIDTH,
    put_int,
    put_planes,
)


@kernel()
def _log_and_store(
    arena: Any,
    row: Any,
    before: Any,
    fresh: Any,
    width: Any,
    stride: Any,
    full: Any,
    g: Any,
    t: Any,
    wal: Any,
    at: Any,
) -> Any:
    """Log the row against the one before it, then store it: they may be the same row."""
    start = at
    wal[at] = ROW_RECORD
    wal[at + 1] = full
    at = put_int(wal, at + 2, g)
    at = put_long(wal, at, t)
    at = put_int(wal, at, width)
    bitmap = at + 4
    at = bitmap + (width + 7) // 8
    xors = np.empty(width, np.uint64)
    n = np.int64(0)
    byte = np.uint64(0)
    for s in range(width):
        x = fresh[s] if full else fresh[s] ^ arena[before + s]
        xors[n] = np.uint64(x)
        changed = np.uint64(x != 0)
        n += np.int64(changed)
        byte |= changed << np.uint64(s & 7)
        if s & 7 == 7:
            wal[bitmap + (s >> 3)] = np.uint8(byte)
            byte = np.uint64(0)
    if width & 7:
        wal[bitmap + (width >> 3)] = np.uint8(byte)
    put_int(wal, start + 18, n)
    for s in range(stride):
        arena[row + s] = fresh[s]
    return put_planes(xors, n, wal, at)


@kernel(
    "UniTuple(i8, 4)(i8[::1], i8[:, ::1], i8, u4[::1], i8[::1], b1, u4[::1], i8[::1],"
    " i8[::1], i8, i8, u1[::1], i8)"
)
def append_row(
    arena: Any,
    state: Any,
    g: Any,
    slots: Any,
    bits: Any,
    references: Any,
    series: Any,
    last_t: Any,
    last_bits: Any,
    t: Any,
    segment: Any,
    wal: Any,
    at: Any,
) -> Any:
    """Append one row, or add slots to the row that is already there for `t`.

    `references` says whether `bits` may refer to histograms; if not, what looks so is a NaN.
    Returns (appended, other value at the same time, out of order, position in the WAL
    buffer); appended is NO_ROOM if the group needs an extent, or a wider or empty one, and
    NOT_NEWEST if the row belongs before rows that are stored.
    """
    extent, stride, rows = state[g, EXTENT], state[g, STRIDE], state[g, ROWS]
    width = state[g, WIDTH]
    merge = rows > 0 and state[g, LAST_T] == t
    if not merge and t <= state[g, LAST_T]:
        return NOT_NEWEST, 0, 0, at
    if extent < 0 or stride < width or (rows == CAP and not merge):
        return NO_ROOM, 0, 0, at
    before = extent + CAP + state[g, LAST_ROW] * stride
    index = state[g, LAST_ROW] if merge else rows
    row = extent + CAP + index * stride
    fresh = np.empty(stride, np.int64)
    if merge:
        for s in range(stride):
            fresh[s] = arena[row + s]
    else:
        for s in range(stride):
            fresh[s] = HOLE
    appended = duplicate = out_of_order = np.int64(0)
    for i in range(len(slots)):
        slot = slots[i]
        ref = series[slot]
        x = bits[i]
        if x == HOLE or (x >> 48 == HISTOGRAM and not references):
            x = np.int64(NAN)
        if t > last_t[ref]:
            fresh[slot] = x
            last_t[ref] = t
            last_bits[ref] = x
            appended += 1
        elif t < last_t[ref]:
            out_of_order += 1
        elif last_bits[ref] != x:
            duplicate += 1
    if appended == 0:
        return appended, duplicate, out_of_order, at
    full = state[g, WAL_SEGMENT] != segment
    at = _log_and_store(arena, row, before, fresh, width, stride, full, g, t, wal, at)
    if not merge:
        arena[extent + index] = t
        state[g, LAST_ROW] = index
        state[g, LAST_T] = t
        state[g, ROWS] = rows + 1
        if rows == 0:
            state[g, FIRST_SEGMENT] = segment
    state[g, WAL_SEGMENT] = segment
    return appended, duplicate, out_of_order, at


@kernel("i8(i8[::1], i8, i8, i8, i8, u1[::1], i8)")
def seal_rows(arena: Any, extent: Any, stride: Any, rows: Any, width: Any, out: Any, p: Any) -> Any:
    """The chunk of a group's rows: u32 width | u32 ends[width] | times | columns.

    `ends` count from the chunk's start. Returns the position after it.
    """
    start = p
    p = put_int(out, p, width)
    ends = p
    p += 4 * width
    p = encode_times(arena[extent : extent + rows], rows, out, p)
    tile = np.empty((8, rows), np.int64)
    scratch = np.empty(rows, np.int64)
    integers = np.empty(rows, np.int64)
    dense = scratch.view(np.float64)
    for first in range(0, width, 8):
        many = min(8, width - first)
        for r in range(rows):  # eight columns at a time: a cache line of each row
            at = extent + CAP + r * stride + first
            for k in range(many):
                tile[k, r] = arena[at + k]
        for k in range(many):
            column = tile[k]
            values = column.view(np.float64)
            p = encode_column(column, values, rows, scratch, dense, integers, out, p)
            put_int(out, ends + 4 * (first + k), p - start)
    return p
