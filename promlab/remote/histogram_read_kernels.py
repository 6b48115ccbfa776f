"""Prometheus's chunks of native histograms, integer and float ones, read.

Nothing is believed that a chunk says: heads are read first, and refused where they have more than
their bytes can hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.remote.bit_kernels import get, get_signed, get_unsigned, get_xor
from promlab.remote.histogram_chunk_kernels import COUNT, CUSTOM, SUM, ZERO

_U: Any = np.uint64
_I: Any = np.int64
_TIMES = "Array(int64, 1, 'C', readonly=True)"
_BYTES = "Array(uint8, 1, 'C', readonly=True)"
_HEADS = "Array(int64, 2, 'C', readonly=True)"
_STALE = np.uint64(0x7FF0000000000002)
_FURTHEST = 1 << 30  # index of a bucket
# Columns of what a chunk's head says.
SAMPLES, FLAGS, SCHEMA, POSITIVE, NEGATIVE, BOUNDS, BEGIN, DAMAGED = range(8)


@kernel()
def _get_spans(body: Any, bit: int, end: int, indices: Any, at: int, write: bool) -> Any:
    """How many buckets spans have, -1 if that can't be, and where the next bit is."""
    spans, bit = get_unsigned(body, bit, end)
    if spans > _U(end):
        return _I(-1), bit
    found, index = _I(0), _I(0)
    for _ in range(_I(spans)):
        length, bit = get_unsigned(body, bit, end)
        gap, bit = get_signed(body, bit, end)
        if bit > end or length > _U(end) or not -_FURTHEST < gap < _FURTHEST:
            return _I(-1), bit
        index += gap
        if not -_FURTHEST < index < _FURTHEST or found + _I(length) > end:
            return _I(-1), bit
        if write:
            for k in range(_I(length)):
                indices[at + found + k] = index + k
        index += _I(length)
        found += _I(length)
    return found, bit


@kernel()
def _get_bounds(body: Any, bit: int, end: int, bounds: Any, at: int, write: bool) -> Any:
    """How many custom bounds there are, -1 if that can't be, and where the next bit is."""
    n, bit = get_unsigned(body, bit, end)
    if n > _U(end):
        return _I(-1), bit
    words = np.zeros(1, np.uint64)
    for i in range(_I(n)):
        short, bit = get_unsigned(body, bit, end)
        if short != _U(0):
            value = np.float64(short - _U(1)) / 1000.0
        else:
            words[0] = get(body, bit, end, 64)
            value = words.view(np.float64)[0]
            bit += 64
        if bit > end:
            return _I(-1), bit
        if write:
            bounds[at + i] = value
    return _I(n), bit


@kernel(f"void({_BYTES}, {_TIMES}, {_TIMES}, int64[:, ::1], float64[::1])")
def read_heads(body: Any, starts: Any, ends: Any, heads: Any, thresholds: Any) -> None:
    """What the heads of these chunks say; nothing of it is more than its bytes can hold."""
    no_indices, no_bounds = np.zeros(0, np.int32), np.zeros(0, np.float64)
    for c in range(len(starts)):
        at, end = starts[c], 8 * ends[c]
        heads[c, :] = 0
        heads[c, DAMAGED] = 1
        if ends[c] - at < 4:
            continue
        heads[c, FLAGS] = body[at + 2] >> np.uint8(6)
        power, bit = _I(body[at + 3]), 8 * (at + 4)
        if power == 255:
            cell = np.zeros(1, np.uint64)
            cell[0] = get(body, bit, end, 64)
            thresholds[c] = cell.view(np.float64)[0]
            bit += 64
        else:
            thresholds[c] = 0.0 if power == 0 else 2.0 ** np.float64(power - 244)
        schema, bit = get_signed(body, bit, end)
        positive, bit = _get_spans(body, bit, end, no_indices, 0, False)
        if positive < 0:
            continue
        negative, bit = _get_spans(body, bit, end, no_indices, 0, False)
        bounds = _I(0)
        if negative >= 0 and schema == CUSTOM:
            bounds, bit = _get_bounds(body, bit, end, no_bounds, 0, False)
        n = (_I(body[at]) << 8) | _I(body[at + 1])
        # Each sample takes a bit a bucket at least, unless it is stale, as none but the last are.
        if negative < 0 or bounds < 0 or (n - 1) * (positive + negative) > end - 8 * at:
            continue
        if bit > end or not -128 <= schema <= 127:
            continue
        heads[c, SAMPLES], heads[c, SCHEMA], heads[c, BEGIN] = n, schema, bit
        heads[c, POSITIVE], heads[c, NEGATIVE], heads[c, BOUNDS] = positive, negative, bounds
        heads[c, DAMAGED] = 0


@kernel(f"void({_BYTES}, {_TIMES}, {_TIMES}, {_HEADS}, int32[::1], int32[::1], float64[::1])")
def read_layouts(
    body: Any, starts: Any, ends: Any, heads: Any, positive: Any, negative: Any, bounds: Any
) -> None:
    """Indices of the buckets and custom bounds of chunks with good heads, one after the other."""
    p, n, b = 0, 0, 0
    for c in range(len(starts)):
        end = 8 * ends[c]
        bit = 8 * (starts[c] + 4)
        bit += 64 if body[starts[c] + 3] == np.uint8(255) else 0
        _, bit = get_signed(body, bit, end)
        _, bit = _get_spans(body, bit, end, positive, p, True)
        _, bit = _get_spans(body, bit, end, negative, n, True)
        if heads[c, BOUNDS] > 0:
            _, bit = _get_bounds(body, bit, end, bounds, b, True)
        p += heads[c, POSITIVE]
        n += heads[c, NEGATIVE]
        b += heads[c, BOUNDS]


