"""Kernels that copy what the head holds of some series while its writer goes on.

A *source* is a group or a ring: it has times. A *place* is a slot of a group, or a ring: a
series has one or more places. `kinds` say of each source what it is: GROUP, RING or LATE, a
ring whose chunks, and what it holds, are in no order of time. Files are given by address;
every offset read from them is checked against the mapped size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import HOLE, longs_at
from promlab.tsdb.head_kernels import (
    CAP,
    COUNT,
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
OK, REMAP, BUSY = 0, 1, 2
GROUP, RING, LATE = 0, 1, 3
TRIES = 1_000_000


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
        for i in range(first, high):
            at = base + 2 + i % CAP
            tail_t[at_t + i - first] = loose[at]
            tail_v[at_v + i - first] = loose[at + CAP]
        counts[source] = high - first
    return OK if loose[base + START] == begin else BUSY


@kernel(
    "i8(u8, i8, u8, i8, u8, i8, i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8, i8, i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])"
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
    `tail_v[values_at[p]]` on. Returns OK, or REMAP if a mapped file has grown beyond what is
    mapped, or BUSY.
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
        for _ in range(TRIES):
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
        for _ in range(TRIES):
            state = _copy_ring(
                loose, base, start, end, kinds[source] == LATE, source, firsts, counts,
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
