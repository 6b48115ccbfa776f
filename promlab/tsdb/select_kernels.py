"""Kernels of the reader's last step: values of located series, in columns.

`copy_tails` has taken what the head holds, first; `find_pieces` has listed the chunks that
overlap, limited to what is older than what the head held, so that a chunk sealed in between
is neither missed nor met twice; `source_times` has decoded their times. What is left to be
done here is done for any part of the series, in any room.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.chunk_kernels import get_int
from promlab.tsdb.codec_kernels import HISTOGRAM, HOLE, MAX_ROWS, bytes_at, decode_column
from promlab.tsdb.tail_kernels import LATE

SPECIAL = 0x7FF0000000000000  # all bits of the exponent: NaN, infinities, holes, references


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
        if low == 0 and high == rows:
            if decode_column(buffer, p, end, rows, out[at : at + rows]) < 0:
                return -1
            at += rows
            continue
        if decode_column(buffer, p, end, rows, column) < 0:
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
    "UniTuple(i8, 4)(i8, i8, u8[::1], i8[:, ::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8, i8, i8[::1], i8[::1], i8[::1],"
    " i8[::1])"
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
    rooms: Any,
) -> Any:
    """Values of series first..last, holes removed; where values and times end then, how many
    of them are histograms, and whether some may be no numbers at all; or -1.

    Series i has the places from `places_at[i]` to `places_at[i+1]`; place p is slot
    `slots[p]` of source `sources[p]`. Values go to `v_out` from `n` on, times behind `t_end`
    where a series has holes or several places. `bits_at` is scratch, large enough for the
    rows of any source. In front of the values of series i `rooms[i]` are left free for older
    ones, which `offsets` counts in.
    """
    column = np.empty(MAX_ROWS, np.int64)
    histograms = np.int64(0)
    specials = np.int64(0)
    for i in range(first, last):
        offsets[i] = n
        n += rooms[i]
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
                tail_at[p], tail_counts[s], v_out, at, column,
            )  # fmt: skip
            if end < 0:
                return np.int64(-1), np.int64(-1), np.int64(-1), np.int64(-1)
            if not several:
                series_times[i] = from_t
            special = np.int64(0)
            for k in range(at, end):
                special += (v_out[k] & SPECIAL) == SPECIAL
            specials += special
            if special == 0 and not several:
                at = end
                continue
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
                    tail_at[p], tail_counts[s], bits_at, 0, column,
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
    return n, t_end, histograms, specials


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
