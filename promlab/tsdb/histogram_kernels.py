"""Kernels over stored histograms: records to and from columns, and what changed in between.

A record is `u32 CRC-32 of the body | varint bytes of the body | body`. The body of a histogram:

    u8 flags | i8 schema | varint positive buckets | varint negative buckets
    | f64 zero threshold, if flags say so | varint offset of its bounds, if the schema is -53
    | f64 sum | count | zero count | positive buckets | negative buckets

Flags: hint (bits 0, 1) | all counts are integers (bit 2) | zero threshold: 0, 2^-128, given
(bits 3, 4). Counts are varints if they are integers, else f64. Buckets of one sign are their
indices as zigzag varints of differences, then their counts: as zigzag varints of differences,
or f64. Bounds are a record of their own, with the flags 255: varint number | f64 each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import (
    bytes_at,
    get_long,
    get_varint,
    put_long,
    put_varint,
    unzigzag,
    zigzag,
)
from promlab.tsdb.crc_kernels import crc32

I64 = "Array(int64, 1, 'C', readonly=True)"
I32 = "Array(int32, 1, 'C', readonly=True)"
I8 = "Array(int8, 1, 'C', readonly=True)"
F64 = "Array(float64, 1, 'C', readonly=True)"
TABLE = f"{I8}, {F64}, {F64}, {F64}, {F64}, {I64}, {I32}, {F64}, {I64}, {I32}, {F64}"

HEADER_BYTES = 16  # of a segment: magic, newest time
RECORD_MAX = 96  # bytes of a record beside its buckets ...
BUCKET_MAX = 16  # ... and of each of these
BOUNDS = 255
CUSTOM_SCHEMA = -53
_INTEGERS = 4
_USUAL_THRESHOLD = 2.0**-128
_EXACT = 9.0e15  # integers below are exact in a double
_UNKNOWN, _RESET, _NOT_RESET, _GAUGE = 0, 1, 2, 3


@kernel()
def _bits(x: Any) -> Any:
    cell = np.empty(1, np.float64)
    cell[0] = x
    return cell.view(np.int64)[0]


@kernel()
def _float(bits: Any) -> Any:
    cell = np.empty(1, np.int64)
    cell[0] = bits
    return cell.view(np.float64)[0]


@kernel()
def _is_count(x: Any) -> Any:
    return 0.0 <= x < _EXACT and x == np.floor(x) and not (x == 0.0 and _bits(x) != 0)


@kernel()
def _put_count(x: Any, integers: Any, out: Any, p: Any) -> Any:
    if integers:
        return put_varint(out, p, np.uint64(x))
    return put_long(out, p, _bits(x))


@kernel()
def _get_count(integers: Any, buffer: Any, p: Any, end: Any) -> Any:
    """A count and the position after it, or -1."""
    if p < 0:
        return 0.0, -1
    if integers:
        u, p = get_varint(buffer, p, end)
        return np.float64(u), p
    if p + 8 > end:
        return 0.0, -1
    return _float(get_long(buffer, p)), p + 8


@kernel()
def _put_side(
    indices: Any, counts: Any, first: Any, last: Any, integers: Any, out: Any, p: Any
) -> Any:
    before = np.int64(0)
    for i in range(first, last):
        p = put_varint(out, p, zigzag(np.int64(indices[i]) - before))
        before = np.int64(indices[i])
    before = np.int64(0)
    for i in range(first, last):
        if integers:
            count = np.int64(counts[i])
            p = put_varint(out, p, zigzag(count - before))
            before = count
        else:
            p = put_long(out, p, _bits(counts[i]))
    return p


@kernel()
def _seal_record(out: Any, start: Any, body: Any, end: Any) -> Any:
    """Frame the body at [body, end) as a record at `start`; the position after it."""
    length = end - body
    crc = crc32(out, body, end, 0)
    for k in range(4):
        out[start + k] = np.uint8((crc >> (8 * k)) & 255)
    p = put_varint(out, start + 4, np.uint64(length))
    for i in range(length):
        out[p + i] = out[body + i]
    return p + length


@kernel(f"int64({TABLE}, {I64}, {I8}, {I64}, uint8[::1], int64, int64[::1])")
def put_records(
    schema: Any,
    threshold: Any,
    zero_count: Any,
    count: Any,
    total: Any,
    p_offsets: Any,
    p_indices: Any,
    p_counts: Any,
    n_offsets: Any,
    n_indices: Any,
    n_counts: Any,
    rows: Any,
    hints: Any,
    bounds_at: Any,
    out: Any,
    at: Any,
    offsets: Any,
) -> Any:
    """Records of some rows into `out` at `at`, which has room; the position after them.

    `hints` and `bounds_at` go with `rows`; so does `offsets`, where each record begins.
    """
    for k in range(len(rows)):
        r = rows[k]
        a, b, c, d = p_offsets[r], p_offsets[r + 1], n_offsets[r], n_offsets[r + 1]
        integers = _is_count(count[r]) and _is_count(zero_count[r])
        for i in range(a, b):
            integers = integers and _is_count(p_counts[i])
        for i in range(c, d):
            integers = integers and _is_count(n_counts[i])
        kind = 2
        if _bits(threshold[r]) == 0:
            kind = 0
        elif threshold[r] == _USUAL_THRESHOLD:
            kind = 1
        start, body = at, at + 14
        out[body] = np.uint8(hints[k] | (_INTEGERS if integers else 0) | kind << 3)
        out[body + 1] = np.uint8(schema[r] & 255)
        p = put_varint(out, body + 2, np.uint64(b - a))
        p = put_varint(out, p, np.uint64(d - c))
        if kind == 2:
            p = put_long(out, p, _bits(threshold[r]))
        if schema[r] == CUSTOM_SCHEMA:
            p = put_varint(out, p, np.uint64(bounds_at[k]))
        p = put_long(out, p, _bits(total[r]))
        p = _put_count(count[r], integers, out, p)
        p = _put_count(zero_count[r], integers, out, p)
        p = _put_side(p_indices, p_counts, a, b, integers, out, p)
        p = _put_side(n_indices, n_counts, c, d, integers, out, p)
        offsets[k] = start
        at = _seal_record(out, start, body, p)
    return at


@kernel(f"int64({F64}, uint8[::1], int64)")
def put_bounds(bounds: Any, out: Any, at: Any) -> Any:
    """A record of bounds; the position after it."""
    body = at + 14
    out[body] = BOUNDS
    p = put_varint(out, body + 1, np.uint64(len(bounds)))
    for i in range(len(bounds)):
        p = put_long(out, p, _bits(bounds[i]))
    return _seal_record(out, at, body, p)


@kernel()
def _body_of(buffer: Any, at: Any, size: Any, check: Any) -> Any:
    """Where the body of the record at `at` begins and ends; (-1, -1) if it is damaged."""
    if at < HEADER_BYTES or at + 6 > size:
        return np.int64(-1), np.int64(-1)
    length, p = get_varint(buffer, at + 4, size)
    if p < 0 or length < np.uint64(2) or length > np.uint64(size - p):
        return np.int64(-1), np.int64(-1)
    end = p + np.int64(length)
    if check:
        crc = np.int64(0)
        for k in range(4):
            crc |= np.int64(buffer[at + k]) << np.int64(8 * k)
        if crc32(buffer, p, end, 0) != crc:
            return np.int64(-1), np.int64(-1)
    return np.int64(p), end


@kernel("int64(uint64, int64)")
def end_of_records(address: Any, size: Any) -> Any:
    """Where the records of a segment that are sound end."""
    buffer = bytes_at(address, size)
    at = np.int64(HEADER_BYTES)
    while True:
        _, end = _body_of(buffer, at, size, True)
        if end < 0:
            return at
        at = end


@kernel("int64(uint64, int64, int64, float64[::1])")
def get_bounds(address: Any, size: Any, at: Any, out: Any) -> Any:
    """Bounds of the record at `at`: how many, or -1; `out` has room for all of them, or none."""
    buffer = bytes_at(address, size)
    p, end = _body_of(buffer, at, size, True)
    if p < 0 or buffer[p] != BOUNDS:
        return -1
    n, p = get_varint(buffer, p + 1, end)
    if p < 0 or np.int64(n) * 8 != end - p:
        return -1
    for i in range(len(out)):
        out[i] = _float(get_long(buffer, p + 8 * i))
    return np.int64(n)


@kernel("void(uint64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def measure(
    addresses: Any, sizes: Any, files: Any, offsets: Any, positive: Any, negative: Any
) -> None:
    """Numbers of buckets of each record; -1 where there is no sound one.

    Record i begins at `offsets[i]` of the file that is mapped at `addresses[files[i]]`.
    """
    for i in range(len(offsets)):
        positive[i] = negative[i] = -1
        size = sizes[files[i]] if files[i] >= 0 else np.int64(0)
        if size == 0:
            continue
        buffer = bytes_at(addresses[files[i]], size)
        p, end = _body_of(buffer, offsets[i], size, True)
        if p < 0 or buffer[p] == BOUNDS:
            continue
        a, p = get_varint(buffer, p + 2, end)
        b, p = get_varint(buffer, p, end) if p >= 0 else (np.uint64(0), p)
        most = np.uint64(end)
        if p < 0 or a > most or b > most or np.int64(a + b) * 2 > end - p:
            continue
        positive[i], negative[i] = np.int64(a), np.int64(b)


@kernel()
def _get_side(
    n: Any, integers: Any, buffer: Any, p: Any, end: Any, indices: Any, counts: Any, at: Any
) -> Any:
    before = np.int64(0)
    for i in range(n):
        if p < 0:
            return -1
        u, p = get_varint(buffer, p, end)
        before += unzigzag(u)
        indices[at + i] = np.int32(before)
    before = np.int64(0)
    for i in range(n):
        if p < 0:
            return -1
        if integers:
            u, p = get_varint(buffer, p, end)
            before += unzigzag(u)
            counts[at + i] = np.float64(before)
        elif p + 8 > end:
            return -1
        else:
            counts[at + i] = _float(get_long(buffer, p))
            p += 8
    return p


@kernel(
    "int64(uint64[::1], int64[::1], int64[::1], int64[::1], int8[::1], float64[::1],"
    " float64[::1], float64[::1], float64[::1], int8[::1], int64[::1], int64[::1], int32[::1],"
    " float64[::1], int64[::1], int32[::1], float64[::1])"
)
def get_records(
    addresses: Any,
    sizes: Any,
    files: Any,
    offsets: Any,
    schema: Any,
    threshold: Any,
    zero_count: Any,
    count: Any,
    total: Any,
    hint: Any,
    bounds_at: Any,
    p_offsets: Any,
    p_indices: Any,
    p_counts: Any,
    n_offsets: Any,
    n_indices: Any,
    n_counts: Any,
) -> Any:
    """Columns of records that `measure` found sound; the row where one is not, or -1.

    `p_offsets` and `n_offsets` are filled in; `bounds_at` becomes -1 for exponential ones.
    """
    for i in range(len(offsets)):
        size = sizes[files[i]]
        buffer = bytes_at(addresses[files[i]], size)
        p, end = _body_of(buffer, offsets[i], size, False)
        if p < 0:
            return i
        flags = np.int64(buffer[p])
        integers = (flags & _INTEGERS) != 0
        kind = (flags >> 3) & 3
        hint[i] = np.int8(flags & 3)
        schema[i] = np.int8(buffer[p + 1])
        _, p = get_varint(buffer, p + 2, end)
        _, p = get_varint(buffer, p, end)
        threshold[i] = _USUAL_THRESHOLD if kind == 1 else 0.0
        if kind == 2:
            threshold[i], p = _get_count(False, buffer, p, end)
        bounds_at[i] = -1
        if schema[i] == CUSTOM_SCHEMA and p >= 0:
            u, p = get_varint(buffer, p, end)
            bounds_at[i] = np.int64(u)
        total[i], p = _get_count(False, buffer, p, end)
        count[i], p = _get_count(integers, buffer, p, end)
        zero_count[i], p = _get_count(integers, buffer, p, end)
        a, b = p_offsets[i], n_offsets[i]
        many, few = p_offsets[i + 1] - a, n_offsets[i + 1] - b
        p = _get_side(many, integers, buffer, p, end, p_indices, p_counts, a)
        p = _get_side(few, integers, buffer, p, end, n_indices, n_counts, b)
        if p != end:
            return i
    return -1


@kernel()
def _fell(offsets: Any, indices: Any, counts: Any, before: Any, now: Any) -> Any:
    """Whether a bucket of `before` holds less now."""
    k, end = offsets[now], offsets[now + 1]
    for i in range(offsets[before], offsets[before + 1]):
        while k < end and indices[k] < indices[i]:
            k += 1
        here = counts[k] if k < end and indices[k] == indices[i] else 0.0
        if here < counts[i]:
            return True
    return False


@kernel()
def _same_side(offsets: Any, indices: Any, counts: Any, a: Any, b: Any) -> Any:
    first, other = offsets[a], offsets[b]
    n = offsets[a + 1] - first
    if offsets[b + 1] - other != n:
        return False
    for i in range(n):
        x, y = counts[first + i], counts[other + i]
        if indices[first + i] != indices[other + i] or (x != y and not (x != x and y != y)):
            return False
    return True


@kernel(f"void({TABLE}, {I8}, {I64}, {I64}, {I64}, int8[::1], boolean[::1])")
def compare(
    schema: Any,
    threshold: Any,
    zero_count: Any,
    count: Any,
    total: Any,
    p_offsets: Any,
    p_indices: Any,
    p_counts: Any,
    n_offsets: Any,
    n_indices: Any,
    n_counts: Any,
    hint: Any,
    bounds: Any,
    before: Any,
    now: Any,
    hints: Any,
    equal: Any,
) -> None:
    """Of each row `now[i]` and the one before it in its series, `before[i]` (-1: none).

    `hints[i]` becomes what is known of a counter reset between the two, `equal[i]` whether they
    are the same. `bounds` tells custom bounds apart.
    """
    for i in range(len(now)):
        b, a = now[i], before[i]
        equal[i] = False
        hints[i] = _UNKNOWN
        if hint[b] == _GAUGE or hint[b] == _RESET:
            hints[i] = hint[b]
        if a < 0:
            continue
        alike = schema[a] == schema[b] and bounds[a] == bounds[b]
        alike = alike and threshold[a] == threshold[b]
        equal[i] = (
            alike
            and count[a] == count[b]
            and zero_count[a] == zero_count[b]
            and _bits(total[a]) == _bits(total[b])
            and _same_side(p_offsets, p_indices, p_counts, a, b)
            and _same_side(n_offsets, n_indices, n_counts, a, b)
        )
        # As in Prometheus, only "no reset" is said: where there may be one, queries look.
        if hints[i] == _UNKNOWN and hint[a] != _GAUGE and alike and count[b] >= count[a]:
            fell = (
                zero_count[b] < zero_count[a]
                or _fell(p_offsets, p_indices, p_counts, a, b)
                or _fell(n_offsets, n_indices, n_counts, a, b)
            )
            hints[i] = _UNKNOWN if fell else _NOT_RESET


@kernel("void(u4[::1], i8[::1], i8[::1], i8[::1], i8, i8[::1])")
def samples_before(
    series: Any, t_ms: Any, order: Any, newest: Any, floor: Any, before: Any
) -> None:
    """Of each sample of an append the one before it in its series that is taken in order, or -1.

    `order` sorts them by series; a sample is taken if it is younger than all before it, than its
    series' newest, and not older than `floor`.
    """
    last = np.int64(-1)
    for k in range(len(order)):
        i = order[k]
        if k == 0 or series[i] != series[order[k - 1]]:
            last = np.int64(-1)
        before[i] = last
        t = newest[series[i]] if last < 0 else t_ms[last]
        if t_ms[i] > t and t_ms[i] >= floor:
            last = i
