"""The column codec: samples of one series to bytes and back, bit for bit.

A column is: all holes (1 byte) | constant (9 bytes) | decimal: the smallest power of ten that
makes all values integers, then the integers, their differences, or the differences of those
as zigzag varints, whichever is shortest | xor with the previous value, the byte planes that
are not all zero. Where only some rows have a value, a bitmap of those rows comes first.
Values travel as their 64 bits in an i64, so that no NaN loses its payload.

Decoders never read outside the bytes they are given: damaged input ends in position -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import carray, intrinsic, ir, kernel, types

HOLE = 0x7FF4686F6C657F01  # "no sample here": a NaN that no decoder ever gives out
HISTOGRAM = 0x7FF5  # highest 16 bits of a reference to a histogram (histogram_files.py)
NAN = 0x7FF8000000000001  # what a user's NaN with exactly those bits becomes

CONSTANT, RAW, DELTA, DELTA2, PLANES, HOLES = 0, 1, 2, 3, 4, 5
MASKED = 0x80
MAX_ROWS = 256  # most rows of a chunk
MORE = 0x8080808080808080  # of eight bytes: another byte of the varint follows
_MORE_OF_TWO = 0x0080008000800080  # of four varints of two bytes each
MAX_EXPONENT = 12
_LIMIT = 9.0e15  # integers below are exact in a double
POWERS = 10.0 ** np.arange(MAX_EXPONENT + 1)
COLUMN_MAX = 64 + 11 * MAX_ROWS  # bytes that one column can take at most


@intrinsic
def _pointer(context: Any, address: Any) -> Any:
    """An address as a pointer."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), build


@kernel()
def bytes_at(address: Any, n: Any) -> Any:
    """`n` bytes at an address (of a mapped file that the caller keeps alive)."""
    return carray(_pointer(address), n, np.uint8)


@kernel()
def longs_at(address: Any, n: Any) -> Any:
    """`n` 64-bit integers at an address."""
    return carray(_pointer(address), n, np.int64)


@kernel()
def zigzag(x: Any) -> Any:
    """Small magnitudes to small unsigned numbers."""
    return np.uint64((x << np.int64(1)) ^ (x >> np.int64(63)))


@kernel()
def unzigzag(u: Any) -> Any:
    """The inverse of `zigzag`."""
    return np.int64(u >> np.uint64(1)) ^ -np.int64(u & np.uint64(1))


@kernel()
def varint_size(u: Any) -> Any:
    """Bytes that a varint takes."""
    n = 1
    while u >= np.uint64(128):
        u >>= np.uint64(7)
        n += 1
    return n


@kernel()
def put_varint(out: Any, p: Any, u: Any) -> Any:
    """Write a varint; the position after it."""
    while u >= np.uint64(128):
        out[p] = np.uint8(u & np.uint64(127)) | np.uint8(128)
        p += 1
        u >>= np.uint64(7)
    out[p] = np.uint8(u)
    return p + 1


@kernel()
def get_varint(buffer: Any, p: Any, end: Any) -> Any:
    """Read a varint: (value, position after it or -1)."""
    u = np.uint64(0)
    shift = np.uint64(0)
    while p < end and shift < np.uint64(70):
        byte = np.uint64(buffer[p])
        p += 1
        u |= (byte & np.uint64(127)) << shift
        if byte < np.uint64(128):
            return u, p
        shift += np.uint64(7)
    return u, -1


@kernel()
def put_long(out: Any, p: Any, x: Any) -> Any:
    """Write 8 bytes, little-endian."""
    u = np.uint64(x)
    for k in range(8):
        out[p + k] = np.uint8((u >> np.uint64(8 * k)) & np.uint64(255))
    return p + 8


@kernel()
def get_long(buffer: Any, p: Any) -> Any:
    """Read 8 bytes, little-endian."""
    u = np.uint64(0)
    for k in range(8):
        u |= np.uint64(buffer[p + k]) << np.uint64(8 * k)
    return np.int64(u)


@kernel()
def encode_times(t_ms: Any, n: Any, out: Any, p: Any) -> Any:
    """Times as differences of differences."""
    last = np.int64(0)
    step = np.int64(0)
    for i in range(n):
        delta = t_ms[i] - last
        p = put_varint(out, p, zigzag(delta - step))
        step = delta if i else np.int64(0)
        last = t_ms[i]
    return p


@kernel()
def decode_times(buffer: Any, p: Any, end: Any, n: Any, out: Any) -> Any:
    """Inverse of `encode_times`."""
    last = np.int64(0)
    step = np.int64(0)
    for i in range(n):
        u, p = get_varint(buffer, p, end)
        if p < 0:
            return -1
        delta = step + unzigzag(u)
        last += delta
        step = delta if i else np.int64(0)
        out[i] = last
    return p


