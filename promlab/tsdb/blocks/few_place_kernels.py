"""The kernel that finds the rows of few series in the tables that blocks keep of themselves.

What is not plain numbers, or not where it should be, is left to the way of many series
(`merge.Gathering`), which also finds out what is damaged: a kernel says OTHERWISE.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.blocks.block_kernels import FLOATS, SHIFTED
from promlab.tsdb.blocks.few_select_kernels import NUMBERS
from promlab.tsdb.blocks.page_kernels import read_header
from promlab.tsdb.codec_kernels import POWERS, bytes_at, longs_at

OK, OTHERWISE, TOO_MANY, ROWS_MISSING, PLACES_MISSING, TIMES_MISSING = range(6)
# A row group of samples: rows, smallest and largest series, times from and to, address of the
# rows' table (0: not loaded), whether nothing in it has a start time, and for each of the two
# columns of items the address and number of its pages' offsets, and how many values it has.
GROUP_LONGS = 13
# A row group of times: number of its first list, lists, address of their places (0: not
# loaded), pages, addresses of where each page's times are (0: not loaded), and of how many.
TIMES_LONGS = 6
# The rows' table has these columns, one behind the other; ORDER sorts the rows by series.
SERIES, TIMES, COUNT, MIN_TIME, MAX_TIME, SCALE, COLUMN, PAGE, FROM_AT, ORDER = range(10)
# A piece: series of the result, first item within its page, samples, scale, page (of those
# found), address of its times, the first of them, the last, where its values go, and where
# its times do (-1: a neighbour's are the same).
PIECE_LONGS = 10


@kernel()
def _find_times(lists: Any, low: Any, high: Any, number: Any, count: Any, facts: Any) -> Any:
    """The address of a list of times with so many; 0 if facts[0] tells what is missing."""
    facts[0] = OTHERWISE
    for g in range(low, high):
        row = number - lists[g, 0]
        if not 0 <= row < lists[g, 1]:
            continue
        facts[2] = g - low
        if lists[g, 2] == 0:
            facts[0] = PLACES_MISSING
            return np.int64(0)
        n = lists[g, 1]
        places = longs_at(np.uint64(lists[g, 2]), 3 * n)
        page, at = places[n + row], places[2 * n + row]
        if not 0 <= page < lists[g, 3] or places[row] != count or at < 0:
            return np.int64(0)
        address = longs_at(np.uint64(lists[g, 4] + 8 * page), 1)[0]
        if address == 0:
            facts[0], facts[3] = TIMES_MISSING, page
            return np.int64(0)
        size = longs_at(np.uint64(lists[g, 5] + 8 * page), 1)[0]
        return address + 8 * at if at + count <= size else np.int64(0)
    return np.int64(0)


@kernel()
def _find_page(
    group: Any, column: Any, page: Any, file_at: Any, file_size: Any, block: Any, pages: Any, n: Any
) -> Any:
    """The number of a page among those found, added if it is new; -1 if it is unusual."""
    offsets = group[7 + 3 * column : 10 + 3 * column]
    if not 0 <= page < offsets[1]:
        return np.int64(-1)
    at = longs_at(np.uint64(offsets[0] + 8 * page), 1)[0]
    for i in range(n - 1, -1, -1):
        if pages[i, 1] == at and pages[i, 0] == block:
            return np.int64(i)
    if n == len(pages):
        return np.int64(-1)
    file = bytes_at(np.uint64(file_at), file_size)
    if not read_header(file, at, offsets[2], pages[n]):
        return np.int64(-1)
    pages[n, 0] = block
    return n


@kernel()
def _piece(table: Any, rows: Any, r: Any, times_at: Any, start: Any, end: Any, piece: Any) -> Any:
    """What a row has in a range, but for series and page; False if it is not numbers."""
    count, scale = table[COUNT * rows + r], table[SCALE * rows + r]
    t_ms = longs_at(np.uint64(times_at), count)
    low, high = np.int64(0), count
    if t_ms[0] < start:
        low = np.int64(np.searchsorted(t_ms, start))
    if t_ms[count - 1] > end:
        high = np.int64(np.searchsorted(t_ms, end, side="right"))
    piece[1], piece[2], piece[3] = table[FROM_AT * rows + r] + low, high - low, scale
    if high > low:
        piece[5], piece[6], piece[7] = times_at + 8 * low, t_ms[low], t_ms[high - 1]
    return scale == FLOATS or scale >= SHIFTED or 0 <= scale < len(POWERS)


@kernel(
    "UniTuple(i8, 3)(i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], i8, i8, i8,"
    " i8[:, ::1], i8[:, ::1], i8[::1])"
)
def locate_few(
    hits: Any,
    blocks: Any,
    tables: Any,
    groups: Any,
    lists: Any,
    start: Any,
    end: Any,
    most: Any,
    pieces: Any,
    pages: Any,
    facts: Any,
) -> Any:
    """Rows of some series in [start, end], and the pages that they are in.

    `hits` are block, number and series of the result; `tables` of each block its first and
    last row group of samples, those of times, and address and size of the file with the
    samples. Returns OK or another state, the numbers of pieces and of pages. What is missing
    is in `facts`: block, row group, page.
    """
    n = used = samples = np.int64(0)
    none = np.int64(0)
    for h in range(len(hits)):
        b = hits[h, 0]
        number = longs_at(np.uint64(blocks[b, NUMBERS] + 8 * hits[h, 1]), 1)[0]
        for g in range(tables[b, 0], tables[b, 1]):
            group = groups[g]
            inside = group[1] <= number <= group[2] and group[3] <= end and group[4] >= start
            if not inside:
                continue
            facts[1], facts[2] = b, g - tables[b, 0]
            if group[5] == 0:
                return np.int64(ROWS_MISSING), none, none
            rows = group[0]
            table = longs_at(np.uint64(group[5]), (ORDER + 1) * rows)
            low, high = ORDER * rows, (ORDER + 1) * rows
            while low < high:
                middle = (low + high) // 2
                if table[table[middle]] < number:
                    low = middle + 1
                else:
                    high = middle
            for i in range(low, (ORDER + 1) * rows):
                r = table[i]
                if table[r] != number:
                    break
                if table[MIN_TIME * rows + r] > end or table[MAX_TIME * rows + r] < start:
                    continue
                times_at = _find_times(
                    lists, tables[b, 2], tables[b, 3], table[TIMES * rows + r],
                    table[COUNT * rows + r], facts,
                )  # fmt: skip
                if times_at == 0:
                    return facts[0], none, none
                if group[6] == 0 or n == len(pieces):
                    return np.int64(OTHERWISE), none, none
                piece = pieces[n]
                if not _piece(table, rows, r, times_at, start, end, piece):
                    return np.int64(OTHERWISE), none, none
                if piece[2] <= 0:
                    continue
                page = _find_page(
                    group, table[COLUMN * rows + r], table[PAGE * rows + r], tables[b, 4],
                    tables[b, 5], b, pages, used,
                )  # fmt: skip
                if page < 0:
                    return np.int64(OTHERWISE), none, none
                used = max(used, page + 1)
                piece[0], piece[4] = hits[h, 2], page
                samples += piece[2]
                n += 1
                if samples > most:
                    return np.int64(TOO_MANY), none, none
    return np.int64(OK), n, used


@kernel("UniTuple(i8, 3)(i8[:, ::1], i8[:, ::1], i8[::1], i8[::1], i8[::1])")
def order_pieces(pieces: Any, ordered: Any, offsets: Any, times_at: Any, rows: Any) -> Any:
    """Pieces by series and time, and where each one's values go.

    Writes offsets, where times begin and which series it is, for each series that has pieces.
    Neighbours with the same times share them. Returns the numbers of series, times and values.
    The number of series is -1 where two pieces of a series overlap.
    """
    at = np.zeros(len(rows) + 1, np.int64)
    for p in range(len(pieces)):
        at[pieces[p, 0] + 1] += 1
    for s in range(len(rows)):
        at[s + 1] += at[s]
    begins = at.copy()
    for p in range(len(pieces)):
        s = pieces[p, 0]
        i = at[s]
        at[s] += 1
        while i > begins[s] and ordered[i - 1, 6] > pieces[p, 6]:
            ordered[i] = ordered[i - 1]
            i -= 1
        ordered[i] = pieces[p]
    n = times = values = before = np.int64(0)
    offsets[0] = 0
    for s in range(len(rows)):
        low, high = begins[s], begins[s + 1]
        if low == high:
            continue
        for p in range(low, high):
            if p > low and ordered[p, 6] <= ordered[p - 1, 7]:
                return np.int64(-1), np.int64(0), np.int64(0)
            ordered[p, 8] = values
            values += ordered[p, 2]
        same = n > 0 and high - low == low - before
        for p in range(low, high):
            if same:
                other = p - (high - low)
                same = ordered[p, 5] == ordered[other, 5] and ordered[p, 2] == ordered[other, 2]
        times_at[n] = times_at[n - 1] if same else times
        for p in range(low, high):
            ordered[p, 9] = -1 if same else times
            times += 0 if same else ordered[p, 2]
        before = low
        rows[n] = s
        n += 1
        offsets[n] = values
    return n, times, values
