"""The kernels that read few series in one call, where a query over many makes five.

They are those five (see tail_kernels, piece_kernels, time_kernels, select_kernels), one after the
other, in scratch memory that is there already. What is unusual or too much for that memory is
left to them: a kernel says so, and nothing has been done.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.head_kernels import CAP, NEVER
from promlab.tsdb.newest_kernels import newest_held, newest_of_series, newest_sealed
from promlab.tsdb.packed_kernels import in_head, in_plan, in_view
from promlab.tsdb.piece_kernels import count_rows, find_pieces, lives
from promlab.tsdb.select_kernels import SPECIAL, decode_series
from promlab.tsdb.tail_kernels import NOTHING_HELD, OK, copy_tails
from promlab.tsdb.time_kernels import source_times

FILES = 64
PLACES = 256  # and no more sources, and no more series
PIECES = 1 << 10
ROWS = 1 << 16
OTHERWISE = -1  # it is not for this kernel
# Regions of the scratch memory: what is read, then what it takes on the way there.
_OUT = 3 * PLACES + 1 + 3 * ROWS
_TAILS = PLACES * CAP
_LOCATED = FILES + 4 * PLACES + 2 * _TAILS + (PLACES + 1) + 2 * PIECES
_DECODED = 2 * PLACES + 7 * PIECES + 3 * ROWS + (PLACES + 1) + 2 * PLACES + ROWS
SCRATCH = _OUT + _LOCATED + _DECODED


@kernel("UniTuple(i8, 4)(i8[::1], i8[::1], i8[::1], i8, i8, i8[::1])")
def read_few(head: Any, chunks: Any, plan: Any, start: Any, end: Any, scratch: Any) -> Any:
    """Samples in [start, end] of the series of a plan, those without any left out.

    `head` has where the head's files are, `chunks` a view's arrays and `plan` a plan's (packed).
    Returns the numbers of series, times and values, and of values that may be no plain numbers.
    `scratch` then begins with the columns of a batch, one behind the other: offsets (one more
    than series), where each one's times are, rows of the plan, times, values. The number of
    series is OTHERWISE where somebody else has to read them.
    """
    table_at, table_n, arena_at, arena_n, loose_at, loose_n = in_head(head)
    counts, indexes, datas, sizes, group_chains, ring_chains, chain_sizes, cuts = in_view(chunks)
    (
        places_at, slots, sources, groups, group_places_at, group_places, rings, ring_places,
        owners, kinds,
    ) = in_plan(plan)  # fmt: skip
    otherwise = np.int64(OTHERWISE), np.int64(0), np.int64(0), np.int64(0)
    n, files = len(places_at) - 1, len(indexes)
    if len(slots) > PLACES or len(owners) > PLACES or n > PLACES or files > FILES:
        return otherwise
    at = _OUT
    starts, at = scratch[at : at + files], at + FILES
    firsts, at = scratch[at : at + len(owners)], at + PLACES
    tail_counts, at = scratch[at : at + len(owners)], at + PLACES
    tail_at, at = scratch[at : at + len(owners)], at + PLACES
    tail_t, at = scratch[at : at + _TAILS], at + _TAILS
    values_at, at = scratch[at : at + len(slots)], at + PLACES
    tail_v, at = scratch[at : at + _TAILS], at + _TAILS
    firsts[:] = NOTHING_HELD
    tail_counts[:] = 0
    tail_at[:] = 0
    values_at[:] = 0
    if table_n >= 0:  # else the head's files are lost
        state = copy_tails(
            table_at, table_n, arena_at, arena_n, loose_at, loose_n, groups, group_places_at,
            group_places, slots, rings, ring_places, kinds, start, end, firsts,
            tail_counts, tail_at, tail_t, values_at, tail_v,
        )  # fmt: skip
        if state != OK:
            return otherwise
    pieces_at, at = scratch[at : at + len(owners) + 1], at + PLACES + 1
    file, at = scratch[at : at + PIECES], at + PIECES
    entry, at = scratch[at : at + PIECES], at + PIECES
    for f in range(files):
        starts[f] = max(start, cuts[f])
    pieces = find_pieces(
        indexes, counts, group_chains, ring_chains, chain_sizes, owners, kinds, firsts, starts,
        end, pieces_at, file, entry,
    )  # fmt: skip
    if pieces > PIECES:
        return otherwise
    rows, at = scratch[at : at + len(owners)], at + PLACES
    times_at, at = scratch[at : at + len(owners)], at + PLACES
    found, at = scratch[at : at + 7 * PIECES].reshape((PIECES, 7)), at + 7 * PIECES
    count_rows(indexes, counts, file, entry, pieces_at, tail_counts, rows)
    times, values = np.int64(0), np.int64(0)
    for s in range(len(owners)):
        times += rows[s]
    for p in range(len(slots)):
        values += rows[sources[p]]
    if times > ROWS or values > ROWS:
        return otherwise
    t_out, at = scratch[at : at + 2 * ROWS], at + 2 * ROWS  # some series need times of their own
    v_out, at = scratch[at : at + ROWS], at + ROWS
    used = source_times(
        indexes, counts, datas, sizes, file, entry, pieces_at, kinds, starts, end, firsts, tail_t,
        tail_at, tail_counts, found, t_out, times_at, rows,
    )  # fmt: skip
    if used < 0:
        return otherwise
    offsets, at = scratch[at : at + n + 1], at + PLACES + 1
    series_times, at = scratch[at : at + n], at + PLACES
    series_times[:] = 0
    rooms, at = scratch[at : at + n], at + PLACES
    rooms[:] = 0
    written, t_end, histograms, specials = decode_series(
        0, n, datas, found, pieces_at, kinds, times_at, tail_counts, values_at, tail_v, places_at,
        sources, slots, t_out, v_out, 0, used, offsets, series_times, scratch[at : at + ROWS],
        rooms,
    )  # fmt: skip
    if written < 0 or histograms > 0:
        return otherwise
    offsets[n] = written
    kept = np.int64(0)
    for i in range(n):
        kept += offsets[i + 1] > offsets[i]
    begins, rows_of = kept + 1, 2 * kept + 1
    scratch[0] = 0
    k = np.int64(0)
    for i in range(n):
        if offsets[i + 1] > offsets[i]:
            scratch[begins + k] = series_times[i]
            scratch[rows_of + k] = i
            k += 1
            scratch[k] = offsets[i + 1]
    out = 3 * kept + 1
    for i in range(t_end):
        scratch[out + i] = t_out[i]
    for i in range(written):
        scratch[out + t_end + i] = v_out[i]
    return kept, t_end, written, specials


@kernel("UniTuple(i8, 2)(i8[::1], i8[::1], i8[::1], i8, i8, i8[::1], f8[::1], i8[::1])")
def newest_few(
    head: Any, chunks: Any, plan: Any, start: Any, end: Any, t_out: Any, v_out: Any, scratch: Any
) -> Any:
    """The newest sample in [start, end] of each series of a plan; see newest_kernels.

    Returns the number of series, and of values that may be no plain numbers. Times and values
    go to `t_out` and `v_out`, which have room for all, rows of the plan to `scratch`.
    """
    table_at, table_n, arena_at, arena_n, loose_at, loose_n = in_head(head)
    counts, indexes, datas, sizes, group_chains, ring_chains, chain_sizes, cuts = in_view(chunks)
    (
        places_at, slots, sources, groups, group_places_at, group_places, rings, ring_places,
        owners, kinds,
    ) = in_plan(plan)  # fmt: skip
    otherwise = np.int64(OTHERWISE), np.int64(0)
    n, files = len(places_at) - 1, len(indexes)
    if len(slots) > PLACES or len(owners) > PLACES or n > PLACES or files > FILES:
        return otherwise
    at = _OUT
    starts, at = scratch[at : at + files], at + FILES
    firsts, at = scratch[at : at + len(owners)], at + PLACES
    t_ms, at = scratch[at : at + len(slots)], at + PLACES
    bits, at = scratch[at : at + len(slots)], at + PLACES
    pieces_at, at = scratch[at : at + len(owners) + 1], at + PLACES + 1
    file, at = scratch[at : at + PIECES], at + PIECES
    entry, at = scratch[at : at + PIECES], at + PIECES
    values = v_out.view(np.int64)
    firsts[:] = NOTHING_HELD
    t_ms[:] = NEVER
    if table_n >= 0:  # else the head's files are lost
        state = newest_held(
            table_at, table_n, arena_at, arena_n, loose_at, loose_n, groups, group_places_at,
            group_places, slots, rings, ring_places, kinds, start, end, firsts, t_ms, bits,
        )  # fmt: skip
        if state != OK:
            return otherwise
    for f in range(files):
        starts[f] = max(start, cuts[f])
    pieces = find_pieces(
        indexes, counts, group_chains, ring_chains, chain_sizes, owners, kinds, firsts, starts,
        end, pieces_at, file, entry,
    )  # fmt: skip
    if pieces > PIECES:
        return otherwise
    state = newest_sealed(
        indexes, counts, datas, sizes, file, entry, pieces_at, starts, end, kinds, sources, slots,
        t_ms, bits,
    )  # fmt: skip
    if state != OK:
        return otherwise
    kept, histograms = newest_of_series(places_at, t_ms, bits, scratch, t_out, values)
    if histograms > 0:
        return otherwise
    specials = np.int64(0)
    for i in range(kept):
        specials += (values[i] & SPECIAL) == SPECIAL
    return kept, specials


@kernel("i8(i8[::1], i8[::1], i8[::1], i8[::1], i8, i8)")
def all_live(head: Any, chunks: Any, plan: Any, rows: Any, start: Any, end: Any) -> Any:
    """1 if all of the plan's series `rows` have samples in [start, end].

    0 if not, -1 if a mapped file has grown beyond what is mapped.
    """
    table_at, table_n, arena_at, arena_n, loose_at, loose_n = in_head(head)
    counts, indexes, _, _, group_chains, ring_chains, chain_sizes, _ = in_view(chunks)
    places_at, _, sources, _, _, _, _, _, owners, kinds = in_plan(plan)
    for k in range(len(rows)):
        found = np.int64(0)
        for p in range(places_at[rows[k]], places_at[rows[k] + 1]):
            s = sources[p]
            found = lives(
                kinds[s], owners[s], table_at, table_n, arena_at, arena_n, loose_at, loose_n,
                indexes, counts, group_chains, ring_chains, chain_sizes, start, end,
            )  # fmt: skip
            if found:
                break
        if found != 1:
            return found
    return np.int64(1)
