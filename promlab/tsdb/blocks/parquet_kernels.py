"""Kernels of the Parquet encodings that blocks use: DELTA_BINARY_PACKED and RLE runs.

Encoders write into a buffer that is large enough (the `*_most` functions in
parquet_write.py); decoders never read outside the bytes they are given: damaged input ends
in -1. Buffers to decode have 8 bytes behind their end, so that a bit field is one load.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.chunk_kernels import get_int
from promlab.tsdb.codec_kernels import bytes_at, get_varint, longs_at, put_varint, unzigzag, zigzag

BLOCK = 128  # values of a delta block
MINI = 32  # values of a miniblock: they share a bit width
_EXTREMES = 4  # smallest and largest deltas of a block that `_base` looks at
_FAR = 8  # times the spread of the others: further away is a jump


@kernel()
def _width(x: Any) -> Any:
    """Bits of an unsigned number."""
    n = 0
    while x > np.uint64(0):
        n += 1
        x >>= np.uint64(1)
    return n


@kernel()
def _rounded(width: Any) -> Any:
    """1, 2, 4 or 8 bits, as zstd finds more in aligned fields; wide ones are noise: as they are."""
    if width > 56:
        return 64
    if width > 8:
        return width
    if width > 4:
        return 8
    if width > 2:
        return 4
    return width


@kernel()
def _pack(values: Any, at: Any, n: Any, base: Any, width: Any, out: Any, p: Any) -> Any:
    """MINI deltas as bit fields; the position after them."""
    held = np.uint64(0)
    bits = 0
    for i in range(MINI):
        x = np.uint64(0)
        if i < n:
            x = np.uint64(values[at + i] - values[at + i - 1] - base)
        left = width
        while left > 0:
            take = min(left, 8 - bits)
            held |= (x & np.uint64((1 << take) - 1)) << np.uint64(bits)
            x >>= np.uint64(take)
            bits += take
            left -= take
            if bits == 8:
                out[p] = np.uint8(held)
                p += 1
                held = np.uint64(0)
                bits = 0
    return p


@kernel()
def _base(values: Any, at: Any, size: Any, low: Any, high: Any) -> Any:
    """What a block's deltas count from: their minimum, but for a few that are far below.

    Where one series ends and the next begins the delta is a jump, as it is when a counter
    starts over. A jump down, taken as the minimum, would make all other deltas of its block
    wide; left out, it wraps around (which the format allows), and only its own miniblock is.
    """
    low[:] = np.int64(2**63 - 1)
    high[:] = np.int64(-(2**63))
    for i in range(at, at + size):
        delta = values[i] - values[i - 1]
        if delta < low[_EXTREMES - 1]:
            j = _EXTREMES - 1
            while j > 0 and delta < low[j - 1]:
                low[j] = low[j - 1]
                j -= 1
            low[j] = delta
        if delta > high[_EXTREMES - 1]:
            j = _EXTREMES - 1
            while j > 0 and delta > high[j - 1]:
                high[j] = high[j - 1]
                j -= 1
            high[j] = delta
    if size < 4 * _EXTREMES:
        return low[0]
    for j in range(_EXTREMES - 1, 0, -1):
        # The difference of two integers may have 65 bits: doubles will do here.
        spread = np.float64(high[_EXTREMES - 1]) - np.float64(low[j])
        if np.float64(low[j]) - np.float64(low[j - 1]) > _FAR * (spread + 4.0):
            return low[j]
    return low[0]


@kernel("i8(i8[::1], u1[::1], i8)")
def delta_encode(values: Any, out: Any, p: Any) -> Any:
    """Integers as DELTA_BINARY_PACKED; the position after them."""
    n = len(values)
    p = put_varint(out, p, np.uint64(BLOCK))
    p = put_varint(out, p, np.uint64(BLOCK // MINI))
    p = put_varint(out, p, np.uint64(n))
    p = put_varint(out, p, zigzag(values[0] if n else np.int64(0)))
    low, high = np.empty(_EXTREMES, np.int64), np.empty(_EXTREMES, np.int64)
    at = 1
    while at < n:
        size = min(BLOCK, n - at)
        base = _base(values, at, size, low, high)
        p = put_varint(out, p, zigzag(base))
        widths = p
        for m in range(BLOCK // MINI):
            out[widths + m] = 0
        p += BLOCK // MINI
        for m in range((size + MINI - 1) // MINI):
            first = at + m * MINI
            count = min(MINI, at + size - first)
            most = np.uint64(0)
            for i in range(first, first + count):
                most |= np.uint64(values[i] - values[i - 1] - base)
            width = _rounded(_width(most))
            out[widths + m] = width
            p = _pack(values, first, count, base, width, out, p)
        at += size
    return p


@kernel()
def unpack_miniblock(
    buffer: Any, p: Any, n: Any, width: Any, base: Any, last: Any, out: Any, at: Any
) -> Any:
    """`n` deltas of a miniblock added up; the last value."""
    address = np.uint64(buffer.ctypes.data)
    if width == 0:
        for i in range(n):
            last += base
            out[at + i] = last
    elif width == 8:
        for i in range(n):
            last += base + np.int64(buffer[p + i])
            out[at + i] = last
    elif width == 16:
        for i in range(n):
            last += base + np.int64(np.uint64(buffer[p]) | np.uint64(buffer[p + 1]) << np.uint64(8))
            p += 2
            out[at + i] = last
    elif width == 64:
        for i in range(n):
            last += base + longs_at(address + np.uint64(p + 8 * i), 1)[0]
            out[at + i] = last
    elif width <= 56 and p + n * width // 8 + 8 <= len(buffer):
        # Whole words are read, some bytes of the last one are not its own.
        mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
        for i in range(n):
            bit = i * width
            word = np.uint64(longs_at(address + np.uint64(p + bit // 8), 1)[0])
            last += base + np.int64((word >> np.uint64(bit % 8)) & mask)
            out[at + i] = last
    else:
        for i in range(n):
            x = np.uint64(0)
            for k in range(width):
                bit = i * width + k
                one = (np.uint64(buffer[p + bit // 8]) >> np.uint64(bit % 8)) & np.uint64(1)
                x |= one << np.uint64(k)
            last += base + np.int64(x)
            out[at + i] = last
    return last


@kernel()
def unpack_deltas(buffer: Any, p: Any, end: Any, out: Any) -> Any:
    """See `delta_decode`."""
    head = np.zeros(4, np.uint64)
    for i in range(4):
        u, p = get_varint(buffer, p, end)
        if p < 0:
            return -1
        head[i] = u
    minis: Any = np.int64(head[1])
    total: Any = np.int64(head[2])
    if minis < 1 or minis > 512 or head[0] > np.uint64(1 << 20) or head[0] < np.uint64(1):
        return -1
    mini = np.int64(head[0]) // minis
    if mini < 1 or mini % 8:
        return -1
    total = min(total, len(out))
    if total <= 0:
        return np.int64(0)
    last = unzigzag(head[3])
    out[0] = last
    at = np.int64(1)
    while at < total:
        u, p = get_varint(buffer, p, end)
        if p < 0 or p + minis > end:
            return -1
        base = unzigzag(u)
        widths = p
        p += minis
        for m in range(minis):
            if at >= total:
                break
            width = np.int64(buffer[widths + m])
            size = mini * width // 8
            if width > 64 or p + size > end:
                return -1
            count = min(mini, total - at)
            last = unpack_miniblock(buffer, p, count, width, base, last, out, at)
            at += count
            p += size
    return total


@kernel("i8(u1[::1], i8, i8, i8[::1])")
def delta_decode(buffer: Any, p: Any, end: Any, out: Any) -> Any:
    """The integers at buffer[p:end] into `out`, or as many as fit there; their number, or -1.

    Any block and miniblock sizes are read, not only ours.
    """
    return unpack_deltas(buffer, p, end, out)


@kernel()
def unpack_page(address: Any, size: Any, plain: Any, most: Any, out: Any) -> Any:
    """Items of a page of lists, `size` bytes at an address, or as many as fit; their number.

    -1 if they are damaged, or more than `most`.
    """
    buffer = bytes_at(address, size)
    start = np.int64(0)
    for _ in range(2):  # levels: who needs them has them from elsewhere
        if start + 4 > size:
            return np.int64(-1)
        start += 4 + get_int(buffer, start)
    if start > size:
        return np.int64(-1)
    if not plain:
        return unpack_deltas(buffer, start, size, out)
    n = (size - start) // 8
    if (size - start) % 8 or n > most:
        return np.int64(-1)
    n = min(n, len(out))
    out[:n] = longs_at(address + np.uint64(start), n)
    return n


@kernel("void(u8[::1], i8[::1], b1[::1], u8[::1], i8[::1])")
def unpack_pages(addresses: Any, sizes: Any, plain: Any, to: Any, counts: Any) -> None:
    """Items of pages of lists: page j, `sizes[j]` bytes at `addresses[j]`, to `to[j]` on.

    There is room for `counts[j]` items, which becomes their number, or -1 if they are damaged.
    """
    for j in range(len(addresses)):
        out = longs_at(to[j], counts[j])
        counts[j] = unpack_page(addresses[j], sizes[j], plain[j], counts[j], out)


@kernel("i8(i8[::1], i8, u1[::1], i8)")
def runs_encode(values: Any, width: Any, out: Any, p: Any) -> Any:
    """Small numbers below 2^width as RLE runs and bit-packed groups; the position after."""
    n = len(values)
    at = 0
    while at < n:
        run = 1
        while at + run < n and values[at + run] == values[at]:
            run += 1
        if run >= 8 or at + run == n:
            p = put_varint(out, p, np.uint64(run) << np.uint64(1))
            for k in range((width + 7) // 8):
                out[p] = np.uint8((values[at] >> (8 * k)) & 255)
                p += 1
            at += run
            continue
        # Groups of eight until a run begins.
        begin = at
        while at < n:
            same = 1
            while same < 16 and at + same < n and values[at + same] == values[at]:
                same += 1
            if same >= 16:
                break
            at += 8
        groups = (min(at, n) - begin + 7) // 8
        at = min(at, n)
        p = put_varint(out, p, np.uint64(groups << 1 | 1))
        held = np.uint64(0)
        bits = 0
        for i in range(groups * 8):
            x = np.uint64(values[begin + i]) if begin + i < n else np.uint64(0)
            held |= x << np.uint64(bits)
            bits += width
            while bits >= 8:
                out[p] = np.uint8(held & np.uint64(255))
                p += 1
                held >>= np.uint64(8)
                bits -= 8
    return p


@kernel("i8(u1[::1], i8, i8, i8, i8[::1])")
def runs_decode(buffer: Any, p: Any, end: Any, width: Any, out: Any) -> Any:
    """Inverse of `runs_encode` for len(out) numbers; the position after them, or -1."""
    at, n = 0, len(out)
    if width < 0 or width > 32:
        return -1
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    while at < n:
        head, p = get_varint(buffer, p, end)
        if p < 0:
            return -1
        count: Any = np.int64(head >> np.uint64(1))
        if head & np.uint64(1) == np.uint64(0):
            size = (width + 7) // 8
            if count < 1 or p + size > end:
                return -1
            x = np.int64(0)
            for k in range(size):
                x |= np.int64(buffer[p + k]) << (8 * k)
            p += size
            for _ in range(min(count, n - at)):
                out[at] = x
                at += 1
            continue
        if count < 1 or count > end or p + count * width > end:
            return -1
        bit = np.int64(0)
        for _ in range(min(count * 8, n - at)):
            word = np.uint64(0)
            for k in range((bit % 8 + width + 7) // 8):
                word |= np.uint64(buffer[p + bit // 8 + k]) << np.uint64(8 * k)
            out[at] = np.int64((word >> np.uint64(bit % 8)) & mask)
            at += 1
            bit += width
        p += count * width
    return p


@kernel("i8(i8[::1], u1[::1], i8)")
def list_levels(counts: Any, out: Any, p: Any) -> Any:
    """Repetition and definition levels of lists with so many items; the position after."""
    size_at = p
    p += 4
    for i in range(len(counts)):
        p = put_varint(out, p, np.uint64(2))
        out[p] = 0
        p += 1
        if counts[i] > 1:
            p = put_varint(out, p, np.uint64(counts[i] - 1) << np.uint64(1))
            out[p] = 1
            p += 1
    for k in range(4):
        out[size_at + k] = np.uint8(((p - size_at - 4) >> (8 * k)) & 255)
    size_at = p
    p += 4
    i = 0
    while i < len(counts):
        filled = counts[i] > 0
        run = np.int64(0)
        while i < len(counts) and (counts[i] > 0) == filled:
            run += max(np.int64(1), counts[i])
            i += 1
        p = put_varint(out, p, np.uint64(run) << np.uint64(1))
        out[p] = 1 if filled else 0
        p += 1
    for k in range(4):
        out[size_at + k] = np.uint8(((p - size_at - 4) >> (8 * k)) & 255)
    return p
