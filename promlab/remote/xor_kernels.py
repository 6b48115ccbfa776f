"""Prometheus's XOR chunks of float samples, and the checksum of the frames they travel in.

The encoding is that of Facebook's Gorilla (Pelkonen et al., 2015): times as differences of
differences, values as what differs from the one before, bit by bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.remote.bit_kernels import (
    get,
    get_dod,
    get_varint,
    get_xor,
    put,
    put_dod,
    put_varint,
    put_xor,
)

_U: Any = np.uint64
_I: Any = np.int64
_FLOATS = "Array(float64, 1, 'C', readonly=True)"
_TIMES = "Array(int64, 1, 'C', readonly=True)"
_BYTES = "Array(uint8, 1, 'C', readonly=True)"
_POLYNOMIAL = np.uint32(0x82F63B78)  # CRC-32C, reflected
HEADER = 2
MOST_BITS = 64 + 4 + 64 + 13  # of one sample


@kernel(f"int64({_TIMES}, {_FLOATS}, int64, int64, uint8[::1])")
def xor_chunk(t_ms: Any, values: Any, first: int, last: int, out: Any) -> int:
    """A chunk of the samples from `first` up to `last` into `out`, which is all 0: its size."""
    n = last - first
    out[0], out[1] = np.uint8(n >> 8), np.uint8(n & 0xFF)
    bits = values.view(np.uint64)
    bit = 16
    leading, trailing = -1, 0
    before = _I(0)
    for i in range(first, last):
        if i == first:
            start = t_ms[i]
            bit = put_varint(out, bit, _U((start << _I(1)) ^ (start >> _I(63))))
            bit = put(out, bit, bits[i], 64)
            continue
        delta = t_ms[i] - t_ms[i - 1]
        if i == first + 1:
            bit = put_varint(out, bit, _U(delta))
        else:
            bit = put_dod(out, bit, delta - before)
        before = delta
        bit, leading, trailing = put_xor(out, bit, bits[i] ^ bits[i - 1], leading, trailing)
    return (bit + 7) >> 3


@kernel()
def _crc_table() -> Any:
    table = np.zeros(256, np.uint32)
    for i in range(256):
        word: Any = np.uint32(i)
        for _ in range(8):
            odd = word & np.uint32(1)
            word = np.uint32(word >> np.uint32(1))
            if odd:
                word = np.uint32(word ^ _POLYNOMIAL)
        table[i] = word
    return table


@kernel()
def _checksum(table: Any, body: Any, start: Any, end: Any) -> Any:
    """The Castagnoli checksum of body[start:end]."""
    crc: Any = np.uint32(0xFFFFFFFF)
    for i in range(start, end):
        at = (crc ^ np.uint32(body[i])) & np.uint32(0xFF)
        crc = np.uint32(table[at] ^ np.uint32(crc >> np.uint32(8)))
    return np.uint32(crc ^ np.uint32(0xFFFFFFFF))


@kernel(f"uint32({_BYTES})")
def crc32c(body: Any) -> int:
    """The Castagnoli checksum."""
    found: int = _checksum(_crc_table(), body, 0, len(body))
    return found


@kernel(f"void({_BYTES}, {_TIMES}, {_TIMES}, int64[::1])")
def chunk_sizes(body: Any, starts: Any, ends: Any, counts: Any) -> None:
    """How many samples the chunks between these bytes say they have; -1 where one has no head."""
    for c in range(len(starts)):
        at = starts[c]
        counts[c] = -1 if ends[c] - at < HEADER else (_I(body[at]) << 8) | _I(body[at + 1])


@kernel(f"int64({_BYTES}, {_TIMES}, {_TIMES}, {_TIMES}, int64[::1], float64[::1])")
def read_chunks(body: Any, starts: Any, ends: Any, counts: Any, t_ms: Any, values: Any) -> int:
    """The samples of XOR chunks, one after the other: the first chunk that is damaged, or -1."""
    bits = values.view(np.uint64)
    at = 0
    for c in range(len(starts)):
        bit, end = 8 * (starts[c] + HEADER), 8 * ends[c]
        leading, size = _I(0), _I(0)
        t, delta, word = _I(0), _I(0), _U(0)
        for i in range(counts[c]):
            if i == 0:
                first, bit = get_varint(body, bit, end)
                t = _I(first >> _U(1)) ^ -_I(first & _U(1))
                word = get(body, bit, end, 64)
                bit += 64
            else:
                if i == 1:
                    ahead, bit = get_varint(body, bit, end)
                    delta = _I(ahead)
                else:
                    dod, bit = get_dod(body, bit, end)
                    delta += dod
                t += delta
                xor, bit, leading, size = get_xor(body, bit, end, leading, size)
                if size < 0:
                    return int(c)
                word ^= xor
            if bit > end:
                return int(c)
            t_ms[at], bits[at] = t, word
            at += 1
    return -1


@kernel(f"int64({_BYTES}, int64, uint8[::1])")
def unframe(raw: Any, limit: int, out: Any) -> int:
    """Frames (size, checksum, message) as messages after their sizes: the number of bytes.

    -1 where a frame is cut off or its checksum is wrong, -2 where one is above the limit.
    """
    table = _crc_table()
    at, to = 0, 0
    while at < len(raw):
        size, shift, begin = _I(0), 0, at
        while True:
            if at >= len(raw) or shift > 35:
                return -1
            byte = raw[at]
            at += 1
            size |= (_I(byte) & _I(0x7F)) << _I(shift)
            shift += 7
            if byte < 0x80:
                break
        if size > limit:
            return -2
        if at + 4 + size > len(raw):
            return -1
        for i in range(begin, at):
            out[to] = raw[i]
            to += 1
        told = _U(0)
        for i in range(at, at + 4):
            told = (told << _U(8)) | _U(raw[i])
        at += 4
        if _U(_checksum(table, raw, at, at + size)) != told:
            return -1
        for i in range(at, at + size):
            out[to] = raw[i]
            to += 1
        at += size
    return to
