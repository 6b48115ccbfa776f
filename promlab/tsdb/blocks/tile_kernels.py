"""Kernels that put tiles together: pages to values, and lists of times that neighbours share."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.blocks.block_kernels import SHIFTED
from promlab.tsdb.blocks.parquet_kernels import unpack_page
from promlab.tsdb.codec_kernels import POWERS, longs_at


@kernel()
def place(items: Any, at: Any, n: Any, scale: Any, out: Any, to: Any) -> None:
    """One row's values: integers and their scale, or doubles."""
    if scale < 0:
        for i in range(n):
            out[to + i] = items[at + i]
    elif scale == 0:
        for i in range(n):
            out[to + i] = np.float64(items[at + i]).view(np.int64)
    elif scale >= SHIFTED:
        power = 2.0 ** (scale - SHIFTED)
        for i in range(n):
            out[to + i] = np.float64(np.float64(items[at + i]) * power).view(np.int64)
    else:
        power = POWERS[scale]
        for i in range(n):
            out[to + i] = np.float64(np.float64(items[at + i]) / power).view(np.int64)


@kernel()
def _wanted(first: Any, last: Any, order: Any, from_at: Any, counts: Any) -> Any:
    """How many items of a page its pieces order[first:last] reach to."""
    wanted = np.int64(0)
    for k in range(first, last):
        wanted = max(wanted, from_at[order[k]] + counts[order[k]])
    return wanted


@kernel()
def _place_pieces(
    items: Any,
    first: Any,
    last: Any,
    order: Any,
    from_at: Any,
    counts: Any,
    scales: Any,
    to_at: Any,
    out: Any,
) -> None:
    """Values of the pieces order[first:last] of one page."""
    for k in range(first, last):
        i = order[k]
        place(items, from_at[i], counts[i], scales[i], out, to_at[i])


@kernel("i8(u8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def place_pages(
    addresses: Any,
    sizes: Any,
    begins: Any,
    order: Any,
    from_at: Any,
    counts: Any,
    scales: Any,
    to_at: Any,
    out: Any,
) -> Any:
    """Values of pieces from unpacked pages to their places; the first page too short, or -1.

    Page j has `sizes[j]` items at `addresses[j]`, and the pieces order[begins[j] :
    begins[j + 1]]: of piece i, `counts[i]` items from `from_at[i]` on, for `to_at[i]` of `out`.
    """
    for j in range(len(addresses)):
        first, last = begins[j], begins[j + 1]
        if _wanted(first, last, order, from_at, counts) > sizes[j]:
            return np.int64(j)
        items = longs_at(addresses[j], sizes[j])
        _place_pieces(items, first, last, order, from_at, counts, scales, to_at, out)
    return np.int64(-1)


@kernel(
    "i8(u8[::1], i8[::1], b1[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8[::1], i8[::1])"
)
def place_packed(
    addresses: Any,
    sizes: Any,
    plain: Any,
    most: Any,
    items: Any,
    begins: Any,
    order: Any,
    from_at: Any,
    counts: Any,
    scales: Any,
    to_at: Any,
    out: Any,
) -> Any:
    """The same of decompressed pages; the first that is damaged or too short, or -1.

    Page by page goes through `items`, which the processor has at hand, and no further than to
    the last one that is wanted.
    """
    for j in range(len(addresses)):
        first, last = begins[j], begins[j + 1]
        wanted = _wanted(first, last, order, from_at, counts)
        if wanted > len(items):
            return np.int64(j)
        if unpack_page(addresses[j], sizes[j], plain[j], most[j], items[:wanted]) < wanted:
            return np.int64(j)
        _place_pieces(items, first, last, order, from_at, counts, scales, to_at, out)
    return np.int64(-1)


@kernel("i8(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def join_neighbours(
    pieces_at: Any,
    t_at: Any,
    counts: Any,
    source: Any,
    offsets: Any,
    head_at: Any,
    head_t: Any,
    times_at: Any,
    out: Any,
) -> Any:
    """Times of each series: of its pieces, then the head's; neighbours with the same share them.

    Series s has the pieces pieces_at[s] to pieces_at[s + 1]; what its values, as `offsets` tell
    their number, are more than these have are the head's, whose times begin at `head_at[s]`.
    Writes `times_at`. Returns the number of times written to `out`, or -1 if the times of a
    series do not ascend where two lists meet.
    """
    n = before = np.int64(0)
    for s in range(len(times_at)):
        a, b = pieces_at[s], pieces_at[s + 1]
        held = offsets[s + 1] - offsets[s]
        for p in range(a, b):
            held -= counts[p]
        same = s > 0 and pieces_at[s] - pieces_at[s - 1] == b - a and held == before
        if same:
            same = held == 0 or head_at[s] == head_at[s - 1]
            other = pieces_at[s - 1]
            for k in range(b - a):
                same = same and t_at[a + k] == t_at[other + k]
                same = same and counts[a + k] == counts[other + k]
        before = held
        if same:
            times_at[s] = times_at[s - 1]
            continue
        times_at[s] = n
        for p in range(a, b):
            if n > times_at[s] and source[t_at[p]] <= out[n - 1]:
                return np.int64(-1)
            for i in range(t_at[p], t_at[p] + counts[p]):
                out[n] = source[i]
                n += 1
        if held > 0 and n > times_at[s] and head_t[head_at[s]] <= out[n - 1]:
            return np.int64(-1)
        for i in range(head_at[s], head_at[s] + held):
            out[n] = head_t[i]
            n += 1
    return n
