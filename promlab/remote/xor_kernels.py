"""Prometheus's XOR chunks of float samples, and the checksum of the frames they travel in.

The encoding is that of Facebook's Gorilla (Pelkonen et al., 2015): times as differences of
differences, values as what differs from the one before, bit by bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel

_U: Any = np.uint64
_I: Any = np.int64
_FLOATS = "Array(float64, 1, 'C', readonly=True)"
_TIMES = "Array(int64, 1, 'C', readonly=True)"
_POLYNOMIAL = np.uint32(0x82F63B78)  # CRC-32C, reflected
HEADER = 2
MOST_BITS = 64 + 4 + 64 + 13  # of one sample


@kernel()
def _put(out: Any, bit: int, value: Any, n: int) -> int:
    """The lowest n bits of a value, highest first; returns where the next bit goes."""
    for i in range(n - 1, -1, -1):
        if (value >> _U(i)) & _U(1):
            out[bit >> 3] |= np.uint8(128 >> (bit & 7))
        bit += 1
    return bit


@kernel()
def _put_varint(out: Any, bit: int, value: Any) -> int:
    while value >= _U(0x80):
        bit = _put(out, bit, (value & _U(0x7F)) | _U(0x80), 8)
        value >>= _U(7)
    return int(_put(out, bit, value, 8))


@kernel()
def _put_dod(out: Any, bit: int, dod: Any) -> int:
    """The difference of two differences of times."""
    word = _U(dod)
    if dod == 0:
        return int(_put(out, bit, _U(0), 1))
    if -8191 <= dod <= 8192:
        return int(_put(out, _put(out, bit, _U(0b10), 2), word, 14))
    if -65535 <= dod <= 65536:
        return int(_put(out, _put(out, bit, _U(0b110), 3), word, 17))
    if -524287 <= dod <= 524288:
        return int(_put(out, _put(out, bit, _U(0b1110), 4), word, 20))
    return int(_put(out, _put(out, bit, _U(0b1111), 4), word, 64))


@kernel()
def _zeros(word: Any) -> tuple[int, int]:
    """How many bits before the first and behind the last one are 0; the word is not 0."""
    leading = 0
    while not (word >> _U(63 - leading)) & _U(1):
        leading += 1
    trailing = 0
    while not (word >> _U(trailing)) & _U(1):
        trailing += 1
    return leading, trailing


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
            bit = _put_varint(out, bit, _U((start << _I(1)) ^ (start >> _I(63))))
            bit = _put(out, bit, bits[i], 64)
            continue
        delta = t_ms[i] - t_ms[i - 1]
        if i == first + 1:
            bit = _put_varint(out, bit, _U(delta))
        else:
            bit = _put_dod(out, bit, delta - before)
        before = delta
        xor = bits[i] ^ bits[i - 1]
        if xor == _U(0):
            bit = _put(out, bit, _U(0), 1)
            continue
        bit = _put(out, bit, _U(1), 1)
        lead, trail = _zeros(xor)
        lead = min(lead, 31)
        if leading >= 0 and lead >= leading and trail >= trailing:
            bit = _put(out, bit, _U(0), 1)
            bit = _put(out, bit, xor >> _U(trailing), 64 - leading - trailing)
            continue
        leading, trailing = lead, trail
        size = 64 - lead - trail
        bit = _put(out, bit, _U(1), 1)
        bit = _put(out, bit, _U(lead), 5)
        bit = _put(out, bit, _U(size), 6)
        bit = _put(out, bit, xor >> _U(trail), size)
    return (bit + 7) >> 3


@kernel("uint32(Array(uint8, 1, 'C', readonly=True))")
def crc32c(body: Any) -> int:
    """The Castagnoli checksum."""
    table = np.zeros(256, np.uint32)
    for i in range(256):
        word: Any = np.uint32(i)
        for _ in range(8):
            odd = word & np.uint32(1)
            word = np.uint32(word >> np.uint32(1))
            if odd:
                word = np.uint32(word ^ _POLYNOMIAL)
        table[i] = word
    crc: Any = np.uint32(0xFFFFFFFF)
    for byte in body:
        at = (crc ^ np.uint32(byte)) & np.uint32(0xFF)
        crc = np.uint32(table[at] ^ np.uint32(crc >> np.uint32(8)))
    return int(crc ^ np.uint32(0xFFFFFFFF))