@kernel()
def scaled(bits: Any, values: Any, n: Any, integers: Any) -> Any:
    """Exponent of ten that makes all values exact integers (written out), or -1."""
    exponent = 0
    while exponent <= MAX_EXPONENT:
        power = POWERS[exponent]
        exact = True
        for i in range(n):
            x = values[i] * power
            if not -_LIMIT < x < _LIMIT:
                return -1
            q = np.int64(np.rint(x))
            if np.float64(q) / power != values[i] or (q == 0 and bits[i] != 0):
                exact = False
                break
            integers[i] = q
        if exact:
            return exponent
        exponent += 1
    return -1


@kernel()
def _encode_integers(m: Any, n: Any, exponent: Any, out: Any, p: Any) -> Any:
    """Integers as they are, as differences, or as differences of differences."""
    raw = delta = delta2 = np.int64(0)
    last = step = np.int64(0)
    for i in range(n):
        d = m[i] - last
        raw += varint_size(zigzag(m[i]))
        delta += varint_size(zigzag(d))
        delta2 += varint_size(zigzag(d - step))
        step = d if i else np.int64(0)
        last = m[i]
    kind = RAW
    if delta <= raw:
        kind = DELTA
    if delta2 < min(raw, delta):
        kind = DELTA2
    out[p] = kind
    out[p + 1] = exponent
    p += 2
    if kind == DELTA2:
        return encode_times(m, n, out, p)
    last = np.int64(0)
    for i in range(n):
        p = put_varint(out, p, zigzag(m[i] - last))
        if kind == DELTA:
            last = m[i]
    return p


@kernel()
def _encode_planes(bits: Any, n: Any, out: Any, p: Any) -> Any:
    """Xor with the previous value, byte plane by byte plane, all-zero planes left out."""
    used = np.int64(0)
    last = np.int64(0)
    for i in range(n):
        used |= bits[i] ^ last
        last = bits[i]
    out[p] = PLANES
    mask_at = p + 1
    out[mask_at] = 0
    p += 2
    for k in range(8):
        shift = np.uint64(8 * k)
        if (np.uint64(used) >> shift) & np.uint64(255) == np.uint64(0):
            continue
        out[mask_at] |= np.uint8(1 << k)
        last = np.int64(0)
        for i in range(n):
            out[p] = np.uint8((np.uint64(bits[i] ^ last) >> shift) & np.uint64(255))
            last = bits[i]
            p += 1
    return p


@kernel()
def encode_values(bits: Any, values: Any, n: Any, integers: Any, out: Any, p: Any) -> Any:
    """`n` >= 1 values without holes; `values` is `bits` seen as floats."""
    same = True
    for i in range(1, n):
        if bits[i] != bits[0]:
            same = False
            break
    if same:
        out[p] = CONSTANT
        return put_long(out, p + 1, bits[0])
    exponent = scaled(bits, values, n, integers)
    if exponent >= 0:
        return _encode_integers(integers, n, exponent, out, p)
    return _encode_planes(bits, n, out, p)


