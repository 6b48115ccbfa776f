"""Kernels that read some items of some pages: headers, and deltas that nobody wants skipped.

A page begins with the lengths of two runs of levels; whoever wants items knows from elsewhere
which row they belong to. Unusual pages, and damaged ones, are refused: the general reader
(`parquet_read.py`) makes something of the former and says what is wrong with the latter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.blocks.parquet_kernels import unpack_miniblock
from promlab.tsdb.blocks.tile_kernels import place
from promlab.tsdb.chunk_kernels import get_int
from promlab.tsdb.codec_kernels import bytes_at, get_varint, longs_at, unzigzag

# A page: block, offset of its header, of its frame, the frame's size, the content's, items,
# and whether they are doubles.
PAGE_LONGS = 7
LEAST_SIZE = 8  # of a content: two lengths of levels
_PLAIN, _DELTA = 0, 5
_MOST_ITEMS = 1 << 24
_FRAME = 0xFD2FB528
_MOST_MINI = 1 << 10


@kernel()
def _fields(file: Any, p: Any, end: Any, n: Any, out: Any) -> Any:
    """The first n fields of a struct, 32-bit integers numbered from 1; position behind, or -1."""
    for i in range(n):
        if p >= end or file[p] != 0x15:
            return np.int64(-1)
        u, p = get_varint(file, p + 1, end)
        if p < 0:
            return np.int64(-1)
        out[i] = unzigzag(u)
    return p


@kernel()
def _frame_size(file: Any, p: Any) -> Any:
    """What a zstd frame says its content's size is, -1 if it does not; 18 bytes are there."""
    if get_int(file, p) != _FRAME:
        return np.int64(-1)
    kind = np.int64(file[p + 4])
    single, flag = kind >> 5 & 1, kind >> 6
    if kind & 3 or (flag == 0 and not single):
        return np.int64(-1)
    p += 5 if single else 6
    if flag == 0:
        return np.int64(file[p])
    if flag == 1:
        return np.int64(file[p]) + 256 * np.int64(file[p + 1]) + 256
    return get_int(file, p) if flag == 2 else np.int64(-1)


@kernel()
def read_header(file: Any, at: Any, most: Any, page: Any) -> Any:
    """A page of lists with up to `most` items; False if its header is not as we write it."""
    end = np.int64(len(file))
    if not 0 < at < end - 64:  # a footer is longer than that
        return False
    head = np.zeros(7, np.int64)
    p = _fields(file, at, end, 3, head)
    if p < 0 or p >= end or file[p] != 0x2C:
        return False
    p = _fields(file, p + 1, end, 4, head[3:])
    if p < 0 or p + 2 > end or file[p] != 0 or file[p + 1] != 0 or head[0] != 0:
        return False
    p += 2
    size, stored, items = head[1], head[2], head[3]
    if size < LEAST_SIZE or not 18 <= stored <= end - p or not 0 <= items <= most:
        return False
    if items > _MOST_ITEMS or _frame_size(file, p) != size:
        return False
    if head[4] != _PLAIN and head[4] != _DELTA:
        return False
    page[1], page[2], page[3], page[4], page[5] = at, p, stored, size, items
    page[6] = np.int64(head[4] == _PLAIN)
    return True


