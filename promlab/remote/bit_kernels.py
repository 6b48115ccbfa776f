"""Bits of chunks, highest first: numbers, varints, differences of times, XORs of doubles.

Prometheus's variable-length integers are those of its histogram chunks: some ones say how many
bits the number has, as with the differences of differences of its XOR chunks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel

_U: Any = np.uint64
_I: Any = np.int64


@kernel()
def put(out: Any, bit: int, value: Any, n: int) -> int:
    """The lowest n bits of a value, highest first; returns where the next bit goes."""
    for i in range(n - 1, -1, -1):
        if (value >> _U(i)) & _U(1):
            out[bit >> 3] |= np.uint8(128 >> (bit & 7))
        bit += 1
    return bit


@kernel()
def put_varint(out: Any, bit: int, value: Any) -> int:
    """A varint of whole bytes, the lowest seven bits first."""
    while value >= _U(0x80):
        bit = put(out, bit, (value & _U(0x7F)) | _U(0x80), 8)
        value >>= _U(7)
    return int(put(out, bit, value, 8))


@kernel()
def put_dod(out: Any, bit: int, dod: Any) -> int:
    """The difference of two differences of times."""
    word = _U(dod)
    if dod == 0:
        return int(put(out, bit, _U(0), 1))
    if -8191 <= dod <= 8192:
        return int(put(out, put(out, bit, _U(0b10), 2), word, 14))
    if -65535 <= dod <= 65536:
        return int(put(out, put(out, bit, _U(0b110), 3), word, 17))
    if -524287 <= dod <= 524288:
        return int(put(out, put(out, bit, _U(0b1110), 4), word, 20))
    return int(put(out, put(out, bit, _U(0b1111), 4), word, 64))


@kernel()
def zeros(word: Any) -> tuple[int, int]:
    """How many bits before the first and behind the last one are 0; the word is not 0."""
    leading = 0
    while not (word >> _U(63 - leading)) & _U(1):
        leading += 1
    trailing = 0
    while not (word >> _U(trailing)) & _U(1):
        trailing += 1
    return leading, trailing


@kernel()
def get(body: Any, bit: int, end: int, n: int) -> Any:
    """The next n bits as a number; those beyond the end are 0."""
    found = _U(0)
    for i in range(bit, bit + n):
        found <<= _U(1)
        if i < end and body[i >> 3] & np.uint8(128 >> (i & 7)):
            found |= _U(1)
    return found


@kernel()
def get_varint(body: Any, bit: int, end: int) -> Any:
    """A varint, and where the next bit is."""
    value, shift = _U(0), 0
    while shift < 70:
        byte = get(body, bit, end, 8)
        bit += 8
        if shift < 64:
            value |= (byte & _U(0x7F)) << _U(shift)
        if byte < _U(0x80):
            break
        shift += 7
    return value, bit


@kernel()
def _get_ones(body: Any, bit: int, end: int, most: int) -> Any:
    """How many ones there are, and where the next bit is: behind a 0 if there are not `most`."""
    ones = 0
    while ones < most and get(body, bit, end, 1):
        bit += 1
        ones += 1
    return ones, bit + (1 if ones < most else 0)


@kernel()
def _signed(word: Any, size: int) -> Any:
    """The number that so many bits stand for: those above the half are below zero."""
    value = _I(word)
    if 0 < size < 64 and value > _I(1) << _I(size - 1):
        value -= _I(1) << _I(size)
    return value


@kernel()
def get_dod(body: Any, bit: int, end: int) -> Any:
    """A difference of differences, and where the next bit is."""
    ones, bit = _get_ones(body, bit, end, 4)
    if ones == 0:
        return _I(0), bit
    size = 64 if ones == 4 else 11 + 3 * ones
    return _signed(get(body, bit, end, size), size), bit + size


@kernel()
def put_xor(out: Any, bit: int, xor: Any, leading: int, trailing: int) -> Any:
    """What differs from the double before; `leading` is -1 where none has differed yet.

    Returns where the next bit goes, and the window of bits that is in use from now on.
    """
    if xor == _U(0):
        return put(out, bit, _U(0), 1), leading, trailing
    bit = put(out, bit, _U(1), 1)
    lead, trail = zeros(xor)
    lead = min(lead, 31)
    if leading >= 0 and lead >= leading and trail >= trailing:
        bit = put(out, bit, _U(0), 1)
        return put(out, bit, xor >> _U(trailing), 64 - leading - trailing), leading, trailing
    size = 64 - lead - trail
    bit = put(out, bit, _U(1), 1)
    bit = put(out, bit, _U(lead), 5)
    bit = put(out, bit, _U(size), 6)
    return put(out, bit, xor >> _U(trail), size), lead, trail


@kernel()
def get_xor(body: Any, bit: int, end: int, leading: int, size: int) -> Any:
    """What differs, where the next bit is, and the window: a size of -1 is damaged."""
    bit += 1
    if not get(body, bit - 1, end, 1):
        return _U(0), bit, leading, size
    bit += 1
    if get(body, bit - 1, end, 1):
        leading = _I(get(body, bit, end, 5))
        size = _I(get(body, bit + 5, end, 6))
        size = _I(64) if size == 0 else size
        bit += 11
    if leading + size > 64:
        return _U(0), bit, leading, _I(-1)
    xor = get(body, bit, end, size) << _U((64 - leading - size) & 63)
    return xor, bit + size, leading, size


@kernel()
def _class_bits(ones: int) -> int:
    """How many bits a number has behind this many ones."""
    if ones < 5:
        return 3 * ones
    if ones < 7:
        return 18 if ones == 5 else 25
    return 56 if ones == 7 else 64


@kernel()
def _put_class(out: Any, bit: int, word: Any, ones: int) -> int:
    for _ in range(ones):
        bit = put(out, bit, _U(1), 1)
    if ones < 8:
        bit = put(out, bit, _U(0), 1)
    return int(put(out, bit, word, _class_bits(ones)))


@kernel()
def put_signed(out: Any, bit: int, value: Any) -> int:
    """A signed integer of variable length."""
    ones = 0
    if value != 0:
        ones = 1
        while ones < 8:
            half = _I(1) << _I(_class_bits(ones) - 1)
            if 1 - half <= value <= half:
                break
            ones += 1
    return int(_put_class(out, bit, _U(value), ones))


@kernel()
def put_unsigned(out: Any, bit: int, value: Any) -> int:
    """An unsigned integer of variable length."""
    ones = 0
    while ones < 8 and value >> _U(_class_bits(ones)):
        ones += 1
    return int(_put_class(out, bit, value, ones))


@kernel()
def _get_class(body: Any, bit: int, end: int) -> Any:
    ones, bit = _get_ones(body, bit, end, 8)
    size = _class_bits(ones)
    return get(body, bit, end, size), bit + size, size


@kernel()
def get_signed(body: Any, bit: int, end: int) -> Any:
    """A signed integer of variable length, and where the next bit is."""
    word, bit, size = _get_class(body, bit, end)
    return _signed(word, size), bit


@kernel()
def get_unsigned(body: Any, bit: int, end: int) -> Any:
    """An unsigned integer of variable length, and where the next bit is."""
    word, bit, _ = _get_class(body, bit, end)
    return word, bit
