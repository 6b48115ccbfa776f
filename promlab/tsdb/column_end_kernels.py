"""Kernels that read the newest value of a column, and write out none of those before it.

See codec_kernels for what a column is. Values of integers depend on all before them, which are
added up in registers; times are passed over. Damaged input ends in position or row -1, or -2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import (
    CONSTANT,
    DELTA,
    DELTA2,
    HOLES,
    MASKED,
    MAX_EXPONENT,
    MORE,
    PLANES,
    POWERS,
    get_long,
    get_varint,
    longs_at,
    short_varint,
    unzigzag,
)

NONE, DAMAGED = -1, -2  # instead of a row


@kernel()
def skip_varints(buffer: Any, p: Any, end: Any, n: Any) -> Any:
    """The position after `n` varints, or -1."""
    address = np.uint64(buffer.ctypes.data)
    while n > 0:
        if n >= 8 and p + 8 <= end:
            word = np.uint64(longs_at(address + np.uint64(p), 1)[0])
            if word & np.uint64(MORE) == np.uint64(0):
                n -= 8
                p += 8
                continue
        while p < end and buffer[p] >= 128:
            p += 1
        if p >= end:
            return -1
        p += 1
        n -= 1
    return p


@kernel()
def _add_up(buffer: Any, p: Any, end: Any, n: Any) -> Any:
    """`n` signed varints: (the last, their sum, the sum of their running sums, position or -1)."""
    address = np.uint64(buffer.ctypes.data)
    x = total = totals = np.int64(0)
    while n > 0:
        if n >= 8 and p + 8 <= end:
            word = np.uint64(longs_at(address + np.uint64(p), 1)[0])
            more = word & np.uint64(MORE)
            if more == np.uint64(0):
                for k in range(8):
                    x = unzigzag((word >> np.uint64(8 * k)) & np.uint64(127))
                    total += x
                    totals += total
                n -= 8
                p += 8
                continue
            if more & (more >> np.uint64(8)) == np.uint64(0):
                for _ in range(4):
                    u, size = short_varint(word)
                    x = unzigzag(u)
                    total += x
                    totals += total
                    word >>= size
                    p += np.int64(size >> np.uint64(3))
                n -= 4
                continue
        u, p = get_varint(buffer, p, end)
        if p < 0:
            return x, total, totals, p
        x = unzigzag(u)
        total += x
        totals += total
        n -= 1
    return x, total, totals, p


@kernel()
def _integer_at(buffer: Any, p: Any, end: Any, row: Any, kind: Any) -> Any:
    """Bits of number `row` of a column of integers, and whether they could be read."""
    if p >= end or buffer[p] > MAX_EXPONENT:
        return np.int64(0), False
    power = POWERS[buffer[p]]
    u, p = get_varint(buffer, p + 1, end)
    x = unzigzag(u)
    if row > 0 and p >= 0:
        last, total, totals, p = _add_up(buffer, p, end, row)
        # The first of a column is itself, whatever those after it are.
        if kind == DELTA:
            x += total
        elif kind == DELTA2:
            x += totals
        else:
            x = last
    return np.float64(np.float64(x) / power).view(np.int64), p >= 0


@kernel()
def _plane_at(buffer: Any, p: Any, end: Any, n: Any, row: Any) -> Any:
    """Bits of number `row` of `n` in byte planes, and whether they could be read."""
    if p >= end:
        return np.int64(0), False
    mask = buffer[p]
    p += 1
    bits = np.uint64(0)
    for k in range(8):
        if not mask & np.uint8(1 << k):
            continue
        if p + n > end:
            return np.int64(0), False
        byte = np.uint8(0)
        for i in range(row + 1):
            byte ^= buffer[p + i]
        bits |= np.uint64(byte) << np.uint64(8 * k)
        p += n
    return np.int64(bits), True


@kernel()
def _value_at(buffer: Any, p: Any, end: Any, n: Any, row: Any) -> Any:
    """Bits of number `row` of `n` values without holes, and whether they could be read."""
    if p >= end:
        return np.int64(0), False
    kind = buffer[p]
    if kind == CONSTANT:
        if p + 9 > end:
            return np.int64(0), False
        return get_long(buffer, p + 1), True
    if kind == PLANES:
        return _plane_at(buffer, p + 1, end, n, row)
    if kind > PLANES:
        return np.int64(0), False
    return _integer_at(buffer, p + 1, end, row, kind)


@kernel()
def newest_in_column(buffer: Any, p: Any, end: Any, n: Any, row: Any) -> Any:
    """The newest row up to `row` of a column of `n` that has a value, and its bits.

    NONE where there is no such row, DAMAGED where the column can't be read.
    """
    if p >= end or p < 0:
        return np.int64(DAMAGED), np.int64(0)
    if buffer[p] == HOLES:
        return np.int64(NONE), np.int64(0)
    count, before = n, row
    if buffer[p] == MASKED:
        mask = p + 1
        p = mask + (n + 7) // 8
        if p >= end:
            return np.int64(DAMAGED), np.int64(0)
        while row >= 0 and not (buffer[mask + row // 8] >> np.uint8(row % 8)) & 1:
            row -= 1
        if row < 0:
            return np.int64(NONE), np.int64(0)
        count, before = np.int64(0), np.int64(-1)
        for i in range(n):
            there = np.int64((buffer[mask + i // 8] >> np.uint8(i % 8)) & 1)
            count += there
            before += there if i <= row else 0
    bits, sound = _value_at(buffer, p, end, count, before)
    return np.int64(row) if sound else np.int64(DAMAGED), bits


@kernel("UniTuple(i8, 2)(u1[::1], i8, i8)")
def newest(buffer: Any, n: Any, row: Any) -> Any:
    """The same of one column, alone."""
    return newest_in_column(buffer, 0, len(buffer), n, row)