@kernel()
def encode_column(
    bits: Any, values: Any, n: Any, scratch: Any, dense: Any, integers: Any, out: Any, p: Any
) -> Any:
    """A column with holes: `scratch` i64[n] with its float view `dense`, for what is there."""
    count = 0
    for i in range(n):
        if bits[i] != HOLE:
            scratch[count] = bits[i]
            count += 1
    if count == 0:
        out[p] = HOLES
        return p + 1
    if count == n:
        return encode_values(bits, values, n, integers, out, p)
    out[p] = MASKED
    p += 1
    for i in range((n + 7) // 8):
        out[p + i] = 0
    for i in range(n):
        if bits[i] != HOLE:
            out[p + i // 8] |= np.uint8(1 << (i % 8))
    p += (n + 7) // 8
    return encode_values(scratch, dense, count, integers, out, p)


@kernel()
def _decode_planes(buffer: Any, p: Any, end: Any, n: Any, out: Any) -> Any:
    if p >= end:
        return -1
    mask = buffer[p]
    p += 1
    for i in range(n):
        out[i] = 0
    for k in range(8):
        if not mask & np.uint8(1 << k):
            continue
        if p + n > end:
            return -1
        for i in range(n):
            out[i] |= np.int64(np.uint64(buffer[p + i]) << np.uint64(8 * k))
        p += n
    for i in range(1, n):
        out[i] ^= out[i - 1]
    return p


@kernel()
def short_varint(word: Any) -> Any:
    """A varint of one or two bytes at a word's low end, and its bits there; without a branch."""
    two = (word >> np.uint64(7)) & np.uint64(1)
    high = (word >> np.uint64(1)) & np.uint64(127 << 7)
    return word & np.uint64(127) | high * two, np.uint64(8) + np.uint64(8) * two


@kernel()
def _decode_varints(buffer: Any, p: Any, end: Any, n: Any, out: Any) -> Any:
    """`n` signed varints into `out`: eight or four at a time where they are short.

    Where no two bytes in a row say that another one follows, all have one byte or two.
    """
    address = np.uint64(buffer.ctypes.data)
    i = np.int64(0)
    while i < n:
        if i + 8 <= n and p + 8 <= end:
            word = np.uint64(longs_at(address + np.uint64(p), 1)[0])
            more = word & np.uint64(MORE)
            if more == np.uint64(0):
                for k in range(8):
                    out[i + k] = unzigzag((word >> np.uint64(8 * k)) & np.uint64(127))
                i += 8
                p += 8
                continue
            if more == np.uint64(_MORE_OF_TWO):
                for k in range(4):
                    low = (word >> np.uint64(16 * k)) & np.uint64(127)
                    high = (word >> np.uint64(16 * k + 8)) & np.uint64(127)
                    out[i + k] = unzigzag(low | high << np.uint64(7))
                i += 4
                p += 8
                continue
            if more & (more >> np.uint64(8)) == np.uint64(0):
                for k in range(4):
                    u, size = short_varint(word)
                    out[i + k] = unzigzag(u)
                    word >>= size
                    p += np.int64(size >> np.uint64(3))
                i += 4
                continue
        if p < end and buffer[p] < 128:
            u = np.uint64(buffer[p])
            p += 1
        else:
            u, p = get_varint(buffer, p, end)
            if p < 0:
                return -1
        out[i] = unzigzag(u)
        i += 1
    return p


@kernel()
def _decode_integers(buffer: Any, p: Any, end: Any, n: Any, kind: Any, out: Any) -> Any:
    if p >= end or buffer[p] > MAX_EXPONENT:
        return -1
    power = POWERS[buffer[p]]
    p = _decode_varints(buffer, p + 1, end, n, out)
    if p < 0:
        return -1
    last = np.int64(0)
    if kind == DELTA:
        for i in range(n):
            last += out[i]
            out[i] = last
    elif kind == DELTA2:
        step = np.int64(0)
        for i in range(n):
            step += out[i]
            last += step
            out[i] = last
            step = step if i else np.int64(0)
    # One array, seen as integers: the compiler then knows that nothing overlaps.
    if power == 1.0:
        for i in range(n):
            out[i] = np.float64(out[i]).view(np.int64)
    else:
        for i in range(n):
            out[i] = np.float64(np.float64(out[i]) / power).view(np.int64)
    return p


@kernel()
def decode_values(buffer: Any, p: Any, end: Any, n: Any, out: Any) -> Any:
    """`n` values into `out`, as their bits; the position after them or -1."""
    if p >= end:
        return -1
    kind = buffer[p]
    p += 1
    if kind == CONSTANT:
        if p + 8 > end:
            return -1
        x = get_long(buffer, p)
        for i in range(n):
            out[i] = x
        return p + 8
    if kind == PLANES:
        return _decode_planes(buffer, p, end, n, out)
    if kind > PLANES:
        return -1
    return _decode_integers(buffer, p, end, n, kind, out)


@kernel()
def decode_column(buffer: Any, p: Any, end: Any, n: Any, out: Any) -> Any:
    """A column into `out` i64[n], HOLE where there is no sample; position after it or -1."""
    if p >= end or p < 0:
        return -1
    if buffer[p] == HOLES:
        for i in range(n):
            out[i] = HOLE
        return p + 1
    if buffer[p] != MASKED:
        return decode_values(buffer, p, end, n, out)
    mask = p + 1
    p = mask + (n + 7) // 8
    if p >= end:
        return -1
    count = 0
    for i in range(n):
        count += (buffer[mask + i // 8] >> np.uint8(i % 8)) & 1
    p = decode_values(buffer, p, end, count, out)
    if p < 0:
        return -1
    for i in range(n - 1, -1, -1):
        if (buffer[mask + i // 8] >> np.uint8(i % 8)) & 1:
            count -= 1
            out[i] = out[count]
        else:
            out[i] = HOLE
    return p


@kernel("i8(i8[::1], u1[::1])")
def encode(bits: Any, out: Any) -> Any:
    """One column, alone; returns its length. `out` has COLUMN_MAX bytes; n <= MAX_ROWS."""
    n = len(bits)
    scratch = np.empty(n, np.int64)
    integers = np.empty(n, np.int64)
    values = bits.view(np.float64)
    return encode_column(bits, values, n, scratch, scratch.view(np.float64), integers, out, 0)


@kernel("i8(u1[::1], i8[::1])")
def decode(buffer: Any, out: Any) -> Any:
    """One column, alone; the bytes read, or -1 if they are damaged."""
    return decode_column(buffer, 0, len(buffer), len(out), out)