@kernel()
def _read_integers(
    body: Any, bit: int, end: int, now: Any, ahead: Any, windows: Any, i: int
) -> int:
    """The next sample of integers into `now`, whose first number is its time: -1 if damaged.

    Bits of the sum are in now[1 + SUM]; buckets are differences.
    """
    if i == 0:
        now[0], bit = get_signed(body, bit, end)
        count, bit = get_unsigned(body, bit, end)
        zero, bit = get_unsigned(body, bit, end)
        now[1 + COUNT], now[1 + ZERO] = _I(count), _I(zero)
        now[1 + SUM] = _I(get(body, bit, end, 64))
        bit += 64
    else:
        for j in range(3):
            k = 0 if j == 0 else (1 + COUNT if j == 1 else 1 + ZERO)
            dod, bit = get_signed(body, bit, end)
            ahead[k] += dod
            now[k] += ahead[k]
        xor, bit, leading, size = get_xor(body, bit, end, windows[0, 0], windows[0, 1])
        if size < 0:
            return -1
        windows[0, 0], windows[0, 1] = leading, size
        now[1 + SUM] = _I(_U(now[1 + SUM]) ^ xor)
    if _U(now[1 + SUM]) == _STALE:
        return int(bit)
    for k in range(2 + SUM, len(now)):
        dod, bit = get_signed(body, bit, end)
        if i == 0:
            now[k] = dod
        else:
            ahead[k] += dod
            now[k] += ahead[k]
    return int(bit)


@kernel()
def _read_floats(body: Any, bit: int, end: int, now: Any, ahead: Any, windows: Any, i: int) -> int:
    """The next sample of floats: `now` has its time and the bits of its numbers."""
    dod, bit = get_signed(body, bit, end)
    if i == 0:
        now[0] = dod
    else:
        ahead[0] += dod
        now[0] += ahead[0]
    for j in range(len(now) - 1):
        k = 1 - j if j < SUM else j
        if j == SUM + 1 and _U(now[1 + SUM]) == _STALE:
            break
        if i == 0:
            now[1 + k] = _I(get(body, bit, end, 64))
            bit += 64
            continue
        xor, bit, leading, size = get_xor(body, bit, end, windows[k, 0], windows[k, 1])
        if size < 0:
            return -1
        windows[k, 0], windows[k, 1] = leading, size
        now[1 + k] = _I(_U(now[1 + k]) ^ xor)
    return int(bit)


@kernel()
def _store(now: Any, first: int, last: int, floats: bool, out: Any, at: int) -> None:
    """Counts of the buckets of one sign: of integers each is its difference to the one before."""
    bits = out.view(np.uint64)
    total = _I(0)
    for k in range(first, last):
        total += now[k]
        if floats:
            bits[at + k - first] = _U(now[k])
        else:
            out[at + k - first] = np.float64(total)


@kernel(
    f"int64({_BYTES}, {_TIMES}, {_TIMES}, {_HEADS},"
    " int64[::1], float64[:, ::1], float64[::1], float64[::1])"
)
def read_samples(
    body: Any, ends: Any, is_float: Any, heads: Any, t_ms: Any, numbers: Any, positive: Any,
    negative: Any,
) -> int:  # fmt: skip
    """Samples of chunks with good heads: the first chunk that is damaged, or -1.

    A row of `numbers` is zero count, count and sum; buckets of stale samples stay as they are.
    """
    bits = numbers.view(np.uint64)
    at, p, n = 0, 0, 0
    for c in range(len(ends)):
        bit, end = heads[c, BEGIN], 8 * ends[c]
        width = heads[c, POSITIVE] + heads[c, NEGATIVE]
        now, ahead = np.zeros(2 + SUM + width, np.int64), np.zeros(2 + SUM + width, np.int64)
        windows = np.zeros((3 + width, 2), np.int64)
        floats = is_float[c] != 0
        for i in range(heads[c, SAMPLES]):
            if floats:
                bit = _read_floats(body, bit, end, now, ahead, windows, i)
            else:
                bit = _read_integers(body, bit, end, now, ahead, windows, i)
            if bit < 0 or bit > end:
                return int(c)
            t_ms[at] = now[0]
            bits[at, SUM] = _U(now[1 + SUM])
            for k in range(2):
                if floats:
                    bits[at, k] = _U(now[1 + k])
                else:
                    numbers[at, k] = np.float64(now[1 + k])
            at += 1
            if _U(now[1 + SUM]) != _STALE:
                middle = 2 + SUM + heads[c, POSITIVE]
                _store(now, 2 + SUM, middle, floats, positive, p)
                _store(now, middle, len(now), floats, negative, n)
            p += heads[c, POSITIVE]
            n += heads[c, NEGATIVE]
    return -1
