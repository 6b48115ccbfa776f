"""Kernels that cut samples into rows of a block, and put rows back together.

A row holds up to ROW_SAMPLES neighbouring samples of a series: as integers and a power of ten
where all of them are exact decimals, as doubles where not. Values travel as their 64 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import POWERS, scaled

ROW_SAMPLES = 480
FLOATS = -1  # the scale of a row of doubles
SHIFTED = 100  # a scale from here on: integers times 2^(scale - SHIFTED)
_LEAST_SHIFT = 3  # fewer zero bits at the end are not worth it
_STALE = 0x7FF0000000000002
_SPLITS = 4  # most staleness markers of a row that get rows of their own
_MIX = 0x9E3779B97F4A7C15


@kernel("i8(i8[::1], i8[::1], i8[::1], i8[::1], i8, i8[:, ::1])")
def cut_rows(offsets: Any, times_at: Any, t_ms: Any, bits: Any, segment: Any, rows: Any) -> Any:
    """Cut series into rows that end with their segment of time, or when they are full.

    A row is (series, first value, samples, first time). Returns their number; when that is
    more than `rows` holds, the rest is not written.
    """
    n = 0
    for s in range(len(offsets) - 1):
        i, end = offsets[s], offsets[s + 1]
        shift = times_at[s] - i
        while i < end:
            t = t_ms[i + shift]
            limit = (t // segment + 1) * segment
            stop = min(end, i + ROW_SAMPLES)
            if t_ms[stop - 1 + shift] >= limit:
                stop = i + np.searchsorted(t_ms[i + shift : stop + shift], limit)
            stale = 0
            for j in range(i, stop):
                if bits[j] == _STALE:
                    stale += 1
            while i < stop:
                to = stop
                if 0 < stale <= _SPLITS and stop - i > 1:
                    to = i + 1
                    if bits[i] != _STALE:
                        while to < stop and bits[to] != _STALE:
                            to += 1
                if n < len(rows):
                    row = rows[n]
                    row[0], row[1], row[2], row[3] = s, i, to - i, i + shift
                n += 1
                i = to
    return n


@kernel("UniTuple(i8, 2)(i8[:, ::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def scale_rows(rows: Any, bits: Any, scales: Any, decimals: Any, floats: Any) -> Any:
    """Values of all rows: decimals as integers, others as bits; how many of each.

    `scales` gets each row's power of ten, or SHIFTED and the power of two that whole numbers
    were divided by, FLOATS for a row of doubles.
    """
    n, m = 0, 0
    values = bits.view(np.float64)
    for r in range(len(rows)):
        at, count = rows[r, 1], rows[r, 2]
        exponent = scaled(bits[at : at + count], values[at : at + count], count, decimals[n:])
        scales[r] = exponent
        if exponent >= 0:
            if exponent == 0:
                used = np.int64(0)
                for i in range(n, n + count):
                    used |= decimals[i]
                shift = np.int64(0)
                while used != 0 and used & 1 == 0:
                    used >>= 1
                    shift += 1
                if shift >= _LEAST_SHIFT:
                    scales[r] = SHIFTED + shift
                    for i in range(n, n + count):
                        decimals[i] >>= shift
            n += count
        else:
            scales[r] = FLOATS
            for i in range(count):
                floats[m + i] = bits[at + i]
            m += count
    return n, m


@kernel("void(i8[::1], i8[::1], i8[::1])")
def activities(counts: Any, items: Any, out: Any) -> Any:
    """Bits of the mean difference between neighbouring integers of each row, 0 if all are equal."""
    at = 0
    for r in range(len(counts)):
        total = 0.0
        for i in range(at + 1, at + counts[r]):
            total += abs(np.float64(items[i]) - np.float64(items[i - 1]))
        at += counts[r]
        out[r] = 0
        if total > 0:
            out[r] = 64 + np.int64(np.floor(np.log2(total / counts[r])))


@kernel("void(i8[::1], i8[::1], i8[::1], u8, u8[::1])")
def hash_lists(values: Any, starts: Any, counts: Any, key: Any, hashes: Any) -> Any:
    """A 64-bit hash of each list of integers; nobody who does not know the key can aim at one."""
    for r in range(len(starts)):
        h = key ^ np.uint64(counts[r])
        for i in range(starts[r], starts[r] + counts[r]):
            h = (h ^ np.uint64(values[i])) * np.uint64(_MIX) + key
            h ^= h >> np.uint64(29)
        hashes[r] = h


@kernel("void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def place_rows(
    items: Any, from_at: Any, counts: Any, scales: Any, which: Any, to_at: Any, out: Any
) -> Any:
    """Values of rows from a page's items to their places in `out`.

    Row `which[j]` has `counts` items of the page from `from_at` on, and its first value
    belongs at `to_at`.
    """
    values = out.view(np.float64)
    for r in which:
        at, to = from_at[r], to_at[r]
        if scales[r] < 0:
            for i in range(counts[r]):
                out[to + i] = items[at + i]
        elif scales[r] >= SHIFTED:
            power = 2.0 ** (scales[r] - SHIFTED)
            for i in range(counts[r]):
                values[to + i] = np.float64(items[at + i]) * power
        elif scales[r] == 0:
            for i in range(counts[r]):
                values[to + i] = np.float64(items[at + i])
        elif scales[r] < len(POWERS):
            power = POWERS[scales[r]]
            for i in range(counts[r]):
                values[to + i] = np.float64(items[at + i]) / power


@kernel("void(i8[::1], i8[::1], i8, i8, i8[::1], i8[::1])")
def trim_lists(t_ms: Any, ends: Any, start: Any, end: Any, low: Any, high: Any) -> Any:
    """Of each list t_ms[ends[i] : ends[i + 1]], the part with start <= t <= end."""
    for i in range(len(ends) - 1):
        a, b = ends[i], ends[i + 1]
        low[i] = 0
        high[i] = b - a
        if a < b and t_ms[a] < start:
            low[i] = np.searchsorted(t_ms[a:b], start)
        if a < b and t_ms[b - 1] > end:
            high[i] = np.searchsorted(t_ms[a:b], end, side="right")


@kernel("void(i8[::1], i8[::1], i8[::1], u8[::1])")
def hash_sequences(pieces_at: Any, t_at: Any, counts: Any, hashes: Any) -> Any:
    """A hash of each series' sequence of (where times begin, how many)."""
    for s in range(len(pieces_at) - 1):
        h = np.uint64(1469598103934665603)
        for p in range(pieces_at[s], pieces_at[s + 1]):
            h = (h ^ np.uint64(t_at[p])) * np.uint64(_MIX)
            h ^= h >> np.uint64(31)
            h = (h ^ np.uint64(counts[p])) * np.uint64(0xBF58476D1CE4E5B9)
            h ^= h >> np.uint64(29)
        hashes[s] = h


