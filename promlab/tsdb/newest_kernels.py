"""Kernels that find the newest sample of each series: in what the head holds, else in chunks.

See tail_kernels for sources and places. A place's newest sample is `t_ms[p]`, `bits[p]`; the
time is NEVER as long as none is found. Nothing older than that sample is copied or decoded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.chunk_kernels import get_int
from promlab.tsdb.codec_kernels import (
    HISTOGRAM,
    HOLE,
    MAX_ROWS,
    bytes_at,
    decode_times,
    longs_at,
)
from promlab.tsdb.column_end_kernels import DAMAGED, NONE, newest_in_column, skip_varints
from promlab.tsdb.head_kernels import (
    CAP,
    COUNT,
    ENTRY_LONGS,
    NEVER,
    P_EXTENT,
    P_ROWS,
    P_STRIDE,
    P_VERSION,
    PUBLISHED_LONGS,
    RING_LONGS,
    START,
)
from promlab.tsdb.tail_kernels import BUSY, LATE, NOTHING_HELD, OK, OLDEST, REMAP, TRIES

_LOW = 0xFFFFFFFF


@kernel()
def _newest_of_group(
    table: Any,
    group: Any,
    arena: Any,
    arena_n: Any,
    places: Any,
    slots: Any,
    start: Any,
    end: Any,
    t_ms: Any,
    bits: Any,
) -> Any:
    """The newest sample of some slots; (state, how many have one)."""
    at = group * PUBLISHED_LONGS
    version = table[at + P_VERSION]
    rows, extent, stride = table[at + P_ROWS], table[at + P_EXTENT], table[at + P_STRIDE]
    found = np.int64(0)
    if rows > 0:
        if rows > CAP or stride < 0 or extent < 0 or extent + CAP * (1 + stride) > arena_n:
            return REMAP if table[at + P_VERSION] == version else BUSY, found
        while rows > 0 and arena[extent + rows - 1] > end:
            rows -= 1
    for place in places:
        t_ms[place] = NEVER
        slot = slots[place]
        if slot >= stride:
            continue
        for row in range(rows - 1, -1, -1):
            if arena[extent + row] < start:
                break
            x = arena[extent + CAP + row * stride + slot]
            if x != HOLE:
                t_ms[place] = arena[extent + row]
                bits[place] = x
                found += 1
                break
    return OK if table[at + P_VERSION] == version else BUSY, found


@kernel()
def _newest_of_ring(loose: Any, base: Any, start: Any, end: Any, late: Any) -> Any:
    """A ring's newest sample: (state, time or NEVER, bits)."""
    begin, stop = loose[base + START], loose[base + COUNT]
    t, x = np.int64(NEVER), np.int64(0)
    for i in range(stop - 1, max(begin, stop - CAP) - 1, -1):
        at = base + 2 + i % CAP
        if start <= loose[at] <= end and loose[at] > t:
            t, x = loose[at], loose[at + CAP]
        if not late and loose[at] <= end:
            break
    return OK if loose[base + START] == begin else BUSY, t, x


@kernel(
    "i8(u8, i8, u8, i8, u8, i8, i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8, i8, i8[::1], i8[::1], i8[::1])"
)
def newest_held(
    table_at: Any,
    table_n: Any,
    arena_at: Any,
    arena_n: Any,
    loose_at: Any,
    loose_n: Any,
    groups: Any,
    places_at: Any,
    places: Any,
    slots: Any,
    rings: Any,
    ring_places: Any,
    kinds: Any,
    start: Any,
    end: Any,
    firsts: Any,
    t_ms: Any,
    bits: Any,
) -> Any:
    """The newest sample in [start, end] that the head holds of each place, source by source.

    The places of group j are `places[places_at[j] : places_at[j + 1]]`. `firsts` says for
    `find_pieces` of which sources chunks matter still. Returns OK, or REMAP if a mapped file
    has grown beyond what is mapped, or BUSY.
    """
    table = longs_at(table_at, table_n)
    arena = longs_at(arena_at, arena_n)
    loose = longs_at(loose_at, loose_n)
    for j in range(len(groups)):
        if (groups[j] + 1) * PUBLISHED_LONGS > table_n:
            return REMAP
        mine = places[places_at[j] : places_at[j + 1]]
        state, found = BUSY, np.int64(0)
        for _ in range(TRIES):
            state, found = _newest_of_group(
                table, groups[j], arena, arena_n, mine, slots, start, end, t_ms, bits
            )
            if state != BUSY:
                break
        if state != OK:
            return state
        firsts[j] = OLDEST if found == len(mine) else NOTHING_HELD
    for r in range(len(rings)):
        base = rings[r] * RING_LONGS
        if base + RING_LONGS > loose_n:
            return REMAP
        source = len(groups) + r
        late = kinds[source] == LATE
        state, t, x = BUSY, np.int64(NEVER), np.int64(0)
        for _ in range(TRIES):
            state, t, x = _newest_of_ring(loose, base, start, end, late)
            if state != BUSY:
                break
        if state != OK:
            return state
        t_ms[ring_places[r]] = t
        bits[ring_places[r]] = x
        firsts[source] = OLDEST if t != NEVER and not late else NOTHING_HELD
    return OK


