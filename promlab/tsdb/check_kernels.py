"""Kernels that hold a chunk file against its checksums. Index entries: chunks.py.

A checksum covers a chunk and the entry that names it; the number of the owner's chunk before,
which the entry has too, follows from all the entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.chunk_kernels import get_int
from promlab.tsdb.codec_kernels import MAX_ROWS, bytes_at, decode_times, get_long, longs_at
from promlab.tsdb.crc_kernels import crc32, crc32_longs
from promlab.tsdb.head_kernels import ENTRY_LONGS, LOOSE_HEADER, ROW_HEADER, ROW_RECORD

DAMAGED, SOUND, GONE = 0, 1, 2  # what becomes of an entry
NOBODY = 1 << 62  # owner of an entry whose chunk was found damaged: no number reaches it
_LOW = 0xFFFFFFFF
_FIRST, _LAST = 2**63 - 1, -(2**63)


@kernel("i8(u8, i8, u8, i8, i1[::1])")
def examine(index: Any, count: Any, data: Any, size: Any, states: Any) -> Any:
    """Which entries fit the chunks that they name; how many do not."""
    entries = longs_at(index, count * ENTRY_LONGS)
    buffer = bytes_at(data, size)
    damaged = np.int64(0)
    for i in range(count):
        e = i * ENTRY_LONGS
        n, length, at = entries[e + 4] >> 32, entries[e + 4] & _LOW, entries[e + 3]
        gone = entries[e] == NOBODY and n == 0 and length == 0
        fits = 0 < n <= MAX_ROWS and 0 <= at <= size - length and entries[e] >= 0
        fits = gone or (fits and entries[e + 1] <= entries[e + 2] and entries[e] < NOBODY)
        crc = crc32(buffer, at, at + length, 0) if fits and not gone else np.int64(0)
        crc = crc32_longs(entries, e, e + ENTRY_LONGS - 1, crc)
        if not fits or crc != entries[e + 5] & _LOW:
            states[i] = DAMAGED
            damaged += 1
        else:
            states[i] = GONE if gone else SOUND
    return damaged


@kernel("i8(u8, i8, i1[::1], i8[::1], i8[::1])")
def link(index: Any, count: Any, states: Any, groups: Any, rings: Any) -> Any:
    """Each owner's newest sound entry; how many of them don't name the sound one before."""
    entries = longs_at(index, count * ENTRY_LONGS)
    wrong = np.int64(0)
    for i in range(count):
        if states[i] == SOUND:
            owner = entries[i * ENTRY_LONGS]
            chain = rings if owner & 1 else groups
            wrong += entries[i * ENTRY_LONGS + 5] >> 32 != chain[owner >> 1]
            chain[owner >> 1] = i
    return wrong


@kernel("void(i8[:, ::1], i1[::1], i8[::1], i8[::1])")
def mend(entries: Any, states: Any, groups: Any, rings: Any) -> Any:
    """Link what is sound past what is not, and let that belong to nobody."""
    for i in range(len(entries)):
        entry = entries[i]
        if states[i] == SOUND:
            chain = rings if entry[0] & 1 else groups
            entry[5] = chain[entry[0] >> 1] << 32 | (entry[5] & _LOW)
            chain[entry[0] >> 1] = i
            continue
        entry[0], entry[1], entry[2], entry[3], entry[4] = NOBODY, _FIRST, _LAST, 0, 0
        entry[5] = np.int64(-1) << 32 | crc32_longs(entry, 0, ENTRY_LONGS - 1, 0)


@kernel("i8(u8, i8, u8, i1[::1], i8[::1], i8)")
def first_unknown(index: Any, count: Any, data: Any, states: Any, widths: Any, rings: Any) -> Any:
    """The first sound entry whose owner, or one of its slots, was never heard of; else `count`."""
    entries = longs_at(index, count * ENTRY_LONGS)
    for i in range(count):
        e = i * ENTRY_LONGS
        owner = entries[e] >> 1
        if states[i] != SOUND:
            continue
        if entries[e] & 1:
            if owner >= rings:
                return np.int64(i)
        elif owner >= len(widths):
            return np.int64(i)
        else:
            length = entries[e + 4] & _LOW
            chunk = bytes_at(data + np.uint64(entries[e + 3]), length)
            if length <= 4 or get_int(chunk, 0) > widths[owner]:
                return np.int64(i)
    return count


@kernel("i8(u1[::1], i8[::1], i8[::1])")
def note_logged(buffer: Any, groups: Any, rings: Any) -> Any:
    """The oldest time of each group and ring in a WAL frame, where that is older; 0, or -1.

    A frame has passed its checksum: what does not look like one has other numbers.
    """
    p, end = np.int64(0), len(buffer)
    while p + LOOSE_HEADER <= end:
        if buffer[p] == ROW_RECORD:
            if p + ROW_HEADER > end:
                return -1
            g, t = get_int(buffer, p + 2), get_long(buffer, p + 6)
            width, n = get_int(buffer, p + 14), get_int(buffer, p + 18)
            if g < len(groups):
                groups[g] = min(groups[g], t)
            p += ROW_HEADER + (width + 7) // 8 + 8 * n
            continue
        runs, n = get_int(buffer, p + 2), get_int(buffer, p + 6)
        numbers = p + LOOSE_HEADER
        at = numbers + 8 * runs
        if at + 8 * n > end:
            return -1
        times = np.empty(n, np.int64)
        for r in range(runs):
            ring, count = (
                get_int(buffer, numbers + 4 * r),
                get_int(buffer, numbers + 4 * (runs + r)),
            )
            at = decode_times(buffer, at, end, count, times) if count <= n else -1
            if at < 0:
                return -1
            if ring < len(rings) and count:
                rings[ring] = min(rings[ring], times[0])
        p = at + 8 * n
    return 0
