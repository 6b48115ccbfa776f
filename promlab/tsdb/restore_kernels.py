"""Kernels that find the newest samples in a file's chunks when the head opens.

Indexes and data are given by address, since they are mapped read-only. Of a column nothing but
its newest value is read; a damaged chunk is passed over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import MAX_ROWS, bytes_at, longs_at
from promlab.tsdb.head_kernels import ENTRY_LONGS, NEVER
from promlab.tsdb.newest_kernels import newest_of_chunk

_LOW = 0xFFFFFFFF


@kernel("i8(u8, i8, u8, i8, i8, i8, u4[::1], u4[::1], i8[::1], i8[::1])")
def restore_group(
    index: Any,
    count: Any,
    data: Any,
    size: Any,
    entry: Any,
    floor: Any,
    series: Any,
    wanted: Any,
    last_t: Any,
    last_bits: Any,
) -> Any:
    """Newest samples of some slots of a group, from chunk `entry` and those before it in the file.

    Slots that have none there are moved to the front of `wanted`; their number is returned. Of
    the chunks before `entry`, only those are looked at that don't end before `floor`.
    """
    entries = longs_at(index, count * ENTRY_LONGS)
    times = np.empty(MAX_ROWS, np.int64)
    left = np.int64(len(wanted))
    while left > 0:
        e = entry * ENTRY_LONGS
        rows, length = entries[e + 4] >> 32, entries[e + 4] & _LOW
        offset, last = entries[e + 3], entries[e + 2]
        if 0 < rows <= MAX_ROWS and 0 <= offset <= size - length:
            buffer = bytes_at(data + np.uint64(offset), length)
            looked, left = left, np.int64(0)
            for i in range(looked):
                slot = wanted[i]
                row, t, x = newest_of_chunk(
                    buffer, rows, last, False, np.int64(slot), NEVER, last, times
                )
                if row < 0:
                    wanted[left] = slot
                    left += 1
                elif t > last_t[series[slot]]:
                    last_t[series[slot]] = t
                    last_bits[series[slot]] = x
        before = entries[e + 5] >> 32
        if not 0 <= before < entry or entries[before * ENTRY_LONGS + 2] < floor:
            break
        entry = before
    return left


@kernel("void(u8, i8, u8, i8, i8[::1], u4[::1], i8[::1], i8[::1])")
def restore_rings(
    index: Any,
    count: Any,
    data: Any,
    size: Any,
    chain: Any,
    series: Any,
    last_t: Any,
    last_bits: Any,
) -> None:
    """Newest sample of each ring's series, from its newest chunk `chain[ring]`; -1: none."""
    entries = longs_at(index, count * ENTRY_LONGS)
    times = np.empty(MAX_ROWS, np.int64)
    for ring in range(len(series)):
        e = chain[ring] * ENTRY_LONGS
        if e < 0:
            continue
        rows, length = entries[e + 4] >> 32, entries[e + 4] & _LOW
        offset, last = entries[e + 3], entries[e + 2]
        if not (0 < rows <= MAX_ROWS and 0 <= offset <= size - length):
            continue
        buffer = bytes_at(data + np.uint64(offset), length)
        row, t, x = newest_of_chunk(buffer, rows, last, True, np.int64(0), NEVER, last, times)
        ref = series[ring]
        if row >= 0 and t > last_t[ref]:
            last_t[ref] = t
            last_bits[ref] = x
