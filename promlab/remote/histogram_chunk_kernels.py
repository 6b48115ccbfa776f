"""Prometheus's chunks of native histograms, integer and float ones, written.

A chunk has one layout (schema, zero threshold, spans of buckets, custom bounds), then its samples:
of integers differences of differences, of floats what differs from the one before. The format is
described in Prometheus's documentation of chunks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.remote.bit_kernels import put, put_signed, put_unsigned, put_xor

_U: Any = np.uint64
_I: Any = np.int64
_FLOATS = "Array(float64, 1, 'C', readonly=True)"
_TIMES = "Array(int64, 1, 'C', readonly=True)"
_SPANS = "Array(int64, 2, 'C', readonly=True)"
_CELLS = "Array(float64, 2, 'C', readonly=True)"
_SHORT_BOUND = 33_554_430.0  # thousandths: what is not more takes the short form
CUSTOM = -53
MOST_BITS = 80  # of one number
# Columns of the numbers of a histogram, before its buckets.
ZERO, COUNT, SUM = range(3)


@kernel()
def _put_spans(out: Any, bit: int, spans: Any) -> int:
    bit = put_unsigned(out, bit, _U(len(spans)))
    for i in range(len(spans)):
        bit = put_unsigned(out, bit, _U(spans[i, 1]))
        bit = put_signed(out, bit, spans[i, 0])
    return bit


@kernel(f"int64(int64, int64, int64, float64, {_SPANS}, {_SPANS}, {_FLOATS}, uint8[::1])")
def put_layout(
    n: int, flags: int, schema: int, threshold: float, positive: Any, negative: Any, bounds: Any,
    out: Any,
) -> int:  # fmt: skip
    """Head and layout of a chunk of n samples into `out`, all 0; spans are (gap, length).

    Returns where the next bit goes.
    """
    out[0], out[1], out[2] = np.uint8(n >> 8), np.uint8(n & 0xFF), np.uint8(flags << 6)
    cell = np.empty(1, np.float64)
    cell[0] = threshold
    word: Any = cell.view(np.uint64)[0]
    power = _I(word >> _U(52)) - 1023
    # A power of two between 2^-243 and 2^10 takes one byte.
    if threshold == 0:
        bit = 32
    elif word << _U(12) == _U(0) and -243 <= power <= 10:
        out[3] = np.uint8(power + 244)
        bit = 32
    else:
        out[3] = np.uint8(255)
        bit = put(out, 32, word, 64)
    bit = put_signed(out, bit, _I(schema))
    bit = _put_spans(out, bit, positive)
    bit = _put_spans(out, bit, negative)
    if schema != CUSTOM:
        return int(bit)
    bit = put_unsigned(out, bit, _U(len(bounds)))
    for i in range(len(bounds)):
        thousands = bounds[i] * 1000.0
        short = 0 <= thousands <= _SHORT_BOUND and thousands == np.floor(thousands)
        # As its reader will divide: the short form has to give the same number.
        if short and thousands / 1000.0 == bounds[i]:
            bit = put_unsigned(out, bit, _U(thousands) + _U(1))
            continue
        cell[0] = bounds[i]
        bit = put(out, put(out, bit, _U(0), 1), cell.view(np.uint64)[0], 64)
    return int(bit)


@kernel(f"int64({_TIMES}, {_CELLS}, int64, int64, uint8[::1])")
def put_integers(t_ms: Any, cells: Any, positive: int, bit: int, out: Any) -> int:
    """Samples of integers behind the layout: the chunk's size.

    A row of `cells` is zero count, count, sum, then the buckets, `positive` of them first.
    """
    width = cells.shape[1]
    now, last, ahead = (
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
    )
    leading, trailing = -1, 0
    time_ahead = _I(0)
    cell = np.empty(1, np.float64)
    sum_before = _U(0)
    for i in range(len(t_ms)):
        for k in range(width):
            if k != SUM:
                now[k] = _I(cells[i, k])
        for k in range(width - 1, SUM + 1, -1):
            if k != SUM + 1 + positive:
                now[k] -= now[k - 1]
        cell[0] = cells[i, SUM]
        word: Any = cell.view(np.uint64)[0]
        if i == 0:
            bit = put_signed(out, bit, t_ms[0])
            bit = put_unsigned(out, bit, _U(now[COUNT]))
            bit = put_unsigned(out, bit, _U(now[ZERO]))
            bit = put(out, bit, word, 64)
            for k in range(SUM + 1, width):
                bit = put_signed(out, bit, now[k])
        else:
            bit = put_signed(out, bit, t_ms[i] - t_ms[i - 1] - time_ahead)
            time_ahead = t_ms[i] - t_ms[i - 1]
            bit = put_signed(out, bit, now[COUNT] - last[COUNT] - ahead[COUNT])
            bit = put_signed(out, bit, now[ZERO] - last[ZERO] - ahead[ZERO])
            bit, leading, trailing = put_xor(out, bit, word ^ sum_before, leading, trailing)
            for k in range(SUM + 1, width):
                bit = put_signed(out, bit, now[k] - last[k] - ahead[k])
            for k in range(width):
                ahead[k] = now[k] - last[k]
        sum_before = word
        for k in range(width):
            last[k] = now[k]
    return (bit + 7) >> 3


@kernel(f"int64({_TIMES}, {_CELLS}, int64, uint8[::1])")
def put_floats(t_ms: Any, cells: Any, bit: int, out: Any) -> int:
    """Samples of floats behind the layout: the chunk's size. Rows as of `put_integers`."""
    width = cells.shape[1]
    bits = cells.view(np.uint64)
    windows = np.full((width, 2), -1, np.int64)
    ahead = _I(0)
    for i in range(len(t_ms)):
        if i == 0:
            bit = put_signed(out, bit, t_ms[0])
        else:
            bit = put_signed(out, bit, t_ms[i] - t_ms[i - 1] - ahead)
            ahead = t_ms[i] - t_ms[i - 1]
        for j in range(width):
            k = 1 - j if j < SUM else j  # the count comes before the zero count
            if i == 0:
                bit = put(out, bit, bits[0, k], 64)
                continue
            xor = bits[i, k] ^ bits[i - 1, k]
            bit, leading, trailing = put_xor(out, bit, xor, windows[k, 0], windows[k, 1])
            windows[k, 0], windows[k, 1] = leading, trailing
    return (bit + 7) >> 3
