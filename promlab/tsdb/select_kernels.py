"""Kernels of the reader: from mapped rows, rings and chunks to a batch of columns.

Three steps. `copy_tails` takes what the head holds, first; `find_pieces` lists the chunks that
overlap, limited to what is older than what the head held, so that a chunk sealed in between is
neither missed nor met twice; `decode_times` and `decode_series` write the batch.

A *source* is a group or a ring: it has times. A *place* is a slot of a group, or a ring: a
series has one or more places. `loose` says of each source what it is: GROUP, RING or LATE, a
ring whose chunks, and what it holds, are in no order of time. Files are given by address;
every offset read from them is checked against the mapped size.
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
    decode_column,
    decode_times,
    longs_at,
)
from promlab.tsdb.head_kernels import (
    CAP,
    COUNT,
    ENTRY_LONGS,
    P_EXTENT,
    P_ROWS,
    P_STRIDE,
    P_VERSION,
    PUBLISHED_LONGS,
    RING_LONGS,
    START,
)

NOTHING_HELD = 2**63 - 1
OLDEST = -(2**62)
_LOW = 0xFFFFFFFF
_TRIES = 1_000_000
OK, REMAP, BUSY, DAMAGED = 0, 1, 2, 3
GROUP, RING, LATE = 0, 1, 3


@kernel()
def _copy_group(
    table: Any,
    g: Any,
    arena: Any,
    arena_n: Any,
    places: Any,
    slots: Any,
    start: Any,
    end: Any,
    source: Any,
    firsts: Any,
    counts: Any,
    tail_t: Any,
    at_t: Any,
    tail_v: Any,
    at_v: Any,
    values_at: Any,
) -> Any:
    """What an extent holds for some slots; whether it was quiet meanwhile."""
    at = g * PUBLISHED_LONGS
    version = table[at + P_VERSION]
    rows, extent, stride = table[at + P_ROWS], table[at + P_EXTENT], table[at + P_STRIDE]
    firsts[source] = NOTHING_HELD
    counts[source] = 0
    if rows <= 0:
        return OK if table[at + P_VERSION] == version else BUSY
    if rows > CAP or stride < 0 or extent < 0 or extent + CAP * (1 + stride) > arena_n:
        return REMAP if table[at + P_VERSION] == version else BUSY
    first, last = np.int64(0), rows
    while first < last and arena[extent + first] < start:
        first += 1
    while last > first and arena[extent + last - 1] > end:
        last -= 1
    for i in range(first, last):
        tail_t[at_t + i - first] = arena[extent + i]
    out = at_v
    for place in places:
        slot = slots[place]
        row = extent + CAP + first * stride + slot
        values_at[place] = out
        if slot >= stride:
            for i in range(last - first):
                tail_v[out + i] = HOLE
        else:
            for i in range(last - first):
                tail_v[out + i] = arena[row]
                row += stride
        out += last - first
    firsts[source] = arena[extent]
    counts[source] = last - first
    return OK if table[at + P_VERSION] == version else BUSY


@kernel()
def _copy_ring(
    loose: Any,
    base: Any,
    start: Any,
    end: Any,
    late: Any,
    newest: Any,
    source: Any,
    firsts: Any,
    counts: Any,
    tail_t: Any,
    at_t: Any,
    tail_v: Any,
    at_v: Any,
) -> Any:
    """What a ring holds; whether it was quiet meanwhile."""
    begin, stop = loose[base + START], loose[base + COUNT]
    firsts[source] = NOTHING_HELD
    counts[source] = 0
    if stop > begin:
        firsts[source] = loose[base + 2 + begin % CAP]
        low, high = max(begin, stop - CAP), stop
        if late:
            n = 0
            for i in range(low, high):
                at = base + 2 + i % CAP
                if start <= loose[at] <= end:
                    tail_t[at_t + n] = loose[at]
                    tail_v[at_v + n] = loose[at + CAP]
                    n += 1
            counts[source] = n
            return OK if loose[base + START] == begin else BUSY
        while high > low and loose[base + 2 + (high - 1) % CAP] > end:
            high -= 1
        first = high
        while first > low and loose[base + 2 + (first - 1) % CAP] >= start:
            first -= 1
            if newest:
                # Whatever is older does not matter, in chunks neither.
                firsts[source] = OLDEST
                break
        for i in range(first, high):
            at = base + 2 + i % CAP
            tail_t[at_t + i - first] = loose[at]
            tail_v[at_v + i - first] = loose[at + CAP]
        counts[source] = high - first
    return OK if loose[base + START] == begin else BUSY


@kernel(
    "i8(u8, i8, u8, i8, u8, i8, i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8, i8, b1, i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])"
)
def copy_tails(
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
    newest: Any,
    firsts: Any,
    counts: Any,
    times_at: Any,
    tail_t: Any,
    values_at: Any,
    tail_v: Any,
) -> Any:
    """Copy samples in [start, end] that are not sealed, each source at one moment.

    The places of group j are `places[places_at[j] : places_at[j + 1]]`. The times of source s
    are `counts[s]` from `tail_t[times_at[s]]` on, the values of place p as many from
    `tail_v[values_at[p]]` on. With `newest` a ring gives its newest sample alone, but for those
    whose `kinds` say that they are in no order. Returns OK,
    or REMAP if a mapped file has grown beyond what is mapped, or BUSY.
    """
    table = longs_at(table_at, table_n)
    arena = longs_at(arena_at, arena_n)
    loose = longs_at(loose_at, loose_n)
    at_t = np.int64(0)
    at_v = np.int64(0)
    for j in range(len(groups)):
        if (groups[j] + 1) * PUBLISHED_LONGS > table_n:
            return REMAP
        mine = places[places_at[j] : places_at[j + 1]]
        state = BUSY
        for _ in range(_TRIES):
            state = _copy_group(
                table, groups[j], arena, arena_n, mine, slots, start, end, j, firsts, counts,
                tail_t, at_t, tail_v, at_v, values_at,
            )  # fmt: skip
            if state != BUSY:
                break
        if state != OK:
            return state
        times_at[j] = at_t
        at_t += counts[j]
        at_v += counts[j] * len(mine)
    for r in range(len(rings)):
        base = rings[r] * RING_LONGS
        if base + RING_LONGS > loose_n:
            return REMAP
        state = BUSY
        source = len(groups) + r
        for _ in range(_TRIES):
            state = _copy_ring(
                loose, base, start, end, kinds[source] == LATE, newest, source, firsts, counts,
                tail_t, at_t, tail_v, at_v,
            )  # fmt: skip
            if state != BUSY:
                break
        if state != OK:
            return state
        times_at[source] = at_t
        values_at[ring_places[r]] = at_v
        at_t += counts[source]
        at_v += counts[source]
    return OK


@kernel(
    "i8(u8[::1], i8[::1], u8[::1], u8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8,"
    " i8[::1], i8[::1], i8[::1])"
)
def find_pieces(
    indexes: Any,
    counts: Any,
    group_chains: Any,
    ring_chains: Any,
    chain_sizes: Any,
    owners: Any,
    loose: Any,
    firsts: Any,
    starts: Any,
    end: Any,
    pieces_at: Any,
    piece_file: Any,
    piece_entry: Any,
) -> Any:
    """Chunks of each source that overlap [starts[file], end] and begin before what the head held.

    Of a late ring all that overlap: what is met twice is merged.
    Files are ordered by age; `chain_sizes` has lengths of the group and ring chains, two a
    file. Pieces of source s, oldest first, are those from `pieces_at[s]` to `pieces_at[s+1]`.
    Returns their number: when it is larger than `piece_file`, nothing else counts.
    """
    n = np.int64(0)
    for s in range(len(owners)):
        pieces_at[s] = n
        late = loose[s] == LATE
        limit = end if late else min(end, firsts[s] - 1)
        begin = n
        done = False
        for f in range(len(indexes) - 1, -1, -1):
            size = chain_sizes[2 * f + (loose[s] & 1)]
            if done or owners[s] >= size:
                continue
            address = ring_chains[f] if loose[s] else group_chains[f]
            entry = longs_at(address, size)[owners[s]]
            entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
            before = counts[f]
            while 0 <= entry < before:
                e = entry * ENTRY_LONGS
                if entries[e + 2] < starts[f] and not late:
                    # Of the files before, none begins to count earlier than the oldest does.
                    done = entries[e + 2] < starts[0]
                    break
                if entries[e + 1] <= limit and entries[e + 2] >= starts[f]:
                    if n < len(piece_file):
                        piece_file[n] = f
                        piece_entry[n] = entry
                    n += 1
                before = entry
                entry = entries[e + 5] >> 32
        if n <= len(piece_file):
            low, high = begin, n - 1
            while low < high:
                piece_file[low], piece_file[high] = piece_file[high], piece_file[low]
                piece_entry[low], piece_entry[high] = piece_entry[high], piece_entry[low]
                low += 1
                high -= 1
    pieces_at[len(owners)] = n
    return n


@kernel()
def _held_between(
    is_loose: Any, table: Any, arena: Any, arena_n: Any, loose: Any, loose_n: Any, owner: Any,
    start: Any, end: Any,
) -> Any:  # fmt: skip
    """1 if the head holds samples of a source in [start, end], 0 if not, -1 if unreadable."""
    if is_loose:
        base = owner * RING_LONGS
        if base + RING_LONGS > loose_n:
            return -1
        begin, stop = loose[base + START], loose[base + COUNT]
        if stop <= begin:
            return 0
        if is_loose == RING and loose[base + 2 + (stop - 1) % CAP] < start:
            return 0
        for i in range(max(begin, stop - CAP), stop):
            t = loose[base + 2 + i % CAP]
            if start <= t <= end:
                return 1
        return 0
    at = owner * PUBLISHED_LONGS
    if at + PUBLISHED_LONGS > len(table):
        return -1
    rows, extent = table[at + P_ROWS], table[at + P_EXTENT]
    if rows > CAP or extent < 0 or extent + CAP > arena_n:
        return -1
    for i in range(rows):
        if start <= arena[extent + i] <= end:
            return 1
    return 0


@kernel(
    "i8(u8, i8, u8, i8, u8, i8, u8[::1], i8[::1], u8[::1], u8[::1], i8[::1], i8[::1], i8[::1],"
    " i8[::1], i8[::1], i8[::1], i8, i8, i1[::1], i1[::1])"
)
def alive(
    table_at: Any,
    table_n: Any,
    arena_at: Any,
    arena_n: Any,
    loose_at: Any,
    loose_n: Any,
    indexes: Any,
    counts: Any,
    group_chains: Any,
    ring_chains: Any,
    chain_sizes: Any,
    owners: Any,
    is_loose: Any,
    places_at: Any,
    sources: Any,
    rows: Any,
    start: Any,
    end: Any,
    known: Any,
    out: Any,
) -> Any:
    """Which of the series `rows` have sources with samples in [start, end]: `out[k]` of each.

    `known` has -1 for each source that was not looked at yet, and is filled in. Reads no
    sample's value; lengths of -1 stand for head files that are lost. Returns OK, or REMAP if a
    mapped file has grown beyond what is mapped.
    """
    table = longs_at(table_at, max(0, table_n))
    arena = longs_at(arena_at, max(0, arena_n))
    loose = longs_at(loose_at, max(0, loose_n))
    for k in range(len(rows)):
        out[k] = 0
        for p in range(places_at[rows[k]], places_at[rows[k] + 1]):
            s = sources[p]
            if known[s] < 0:
                held = np.int64(0)
                if table_n >= 0:
                    held = _held_between(
                        is_loose[s], table, arena, arena_n, loose, loose_n, owners[s], start, end
                    )
                if held < 0:
                    return REMAP
                known[s] = held
                for f in range(len(indexes) - 1, -1, -1):
                    size = chain_sizes[2 * f + (is_loose[s] & 1)]
                    if known[s] or owners[s] >= size:
                        continue
                    address = ring_chains[f] if is_loose[s] else group_chains[f]
                    entry = longs_at(address, size)[owners[s]]
                    entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
                    before = counts[f]
                    while 0 <= entry < before:
                        e = entry * ENTRY_LONGS
                        if entries[e + 2] < start and is_loose[s] != LATE:
                            break
                        if entries[e + 1] <= end and entries[e + 2] >= start:
                            known[s] = 1
                            break
                        before = entry
                        entry = entries[e + 5] >> 32
            if known[s] == 1:
                out[k] = 1
                break
    return OK


@kernel("void(u8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def count_rows(
    indexes: Any,
    counts: Any,
    piece_file: Any,
    piece_entry: Any,
    pieces_at: Any,
    tail_counts: Any,
    rows: Any,
) -> None:
    """The most rows that each source can have: those of its pieces and of its tail."""
    for s in range(len(rows)):
        n = tail_counts[s]
        for i in range(pieces_at[s], pieces_at[s + 1]):
            f = piece_file[i]
            entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
            n += entries[piece_entry[i] * ENTRY_LONGS + 4] >> 32
        rows[s] = n


@kernel()
def _same_bytes(buffer: Any, at: Any, other: Any, other_at: Any, n: Any) -> Any:
    """Whether `n` bytes are equal."""
    different = np.uint8(0)
    for i in range(n):
        different |= buffer[at + i] ^ other[other_at + i]
    return different == 0


@kernel()
def _same_times(
    datas: Any,
    sizes: Any,
    indexes: Any,
    counts: Any,
    piece_file: Any,
    piece_entry: Any,
    pieces_at: Any,
    s: Any,
    before: Any,
    pieces: Any,
    tail_t: Any,
    tail_at: Any,
    tail_counts: Any,
) -> Any:
    """Whether ring `s` has the very times of ring `before`; its pieces are filled in if so.

    What is sent from elsewhere often was sampled together there: then the encoded times are
    equal byte for byte, and telling so costs much less than decoding them again.
    """
    n = pieces_at[s + 1] - pieces_at[s]
    if n != pieces_at[before + 1] - pieces_at[before] or tail_counts[s] != tail_counts[before]:
        return False
    for i in range(tail_counts[s]):
        if tail_t[tail_at[s] + i] != tail_t[tail_at[before] + i]:
            return False
    for k in range(n):
        known = pieces[pieces_at[before] + k]
        i = pieces_at[s] + k
        f = piece_file[i]
        e = piece_entry[i] * ENTRY_LONGS
        entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
        rows, length, offset = entries[e + 4] >> 32, entries[e + 4] & _LOW, entries[e + 3]
        if (
            f != known[3]
            or rows != known[2]
            or offset < 0
            or offset + length > sizes[f]
            or length <= known[6]
        ):
            return False
        buffer = bytes_at(datas[f] + np.uint64(offset), length)
        other = bytes_at(datas[known[3]] + np.uint64(known[4]), known[5])
        if not _same_bytes(buffer, 0, other, 0, known[6]):
            return False
        piece = pieces[i]
        piece[0], piece[1], piece[2], piece[3] = known[0], known[1], rows, f
        piece[4], piece[5], piece[6] = offset, length, known[6]
    return True


@kernel(
    "i8(u8[::1], i8[::1], u8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8,"
    " i8[::1], i8[::1], i8[::1], i8[::1], i8[:, ::1], i8[::1], i8[::1], i8[::1])"
)
def source_times(
    indexes: Any,
    counts: Any,
    datas: Any,
    sizes: Any,
    piece_file: Any,
    piece_entry: Any,
    pieces_at: Any,
    loose: Any,
    starts: Any,
    end: Any,
    firsts: Any,
    tail_t: Any,
    tail_at: Any,
    tail_counts: Any,
    pieces: Any,
    t_out: Any,
    times_at: Any,
    rows_of: Any,
) -> Any:
    """Times of every source, and where to find each piece's values.

    Source s has `rows_of[s]` times from `t_out[times_at[s]]` on; rings whose times are equal
    may share them. `pieces[i]` becomes (first row, end row, rows, file, offset of the chunk,
    its bytes, offset of the columns in it). Returns the number of times, or -1 if a chunk is
    damaged.
    """
    n = np.int64(0)
    scratch = np.empty(MAX_ROWS, np.int64)
    for s in range(len(loose)):
        limit = end if loose[s] == LATE else min(end, firsts[s] - 1)
        alike = s > 0 and loose[s] == RING and loose[s - 1] == RING
        if alike and limit == min(end, firsts[s - 1] - 1):
            shared = _same_times(
                datas, sizes, indexes, counts, piece_file, piece_entry, pieces_at, s, s - 1,
                pieces, tail_t, tail_at, tail_counts,
            )  # fmt: skip
            if shared:
                times_at[s] = times_at[s - 1]
                rows_of[s] = rows_of[s - 1]
                continue
        times_at[s] = n
        for i in range(pieces_at[s], pieces_at[s + 1]):
            f = piece_file[i]
            e = piece_entry[i] * ENTRY_LONGS
            entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
            rows, length = entries[e + 4] >> 32, entries[e + 4] & _LOW
            offset = entries[e + 3]
            if rows < 1 or rows > MAX_ROWS or offset < 0 or offset + length > sizes[f]:
                return -1
            buffer = bytes_at(datas[f] + np.uint64(offset), length)
            p: Any = np.int64(0)
            if not loose[s]:
                if length < 4:
                    return -1
                p = 4 + 4 * get_int(buffer, 0)
            p = decode_times(buffer, p, length, rows, scratch) if p < length else -1
            if p < 0:
                return -1
            low, high = np.int64(0), rows
            while low < high and scratch[low] < starts[f]:
                low += 1
            while high > low and scratch[high - 1] > limit:
                high -= 1
            for row in range(low, high):
                t_out[n] = scratch[row]
                n += 1
            piece = pieces[i]
            piece[0], piece[1], piece[2], piece[3] = low, high, rows, f
            piece[4], piece[5], piece[6] = offset, length, p
        for i in range(tail_counts[s]):
            t_out[n] = tail_t[tail_at[s] + i]
            n += 1
        rows_of[s] = n - times_at[s]
    return n


@kernel()
def _place_values(
    datas: Any,
    pieces: Any,
    first: Any,
    last: Any,
    is_loose: Any,
    slot: Any,
    tail_v: Any,
    tail_at: Any,
    tail_n: Any,
    out: Any,
    at: Any,
    column: Any,
    values: Any,
) -> Any:
    """All values of a place, holes included, to out[at:]; position after them or -1."""
    for i in range(first, last):
        piece = pieces[i]
        low, high, rows = piece[0], piece[1], piece[2]
        if low == high:
            continue
        buffer = bytes_at(datas[piece[3]] + np.uint64(piece[4]), piece[5])
        p, end = piece[6], piece[5]
        if not is_loose:
            if slot >= get_int(buffer, 0):
                for _ in range(low, high):
                    out[at] = HOLE
                    at += 1
                continue
            if slot > 0:
                p = get_int(buffer, 4 * slot)
            end = min(end, get_int(buffer, 4 + 4 * slot))
        if decode_column(buffer, p, end, rows, column, values) < 0:
            return -1
        for row in range(low, high):
            out[at] = column[row]
            at += 1
    for i in range(tail_n):
        out[at] = tail_v[tail_at + i]
        at += 1
    return at


@kernel()
def _merge(t_out: Any, t_at: Any, v_out: Any, v_at: Any, n: Any) -> Any:
    """Sort the samples of one series by time, the first of equal times stays; how many do."""
    sorted_already = True
    for i in range(1, n):
        if t_out[t_at + i] <= t_out[t_at + i - 1]:
            sorted_already = False
            break
    if sorted_already:
        return n
    order = np.argsort(t_out[t_at : t_at + n], kind="mergesort")
    times, bits = t_out[t_at : t_at + n].copy(), v_out[v_at : v_at + n].copy()
    kept = 0
    for i in order:
        if kept == 0 or times[i] != t_out[t_at + kept - 1]:
            t_out[t_at + kept] = times[i]
            v_out[v_at + kept] = bits[i]
            kept += 1
    return kept


@kernel(
    "UniTuple(i8, 3)(i8, i8, u8[::1], i8[:, ::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8, i8, i8[::1], i8[::1], i8[::1])"
)
def decode_series(
    first: Any,
    last: Any,
    datas: Any,
    pieces: Any,
    pieces_at: Any,
    loose: Any,
    times_at: Any,
    tail_counts: Any,
    tail_at: Any,
    tail_v: Any,
    places_at: Any,
    sources: Any,
    slots: Any,
    t_out: Any,
    v_out: Any,
    n: Any,
    t_end: Any,
    offsets: Any,
    series_times: Any,
    bits_at: Any,
) -> Any:
    """Values of series first..last, holes removed; where values and times end then, how many
    of them are histograms; or -1.

    Series i has the places from `places_at[i]` to `places_at[i+1]`; place p is slot
    `slots[p]` of source `sources[p]`. Values go to `v_out` from `n` on, times behind `t_end`
    where a series has holes or several places. `bits_at` is scratch, large enough for the
    rows of any source.
    """
    column = np.empty(MAX_ROWS, np.int64)
    values = column.view(np.float64)
    histograms = np.int64(0)
    for i in range(first, last):
        offsets[i] = n
        several = places_at[i + 1] - places_at[i] > 1
        if places_at[i + 1] - places_at[i] == 1:
            several = loose[sources[places_at[i]]] == LATE
        begin_t = t_end
        at = n
        for p in range(places_at[i], places_at[i + 1]):
            s = sources[p]
            from_t = times_at[s]
            end = _place_values(
                datas, pieces, pieces_at[s], pieces_at[s + 1], loose[s], slots[p], tail_v,
                tail_at[p], tail_counts[s], v_out, at, column, values,
            )  # fmt: skip
            if end < 0:
                return np.int64(-1), np.int64(-1), np.int64(-1)
            if not several:
                series_times[i] = from_t
            kept = at
            holes = False
            for k in range(at, end):
                x = v_out[k]
                if x == HOLE:
                    holes = True
                    continue
                if several:
                    t_out[t_end + kept - n] = t_out[from_t + k - at]
                v_out[kept] = x
                histograms += x >> 48 == HISTOGRAM
                kept += 1
            if holes and not several:
                # Once more over the source, for the times: the values are packed already.
                end = _place_values(
                    datas, pieces, pieces_at[s], pieces_at[s + 1], loose[s], slots[p], tail_v,
                    tail_at[p], tail_counts[s], bits_at, 0, column, values,
                )  # fmt: skip
                series_times[i] = t_end
                for k in range(end):
                    if bits_at[k] != HOLE:
                        t_out[t_end] = t_out[from_t + k]
                        t_end += 1
            at = kept
        if several:
            at = n + _merge(t_out, begin_t, v_out, n, at - n)
            series_times[i] = begin_t
            t_end = begin_t + at - n
        n = np.int64(at)
    return n, t_end, histograms


@kernel("void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], i8[::1])")
def put_starts(
    rows: Any,
    offsets: Any,
    times_at: Any,
    t_ms: Any,
    start_offsets: Any,
    start_times_at: Any,
    start_t: Any,
    starts: Any,
    out: Any,
) -> None:
    """Start times to the samples they belong to, `out` has one for each sample of a batch.

    Series i of the start times belongs to series `rows[i]` of the batch (-1: to none).
    """
    for i in range(len(rows)):
        if rows[i] < 0:
            continue
        k, end = offsets[rows[i]], offsets[rows[i] + 1]
        shift = times_at[rows[i]] - k
        for j in range(start_offsets[i], start_offsets[i + 1]):
            t = start_t[start_times_at[i] + j - start_offsets[i]]
            while k < end and t_ms[k + shift] < t:
                k += 1
            if k < end and t_ms[k + shift] == t:
                out[k] = np.int64(starts[j])
