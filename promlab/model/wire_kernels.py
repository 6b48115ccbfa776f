"""Reading protobuf messages of any schema into columns: the wire format, and nothing of its sense.

`count_fields` walks a whole message, checks it and counts the entries of each field;
`read_fields` walks it again and fills the columns. What the schema does not name is skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from promlab.jit import kernel

Bytes = npt.NDArray[np.uint8]
Small = npt.NDArray[np.int32]
Index = npt.NDArray[np.int64]

_U: Any = np.uint64
_I: Any = np.int64

# What a field holds; from 0 on it is a message, of that number.
VARINT, FIXED64, FIXED32, TEXT = -1, -2, -3, -4
MAX_DEPTH = 16
_BAD = -1
_BODY = "Array(uint8, 1, 'C', readonly=True)"
_TABLES = "Array(int32, 2, 'C', readonly=True), Array(int32, 1, 'C', readonly=True)"


@kernel()
def varint(body: Bytes, at: int, end: int) -> tuple[int, int]:
    """A varint as u64, and where it ends; -1 where it is damaged."""
    value = _U(0)
    shift = _U(0)
    while at < end and shift < _U(64):
        byte = body[at]
        at += 1
        value |= _U(byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += _U(7)
    return value, _BAD


@kernel()
def little_endian(body: Bytes, at: int, size: int) -> int:
    """`size` bytes as u64."""
    bits: Any = _U(0)
    for i in range(size):
        bits |= _U(body[at + i]) << _U(8 * i)
    word: int = bits
    return word


@kernel()
def content(body: Bytes, at: int, end: int, wire: int) -> tuple[int, int]:
    """Where the content of a field begins and ends; an end of -1 where it is damaged."""
    stop: Any = _BAD
    if wire == 0:
        _, stop = varint(body, at, end)
    elif wire == 1:
        stop = at + 8
    elif wire == 5:
        stop = at + 4
    elif wire == 2:
        length, at = varint(body, at, end)
        if at >= 0 and length <= _U(end - at):
            stop = at + _I(length)
    if stop > end:
        stop = _BAD
    return at, stop


@kernel()
def _scalar(body: Bytes, at: int, end: int, what: int) -> tuple[int, int]:
    """A number of this kind, and where it ends; -1 where it is damaged."""
    if what == VARINT:
        return varint(body, at, end)
    size = 8 if what == FIXED64 else 4
    if at + size > end:
        return _U(0), _BAD
    return little_endian(body, at, size), at + size


@kernel()
def _walk(
    body: Bytes,
    delimited: bool,
    fields: Small,
    holds: Small,
    fill: bool,
    counts: Index,
    starts: Small,
    ends: Small,
    owners: Small,
    values: Any,
) -> int:
    """Count entries, or (with `fill`) write them where `counts` says. The damaged byte, or -1."""
    stop_at = np.zeros(MAX_DEPTH, np.int64)
    message = np.zeros(MAX_DEPTH, np.int64)
    number_of = np.zeros(MAX_DEPTH, np.int64)
    ordinals = np.zeros(len(counts), np.int64)
    depth = 0
    stop_at[0] = len(body)
    at: Any = _I(0)
    while True:
        while at >= stop_at[depth]:
            if depth == 0:
                return -1
            depth -= 1
        end = stop_at[depth]
        here = at
        number: Any = _I(1)
        wire: Any = _I(2)
        if depth > 0 or not delimited:
            key, at = varint(body, at, end)
            if at < 0:
                return int(here)
            number, wire = _I(key >> _U(3)), _I(key & _U(7))
            if number == 0:
                return int(here)
        at, stop = content(body, at, end, wire)
        if stop < 0:
            return int(here)
        field = fields[message[depth], number] if number < fields.shape[1] else -1
        if field < 0:
            at = stop
            continue
        what = holds[field]
        if what >= 0 or what == TEXT:
            if wire != 2:
                return int(here)
            if fill:
                place = counts[field]
                starts[place], ends[place] = at, stop
                owners[place] = number_of[depth]
            counts[field] += 1
            if what == TEXT:
                at = stop
                continue
            depth += 1
            stop_at[depth], message[depth] = stop, what
            number_of[depth] = ordinals[field]
            ordinals[field] += 1
            continue
        expected = 0 if what == VARINT else (1 if what == FIXED64 else 5)
        if wire != expected and wire != 2:
            return int(here)
        while at < stop:
            value, at = _scalar(body, at, stop, what)
            if at < 0:
                return int(here)
            if fill:
                place = counts[field]
                values[place] = value
                owners[place] = number_of[depth]
            counts[field] += 1


@kernel(f"int64({_BODY}, boolean, {_TABLES}, int64[::1])")
def count_fields(body: Bytes, delimited: bool, fields: Small, holds: Small, counts: Index) -> int:
    """Adds the number of entries of each field to `counts`; the damaged byte, or -1.

    `fields[message, number]` is the field's place in `holds` and `counts`, -1 for one that is
    not wanted; message 0 is the whole. `holds` says what it holds. With `delimited` the whole
    is a sequence of messages, each after its length: field 1 of message 0.
    """
    none = np.zeros(0, np.int32)
    return _walk(
        body, delimited, fields, holds, False, counts, none, none, none, np.zeros(0, np.uint64)
    )


@kernel(
    f"int64({_BODY}, boolean, {_TABLES}, int64[::1], int32[::1], int32[::1], int32[::1],"
    " uint64[::1])"
)
def read_fields(
    body: Bytes,
    delimited: bool,
    fields: Small,
    holds: Small,
    places: Index,
    starts: Small,
    ends: Small,
    owners: Small,
    values: Any,
) -> int:
    """Fills the entries of each field from `places` on, for a body that was counted.

    `owners` is the ordinal, within its own field, of the message that an entry stands in.
    """
    return _walk(body, delimited, fields, holds, True, places, starts, ends, owners, values)


@kernel(
    f"boolean({_BODY}, Array(int32, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True),"
    f" {_BODY}, Array(int32, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True))"
)
def same_slices(
    left: Bytes, starts: Small, ends: Small, right: Bytes, other_starts: Small, other_ends: Small
) -> bool:
    """Whether the slices of one body have the bytes of those of another, one by one."""
    if len(starts) != len(other_starts):
        return False
    for k in range(len(starts)):
        size = ends[k] - starts[k]
        if size != other_ends[k] - other_starts[k]:
            return False
        i, j = starts[k], other_starts[k]
        for byte in range(size):
            if left[i + byte] != right[j + byte]:
                return False
    return True