@kernel()
def newest_of_chunk(
    buffer: Any, rows: Any, last: Any, is_loose: Any, slot: Any, start: Any, end: Any, times: Any
) -> Any:
    """A slot's newest sample in a chunk: (row, NONE or DAMAGED; time; bits).

    `last` is the time of the last row: the times of others are decoded only if they matter.
    """
    none = np.int64(NONE), np.int64(NEVER), np.int64(0)
    damaged = np.int64(DAMAGED), np.int64(NEVER), np.int64(0)
    length = np.int64(len(buffer))
    times_at, p, stop = np.int64(0), np.int64(0), length
    if not is_loose:
        width = get_int(buffer, 0) if length >= 4 else np.int64(0)
        times_at = 4 + 4 * width
        if times_at == 4 or times_at > length:
            return damaged
        if slot >= width:
            return none
        p = get_int(buffer, 4 * slot) if slot > 0 else np.int64(0)
        stop = min(stop, get_int(buffer, 4 + 4 * slot))
    if p == 0:
        p = skip_varints(buffer, times_at, length, rows)
    row, known = rows - 1, False
    if last > end:
        known = True
        if decode_times(buffer, times_at, length, rows, times) < 0:
            return damaged
        while row >= 0 and times[row] > end:
            row -= 1
        if row < 0:
            return none
    row, x = newest_in_column(buffer, p, stop, rows, row)
    if row < 0:
        return row, np.int64(NEVER), x
    if row == rows - 1:
        return row, last, x
    if not known and decode_times(buffer, times_at, length, rows, times) < 0:
        return damaged
    return (row, times[row], x) if times[row] >= start else none


@kernel(
    "i8(u8[::1], i8[::1], u8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8, i8[::1],"
    " i8[::1], i8[::1], i8[::1], i8[::1])"
)
def newest_sealed(
    indexes: Any,
    counts: Any,
    datas: Any,
    sizes: Any,
    piece_file: Any,
    piece_entry: Any,
    pieces_at: Any,
    starts: Any,
    end: Any,
    kinds: Any,
    sources: Any,
    slots: Any,
    t_ms: Any,
    bits: Any,
) -> Any:
    """The newest sample in chunks of places that have none, or are late and may have a newer.

    A chunk in file f counts from `starts[f]` on. Returns OK, or -1 if one is damaged.
    """
    times = np.empty(MAX_ROWS, np.int64)
    for p in range(len(sources)):
        s = sources[p]
        for i in range(pieces_at[s + 1] - 1, pieces_at[s] - 1, -1):
            if t_ms[p] != NEVER and kinds[s] != LATE:
                break
            f = piece_file[i]
            e = piece_entry[i] * ENTRY_LONGS
            entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
            rows, length = entries[e + 4] >> 32, entries[e + 4] & _LOW
            offset, last = entries[e + 3], entries[e + 2]
            if rows < 1 or rows > MAX_ROWS or offset < 0 or offset + length > sizes[f]:
                return -1
            if last <= t_ms[p]:
                continue
            buffer = bytes_at(datas[f] + np.uint64(offset), length)
            row, t, x = newest_of_chunk(
                buffer, rows, last, kinds[s] != 0, slots[p], starts[f], end, times
            )
            if row == DAMAGED:
                return -1
            if row >= 0 and t > t_ms[p]:
                t_ms[p] = t
                bits[p] = x
    return OK


@kernel("UniTuple(i8, 2)(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def newest_of_series(
    places_at: Any, t_ms: Any, bits: Any, rows: Any, series_t: Any, series_bits: Any
) -> Any:
    """The newest of each series' places; of equal times the first. Series without are left out.

    Series i has the places from `places_at[i]` to `places_at[i + 1]`. Returns how many have a
    sample, and how many of these are histograms; `rows` gets their numbers.
    """
    n = histograms = np.int64(0)
    for i in range(len(places_at) - 1):
        t = np.int64(NEVER)
        for p in range(places_at[i], places_at[i + 1]):
            if t_ms[p] > t:
                t = t_ms[p]
                series_bits[n] = bits[p]
        if t != NEVER:
            histograms += series_bits[n] >> 48 == HISTOGRAM
            series_t[n] = t
            rows[n] = i
            n += 1
    return n, histograms
