"""Kernels over WAL records of loose samples: written, found and read. Layouts: head_kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import decode_times, encode_times
from promlab.tsdb.head_kernels import (
    LOOSE_HEADER,
    LOOSE_RECORD,
    ROW_HEADER,
    ROW_RECORD,
    get_int,
    get_plane_value,
    put_int,
    put_planes,
)


@kernel("i8(u4[::1], i8[::1], i8[::1], i8[::1], i8, u1[::1], i8)")
def log_loose(rings: Any, starts: Any, t_ms: Any, bits: Any, runs: Any, wal: Any, at: Any) -> Any:
    """The WAL record of these runs; position after it."""
    first, n = starts[0], starts[runs] - starts[0]
    wal[at] = LOOSE_RECORD
    wal[at + 1] = 0
    at = put_int(wal, at + 2, runs)
    at = put_int(wal, at, n)
    for r in range(runs):
        at = put_int(wal, at, rings[starts[r]])
    for r in range(runs):
        at = put_int(wal, at, starts[r + 1] - starts[r])
    xors = np.empty(n, np.uint64)
    for r in range(runs):
        at = encode_times(t_ms[starts[r] : starts[r + 1]], starts[r + 1] - starts[r], wal, at)
        last = np.int64(0)
        for i in range(starts[r], starts[r + 1]):
            xors[i - first] = np.uint64(bits[i] ^ last)
            last = bits[i]
    return put_planes(xors, n, wal, at)


@kernel("i8(u1[::1], i8, i8, u4[::1], i8[::1], i8[::1])")
def read_loose(buffer: Any, p: Any, end: Any, rings: Any, t_ms: Any, bits: Any) -> Any:
    """Samples of a loose record at `p`; position after it, or -1 if it is damaged."""
    runs, n = get_int(buffer, p + 2), get_int(buffer, p + 6)
    p += LOOSE_HEADER
    counts = p + 4 * runs
    planes = counts + 4 * runs
    at = 0
    for r in range(runs):
        count = get_int(buffer, counts + 4 * r)
        if at + count > n:
            return -1
        planes = decode_times(buffer, planes, end, count, t_ms[at : at + count])
        if planes < 0:
            return -1
        for i in range(at, at + count):
            rings[i] = np.uint32(get_int(buffer, p + 4 * r))
        at += count
    if at != n or planes + 8 * n > end:
        return -1
    at = 0
    for r in range(runs):
        last = np.int64(0)
        for _ in range(get_int(buffer, counts + 4 * r)):
            last ^= get_plane_value(buffer, planes, n, at)
            bits[at] = last
            at += 1
    return planes + 8 * n


@kernel("i8(u1[::1], i8, i8)")
def next_loose(buffer: Any, p: Any, end: Any) -> Any:
    """Where the next loose record begins, rows passed over; -1 where there is none."""
    while p < end:
        if buffer[p] == LOOSE_RECORD:
            return p
        if buffer[p] != ROW_RECORD or p + ROW_HEADER > end:
            return -1
        width, n = get_int(buffer, p + 14), get_int(buffer, p + 18)
        p += ROW_HEADER + (width + 7) // 8 + 8 * n
    return -1
