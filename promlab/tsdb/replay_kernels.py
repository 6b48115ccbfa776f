"""The kernel that puts rows of the WAL back where they were. Layouts: head_kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import HOLE, get_long
from promlab.tsdb.head_kernels import (
    CAP,
    EXTENT,
    FIRST_SEGMENT,
    LAST_ROW,
    LAST_T,
    LOOSE_RECORD,
    P_ROWS,
    REPLAY_BAD,
    REPLAY_DONE,
    REPLAY_EXTENT,
    REPLAY_FULL,
    REPLAY_LOOSE,
    ROW_HEADER,
    ROW_RECORD,
    ROWS,
    SEALED_T,
    STRIDE,
    get_int,
    get_plane_value,
)


@kernel(
    "UniTuple(i8, 3)(u1[::1], i8, i8, i8[::1], i8[:, ::1], i8[:, ::1], i8, i8[::1], u4[::1],"
    " i8[::1], i8[::1], i8)"
)
def replay(
    buffer: Any,
    p: Any,
    end: Any,
    arena: Any,
    state: Any,
    published: Any,
    groups: Any,
    series_at: Any,
    series: Any,
    last_t: Any,
    last_bits: Any,
    segment: Any,
) -> Any:
    """Rows of a WAL frame back into their extents, until something needs the caller.

    Returns (why it stopped, position, group): REPLAY_EXTENT, the group has no wide enough
    extent; REPLAY_FULL, its extent is full; REPLAY_LOOSE, a loose record begins there.
    Rows that are sealed already leave only their trace in the chain of xors.
    """
    while p < end:
        if buffer[p] == LOOSE_RECORD:
            return REPLAY_LOOSE, p, 0
        if buffer[p] != ROW_RECORD or p + ROW_HEADER > end:
            return REPLAY_BAD, p, 0
        full = buffer[p + 1]
        g, t = get_int(buffer, p + 2), get_long(buffer, p + 6)
        width, n = get_int(buffer, p + 14), get_int(buffer, p + 18)
        bitmap = p + ROW_HEADER
        planes = bitmap + (width + 7) // 8
        if g >= groups or width > series_at[g + 1] - series_at[g] or planes + 8 * n > end:
            return REPLAY_BAD, p, g
        if state[g, EXTENT] < 0 or state[g, STRIDE] < width:
            return REPLAY_EXTENT, p, g
        rows, stride = state[g, ROWS], state[g, STRIDE]
        merge = rows > 0 and state[g, LAST_T] == t
        if rows == CAP and not merge:
            return REPLAY_FULL, p, g
        index = state[g, LAST_ROW] if merge else rows
        extent = state[g, EXTENT]
        row = extent + CAP + index * stride
        before = extent + CAP + state[g, LAST_ROW] * stride
        k = 0
        for s in range(stride):
            x = np.int64(HOLE)
            if s < width:
                x = np.int64(0) if full else arena[before + s]
                if (buffer[bitmap + s // 8] >> np.uint8(s % 8)) & 1:
                    if k == n:
                        return REPLAY_BAD, p, g
                    x ^= get_plane_value(buffer, planes, n, k)
                    k += 1
            arena[row + s] = x
            if s < width and x != HOLE:
                ref = series[series_at[g] + s]
                if t >= last_t[ref]:
                    last_t[ref] = t
                    last_bits[ref] = x
        state[g, LAST_ROW] = index
        if t > state[g, SEALED_T] and not merge:
            arena[extent + index] = t
            state[g, ROWS] = rows + 1
            state[g, LAST_T] = t
            published[g, P_ROWS] = rows + 1
            if rows == 0:
                state[g, FIRST_SEGMENT] = segment
        p = planes + 8 * n
    return REPLAY_DONE, p, 0
