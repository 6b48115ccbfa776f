"""Kernels over a chunk file's index: newest entries, restoring the last samples.

Indexes and data are given by address, since they are mapped read-only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import (
    HOLE,
    MAX_ROWS,
    bytes_at,
    decode_column,
    decode_times,
    decode_values,
    longs_at,
)
from promlab.tsdb.head_kernels import ENTRY_LONGS

_LOW = 0xFFFFFFFF
NEVER = -(2**63)


@kernel()
def get_int(buffer: Any, p: Any) -> Any:
    """Read a u32, little-endian."""
    u = np.uint64(0)
    for k in range(4):
        u |= np.uint64(buffer[p + k]) << np.uint64(8 * k)
    return np.int64(u)


@kernel("void(u8, i8, i8, i8[::1], i8[::1])")
def newest_entries(index: Any, first: Any, count: Any, groups: Any, rings: Any) -> Any:
    """Number of each owner's newest entry, from the entries [first, count)."""
    entries = longs_at(index, count * ENTRY_LONGS)
    for i in range(first, count):
        owner = entries[i * ENTRY_LONGS]
        chain = rings if owner & 1 else groups
        if owner >> 1 < len(chain):
            chain[owner >> 1] = i


@kernel("i8(u8, i8, u8, i8, i8, i8, i8, u4[::1], i8[::1], i8[::1])")
def restore_group(
    index: Any,
    entry: Any,
    data: Any,
    size: Any,
    total: Any,
    at: Any,
    width: Any,
    series: Any,
    last_t: Any,
    last_bits: Any,
) -> Any:
    """Newest sample of each series of a group, from one of its chunks; -1 if it is damaged.

    `series[at : at + width]` are the group's series.
    """
    entries = longs_at(index, total * ENTRY_LONGS)
    e = entry * ENTRY_LONGS
    n, length = entries[e + 4] >> 32, entries[e + 4] & _LOW
    buffer = bytes_at(data + np.uint64(entries[e + 3]), length)
    if entries[e + 3] + length > size or n > MAX_ROWS or length < 4:
        return -1
    wide = get_int(buffer, 0)
    p = 4 + 4 * wide
    times = np.empty(n, np.int64)
    p = decode_times(buffer, p, length, n, times) if p < length else -1
    column = np.empty(n, np.int64)
    for s in range(min(wide, width)):
        p = decode_column(buffer, p, length, n, column)
        if p < 0:
            return -1
        for r in range(n - 1, -1, -1):
            if column[r] != HOLE:
                ref = series[at + s]
                if times[r] > last_t[ref]:
                    last_t[ref] = times[r]
                    last_bits[ref] = column[r]
                break
    return 0


@kernel("i8(u8, u8, i8, i8, i8[::1], u4[::1], i8[::1], i8[::1])")
def restore_rings(
    index: Any,
    data: Any,
    size: Any,
    total: Any,
    chain: Any,
    series: Any,
    last_t: Any,
    last_bits: Any,
) -> Any:
    """Newest sample of each ring's series, from the newest chunks; damaged chunks counted."""
    entries = longs_at(index, total * ENTRY_LONGS)
    times = np.empty(MAX_ROWS, np.int64)
    column = np.empty(MAX_ROWS, np.int64)
    damaged = 0
    for ring in range(len(series)):
        if chain[ring] < 0:
            continue
        e = chain[ring] * ENTRY_LONGS
        n, length = entries[e + 4] >> 32, entries[e + 4] & _LOW
        if entries[e + 3] + length > size or n > MAX_ROWS:
            damaged += 1
            continue
        buffer = bytes_at(data + np.uint64(entries[e + 3]), length)
        p = decode_times(buffer, 0, length, n, times)
        if p < 0 or decode_values(buffer, p, length, n, column) < 0:
            damaged += 1
            continue
        ref = series[ring]
        if times[n - 1] > last_t[ref]:
            last_t[ref] = times[n - 1]
            last_bits[ref] = column[n - 1]
    return damaged
