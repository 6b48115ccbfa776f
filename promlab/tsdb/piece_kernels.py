"""Kernels that look up where the samples of some sources are, without reading any sample.

See tail_kernels for what sources are. Chunks of a source are linked, the newest first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import longs_at
from promlab.tsdb.head_kernels import (
    CAP,
    COUNT,
    ENTRY_LONGS,
    P_EXTENT,
    P_ROWS,
    PUBLISHED_LONGS,
    RING_LONGS,
    START,
)
from promlab.tsdb.tail_kernels import LATE, OK, REMAP, RING


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


@kernel()
def lives(
    kind: Any, owner: Any, table_at: Any, table_n: Any, arena_at: Any, arena_n: Any, loose_at: Any,
    loose_n: Any, indexes: Any, counts: Any, group_chains: Any, ring_chains: Any, chain_sizes: Any,
    start: Any, end: Any,
) -> Any:  # fmt: skip
    """1 if a source has samples in [start, end], 0 if not, -1 if unreadable.

    Lengths of -1 stand for head files that are lost.
    """
    held = np.int64(0)
    if table_n >= 0:
        table, arena = longs_at(table_at, table_n), longs_at(arena_at, max(0, arena_n))
        loose = longs_at(loose_at, max(0, loose_n))
        held = _held_between(kind, table, arena, arena_n, loose, loose_n, owner, start, end)
    if held < 0:
        return held
    for f in range(len(indexes) - 1, -1, -1):
        size = chain_sizes[2 * f + (kind & 1)]
        if held or owner >= size:
            continue
        entry = longs_at(ring_chains[f] if kind else group_chains[f], size)[owner]
        entries = longs_at(indexes[f], counts[f] * ENTRY_LONGS)
        before = counts[f]
        while 0 <= entry < before:
            e = entry * ENTRY_LONGS
            if entries[e + 2] < start and kind != LATE:
                break
            if entries[e + 1] <= end and entries[e + 2] >= start:
                held = np.int64(1)
                break
            before = entry
            entry = entries[e + 5] >> 32
    return held


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
    for k in range(len(rows)):
        out[k] = 0
        for p in range(places_at[rows[k]], places_at[rows[k] + 1]):
            s = sources[p]
            if known[s] < 0:
                found = lives(
                    is_loose[s], owners[s], table_at, table_n, arena_at, arena_n, loose_at,
                    loose_n, indexes, counts, group_chains, ring_chains, chain_sizes, start, end,
                )  # fmt: skip
                if found < 0:
                    return REMAP
                known[s] = found
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