@kernel()
def _skip_miniblock(buffer: Any, p: Any, n: Any, width: Any, base: Any, last: Any) -> Any:
    """The value behind a whole miniblock of n deltas, n a multiple of 32, width up to 8."""
    total = np.uint64(0)
    size = n * width // 8
    address = np.uint64(buffer.ctypes.data)
    for at in range(p, p + size, 8):
        x = np.uint64(longs_at(address + np.uint64(at), 1)[0])
        if at + 8 > p + size:
            x &= np.uint64(0xFFFFFFFF)  # half a word: widths of 1 bit
        if width == 1:
            x = (x & np.uint64(0x5555555555555555)) + (
                (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
            )
        if width <= 2:
            x = (x & np.uint64(0x3333333333333333)) + (
                (x >> np.uint64(2)) & np.uint64(0x3333333333333333)
            )
        if width <= 4:
            x = (x & np.uint64(0x0F0F0F0F0F0F0F0F)) + (
                (x >> np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
            )
        x = (x & np.uint64(0x00FF00FF00FF00FF)) + (
            (x >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
        )
        total += (x * np.uint64(0x0001000100010001)) >> np.uint64(48)
    return last + n * base + np.int64(total)


@kernel()
def _deltas(buffer: Any, p: Any, most: Any, pieces: Any, order: Any, out: Any) -> Any:
    """Items of pieces[order], whose first items ascend, to their places; False if damaged."""
    end = np.int64(len(buffer))
    head = np.zeros(4, np.uint64)
    for i in range(4):
        u, p = get_varint(buffer, p, end)
        if p < 0:
            return False
        head[i] = u
    if head[0] > np.uint64(1 << 20) or not np.uint64(1) <= head[1] <= np.uint64(512):
        return False
    minis = np.int64(head[1])
    mini = np.int64(head[0]) // minis
    if mini < 1 or mini % 32 or mini > _MOST_MINI:
        return False
    total = np.int64(min(head[2], np.uint64(most)))
    some = np.empty(mini, np.int64)
    last = unzigzag(head[3])
    j, at = np.int64(0), np.int64(1)
    low, high, to = _wanted(pieces[order[0]])
    if low == 0:
        if total < 1:
            return False
        out[to] = last
    while True:
        while high <= at:  # the piece is complete
            j += 1
            if j == len(order):
                return True
            before = high
            low, high, to = _wanted(pieces[order[j]])
            if low < before:
                return False
        u, p = get_varint(buffer, p, end)
        if at >= total or p < 0 or p + minis > end:
            return False
        base, widths = unzigzag(u), p
        p += minis
        for m in range(minis):
            if at >= total or j == len(order):
                break
            width = np.int64(buffer[widths + m])
            size = mini * width // 8
            if width > 64 or p + size > end:
                return False
            count = min(mini, total - at)
            aligned = width in (1, 2, 4, 8) and p + size + 8 <= end
            if low >= at + mini and count == mini and width == 0:
                last += mini * base
            elif low >= at + mini and count == mini and aligned:
                last = _skip_miniblock(buffer, p, mini, width, base, last)
            else:
                last = unpack_miniblock(buffer, p, count, width, base, last, some, np.int64(0))
                while j < len(order):
                    for i in range(max(low, at), min(high, at + count)):
                        out[to + i - low] = some[i - at]
                    if high > at + count:
                        break
                    j += 1
                    if j < len(order):
                        before = high
                        low, high, to = _wanted(pieces[order[j]])
                        if low < before:
                            return False
            at += count
            p += size
        if j == len(order):
            return True


@kernel()
def _wanted(piece: Any) -> Any:
    """The first item of a piece, the one behind its last, and where they go."""
    return piece[1], piece[1] + piece[2], piece[8]


@kernel()
def _doubles(buffer: Any, p: Any, most: Any, pieces: Any, order: Any, out: Any) -> Any:
    """The same of a page of doubles."""
    n = (len(buffer) - p) // 8
    items = longs_at(np.uint64(buffer.ctypes.data) + np.uint64(p), n)
    for i in order:
        low, high, to = _wanted(pieces[i])
        if low < 0 or high > min(n, most):
            return False
        out[to : to + high - low] = items[low:high]
    return True


@kernel("b1(i8[:, ::1], i8[:, ::1], u8[::1], i8[::1], i8[::1])")
def fill_few(pieces: Any, pages: Any, contents: Any, bits: Any, t_ms: Any) -> Any:
    """Values and times of pieces (see few_place_kernels) to their places; False if damaged.

    Page j's content is at contents[j], and has its size.
    """
    keys = np.empty(len(pieces), np.int64)
    for p in range(len(pieces)):
        if pieces[p, 1] < 0:
            return False
        keys[p] = (pieces[p, 4] << 32) + pieces[p, 1]
    order = np.argsort(keys)
    low = np.int64(0)
    while low < len(order):
        high, page = low, pages[pieces[order[low], 4]]
        while high < len(order) and pieces[order[high], 4] == pieces[order[low], 4]:
            high += 1
        buffer = bytes_at(contents[pieces[order[low], 4]], page[4])
        start = np.int64(0)
        for _ in range(2):
            if start + 4 > page[4]:
                return False
            start += 4 + get_int(buffer, start)
        if start > page[4]:
            return False
        if page[6]:
            sound = _doubles(buffer, start, page[5], pieces, order[low:high], bits)
        else:
            sound = _deltas(buffer, start, page[5], pieces, order[low:high], bits)
        if not sound:
            return False
        low = high
    for p in range(len(pieces)):
        n, to = pieces[p, 2], pieces[p, 8]
        if pieces[p, 3] >= 0:
            place(bits, to, n, pieces[p, 3], bits, to)
        if pieces[p, 9] >= 0:
            t_ms[pieces[p, 9] : pieces[p, 9] + n] = longs_at(np.uint64(pieces[p, 5]), n)
    return True