@kernel("i8(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def join_times(
    which: Any, pieces_at: Any, t_at: Any, counts: Any, source: Any, begins: Any, out: Any
) -> Any:
    """Times of some series, each the join of its pieces; where each begins; their number."""
    n = np.int64(0)
    for j in range(len(which)):
        begins[j] = n
        for p in range(pieces_at[which[j]], pieces_at[which[j] + 1]):
            for i in range(t_at[p], t_at[p] + counts[p]):
                out[n] = source[i]
                n += 1
    return n


@kernel("void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def copy_pieces(source: Any, from_at: Any, counts: Any, to_at: Any, out: Any) -> Any:
    """Runs of integers from one array to places in another."""
    for p in range(len(from_at)):
        for i in range(counts[p]):
            out[to_at[p] + i] = source[from_at[p] + i]


@kernel(
    "UniTuple(i8, 2)(i8[::1], i8[::1], i8[::1], u1[::1], i8, i8[::1], i8[::1], i8[::1], i8[::1])"
)
def merge_overlaps(
    offsets: Any,
    times_at: Any,
    t_ms: Any,
    flagged: Any,
    t_end: Any,
    take: Any,
    new_offsets: Any,
    new_times_at: Any,
    t_out: Any,
) -> Any:
    """Sort flagged series by time, of equal times the first stays; (samples, times).

    `take` gets the old position of each sample that stays. `t_out` begins as `t_ms` up to
    `t_end`, and has room for all samples of flagged series behind.
    """
    n = np.int64(0)
    for s in range(len(offsets) - 1):
        low, high = offsets[s], offsets[s + 1]
        new_offsets[s] = n
        new_times_at[s] = times_at[s]
        if not flagged[s]:
            for i in range(low, high):
                take[n] = i
                n += 1
            continue
        at = times_at[s]
        order = np.argsort(t_ms[at : at + high - low], kind="mergesort")
        new_times_at[s] = t_end
        begin = t_end
        for i in order:
            t = t_ms[at + i]
            if t_end == begin or t != t_out[t_end - 1]:
                t_out[t_end] = t
                t_end += 1
                take[n] = low + i
                n += 1
    new_offsets[len(offsets) - 1] = n
    return n, t_end
