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
_BYTES = "Array(uint8, 1, 'C', readonly=True)"
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


@kernel(f"uint32({_BYTES})")
def crc32c(body: Any) -> int:
    """The Castagnoli checksum."""
    table = _crc_table()
    crc: Any = np.uint32(0xFFFFFFFF)
    for byte in body:
        at = (crc ^ np.uint32(byte)) & np.uint32(0xFF)
        crc = np.uint32(table[at] ^ np.uint32(crc >> np.uint32(8)))
    return int(crc ^ np.uint32(0xFFFFFFFF))


@kernel()
def _get(body: Any, bit: int, end: int, n: int) -> Any:
    """The next n bits as a number; those beyond the end are 0."""
    found = _U(0)
    for i in range(bit, bit + n):
        found <<= _U(1)
        if i < end and body[i >> 3] & np.uint8(128 >> (i & 7)):
            found |= _U(1)
    return found


@kernel()
def _get_varint(body: Any, bit: int, end: int) -> Any:
    """A varint, and where the next bit is."""
    value, shift = _U(0), 0
    while shift < 70:
        byte = _get(body, bit, end, 8)
        bit += 8
        if shift < 64:
            value |= (byte & _U(0x7F)) << _U(shift)
        if byte < _U(0x80):
            break
        shift += 7
    return value, bit


@kernel()
def _get_dod(body: Any, bit: int, end: int) -> Any:
    """A difference of differences, and where the next bit is."""
    ones = 0
    while ones < 4 and _get(body, bit, end, 1):
        bit += 1
        ones += 1
    if ones == 4:
        return _I(_get(body, bit, end, 64)), bit + 64
    bit += 1
    if ones == 0:
        return _I(0), bit
    size = 11 + 3 * ones
    value = _I(_get(body, bit, end, size))
    if value > _I(1) << _I(size - 1):
        value -= _I(1) << _I(size)
    return value, bit + size


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
                first, bit = _get_varint(body, bit, end)
                t = _I(first >> _U(1)) ^ -_I(first & _U(1))
                word = _get(body, bit, end, 64)
                bit += 64
            else:
                if i == 1:
                    ahead, bit = _get_varint(body, bit, end)
                    delta = _I(ahead)
                else:
                    dod, bit = _get_dod(body, bit, end)
                    delta += dod
                t += delta
                bit += 1
                if _get(body, bit - 1, end, 1):
                    bit += 1
                    if _get(body, bit - 1, end, 1):
                        leading = _I(_get(body, bit, end, 5))
                        size = _I(_get(body, bit + 5, end, 6))
                        size = _I(64) if size == 0 else size
                        bit += 11
                    if leading + size > 64:
                        return int(c)
                    word ^= _get(body, bit, end, size) << _U((64 - leading - size) & 63)
                    bit += size
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
        crc: Any = np.uint32(0xFFFFFFFF)
        for i in range(at, at + size):
            out[to] = raw[i]
            to += 1
            place = (crc ^ np.uint32(raw[i])) & np.uint32(0xFF)
            crc = np.uint32(table[place] ^ np.uint32(crc >> np.uint32(8)))
        if _U(np.uint32(crc ^ np.uint32(0xFFFFFFFF))) != told:
            return -1
        at += size
    return to
