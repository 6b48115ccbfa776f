"""A remote write body (protobuf, version 1) as columns.

`count_series` checks the whole body and says how large the columns are; `read_series` fills
them. A series is told by a keyed 128-bit hash of its labels' bytes (SipHash-1-3), so that its
labels need to be looked at only once in its life; `find_refs` and `keep_refs` are the table
from hashes to storage's references. The key is secret: nobody can make two series collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from promlab.jit import kernel

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_U: Any = np.uint64
_BODY = "Array(uint8, 1, 'C', readonly=True)"
_I = "Array(int64, 1, 'C', readonly=True)"
_H = "Array(uint64, 1, 'C', readonly=True)"

# Fields of the messages: WriteRequest, TimeSeries, Sample.
_TIMESERIES = 1
_LABELS, _SAMPLES, _EXEMPLARS, _HISTOGRAMS = 1, 2, 3, 4
_VALUE, _TIME = 1, 2
_BAD = -1


@kernel()
def _varint(body: Bytes, at: int, end: int) -> tuple[int, int]:
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
def _field(body: Bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Number, wire type, and where the content of the next field begins and ends.

    The content of a varint field is the varint itself. The end is -1 where it is damaged.
    """
    key, at = _varint(body, at, end)
    if at < 0:
        return 0, 0, 0, _BAD
    number: Any = np.int64(key >> _U(3))
    wire: Any = np.int64(key & _U(7))
    stop: Any = _BAD
    if wire == 0:
        _, stop = _varint(body, at, end)
    elif wire == 1:
        stop = at + 8
    elif wire == 5:
        stop = at + 4
    elif wire == 2:
        length, at = _varint(body, at, end)
        if at >= 0 and length <= _U(end - at):
            stop = at + np.int64(length)
    if number == 0 or stop > end:
        stop = _BAD
    return number, wire, at, stop


@kernel()
def _double(body: Bytes, at: int) -> float:
    bits = np.zeros(1, np.uint64)
    for i in range(8):
        bits[0] |= _U(body[at + i]) << _U(8 * i)
    value: float = bits.view(np.float64)[0]
    return value


@kernel(f"UniTuple(int64, 5)({_BODY})")
def count_series(body: Bytes) -> tuple[int, int, int, int, int]:
    """Series, samples, exemplars and histograms of a body, and where it is damaged, or -1."""
    series = samples = exemplars = histograms = 0
    at, end = 0, len(body)
    while at < end:
        number, wire, inner, stop = _field(body, at, end)
        if stop < 0:
            return 0, 0, 0, 0, at
        at = stop
        if number != _TIMESERIES:
            continue
        if wire != 2:
            return 0, 0, 0, 0, inner
        series += 1
        while inner < stop:
            number, wire, content, after = _field(body, inner, stop)
            if after < 0 or (number <= _HISTOGRAMS and wire != 2):
                return 0, 0, 0, 0, inner
            inner = after
            if number == _SAMPLES:
                samples += 1
                while content < after:
                    number, wire, _, past = _field(body, content, after)
                    good = (number != _VALUE or wire == 1) and (number != _TIME or wire == 0)
                    if past < 0 or not good:
                        return 0, 0, 0, 0, content
                    content = past
            elif number == _EXEMPLARS:
                exemplars += 1
            elif number == _HISTOGRAMS:
                histograms += 1
    return series, samples, exemplars, histograms, -1


@kernel(inline=True)
def _rotate(word: int, bits: int) -> int:
    rotated: int = (word << _U(bits)) | (word >> _U(64 - bits))
    return rotated


@kernel()
def _sip_round(state: Hashes) -> None:
    """SipHash's round (Aumasson, Bernstein: "SipHash: a fast short-input PRF")."""
    v0, v1, v2, v3 = state[0], state[1], state[2], state[3]
    v0 += v1
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 += v3
    v3 = _rotate(v3, 16) ^ v2
    v0 += v3
    v3 = _rotate(v3, 21) ^ v0
    v2 += v1
    v1 = _rotate(v1, 17) ^ v2
    v2 = _rotate(v2, 32)
    state[0], state[1], state[2], state[3] = v0, v1, v2, v3


@kernel()
def _sip_word(state: Hashes, word: int) -> None:
    state[3] ^= word
    _sip_round(state)
    state[0] ^= word


@kernel()
def _sip_bytes(state: Hashes, body: Bytes, at: int, end: int) -> None:
    _sip_word(state, _U(end - at))
    while at < end:
        word = _U(0)
        for i in range(min(8, end - at)):
            word |= _U(body[at + i]) << _U(8 * i)
        _sip_word(state, word)
        at += 8


@kernel()
def _sip_end(state: Hashes, mark: int) -> int:
    state[2 if mark else 1] ^= _U(0xEE) ^ _U(mark)
    for _ in range(3):
        _sip_round(state)
    hashed: int = state[0] ^ state[1] ^ state[2] ^ state[3]
    return hashed


@kernel(
    f"void({_BODY}, uint64, uint64, uint64[::1], uint64[::1], int64[::1], int64[::1],"
    " int64[::1], int64[::1], float64[::1])"
)
def read_series(
    body: Bytes,
    key_a: int,
    key_b: int,
    hash_a: Hashes,
    hash_b: Hashes,
    starts: Indices,
    ends: Indices,
    series_of: Indices,
    t_ms: Indices,
    values: npt.NDArray[np.float64],
) -> None:
    """Fills the columns from a body that `count_series` found sound.

    Per series: the two hashes of its labels, and where its message begins and ends. Per
    sample: the number of its series, time and value.
    """
    s, k, at = 0, 0, 0
    state = np.zeros(4, np.uint64)
    while at < len(body):
        number, _, inner, stop = _field(body, at, len(body))
        at = stop
        if number != _TIMESERIES:
            continue
        starts[s], ends[s] = inner, stop
        state[0] = _U(key_a) ^ _U(0x736F6D6570736575)
        state[1] = _U(key_b) ^ _U(0x646F72616E646F6D)
        state[2] = _U(key_a) ^ _U(0x6C7967656E657261)
        state[3] = _U(key_b) ^ _U(0x7465646279746573)
        while inner < stop:
            number, _, content, after = _field(body, inner, stop)
            inner = after
            if number == _LABELS:
                _sip_bytes(state, body, content, after)
            elif number == _SAMPLES:
                series_of[k], t_ms[k], values[k] = s, 0, 0.0
                while content < after:
                    number, _, value_at, past = _field(body, content, after)
                    if number == _VALUE:
                        values[k] = _double(body, value_at)
                    elif number == _TIME:
                        t_ms[k] = np.int64(_varint(body, value_at, past)[0])
                    content = past
                k += 1
        hash_a[s] = _sip_end(state, 0xEE)
        hash_b[s] = _sip_end(state, 0)
        s += 1


@kernel(f"int64({_BODY}, {_I}, {_I}, int64[:, ::1])")
def read_labels(body: Bytes, starts: Indices, ends: Indices, out: Indices) -> int:
    """Labels of the series whose messages begin and end there; returns how many, or -1.

    A row of `out` is: number of the series, begin and end of the name, begin and end of the
    value. Counts only where `out` has no rows.
    """
    count = 0
    for s in range(len(starts)):
        inner = starts[s]
        while inner < ends[s]:
            number, _, label, after = _field(body, inner, ends[s])
            inner = after
            if number != _LABELS:
                continue
            row = np.zeros(5, np.int64)
            row[0] = s
            while label < after:
                number, wire, text, past = _field(body, label, after)
                if past < 0 or (number <= 2 and wire != 2):
                    return _BAD
                if number <= 2:
                    row[2 * number - 1], row[2 * number] = text, past
                label = past
            if len(out):
                out[count] = row
            count += 1
    return count


@kernel(f"void({_H}, {_H}, {_H}, {_H}, {_H}, uint64[::1], boolean[::1])")
def find_refs(
    table_a: Hashes,
    table_b: Hashes,
    table_refs: Hashes,
    hash_a: Hashes,
    hash_b: Hashes,
    refs: Hashes,
    known: npt.NDArray[np.bool_],
) -> None:
    """References of series by their hashes; the table is open-addressed, 0, 0 is free."""
    mask = _U(len(table_a) - 1)
    for s in range(len(hash_a)):
        at = hash_a[s] & mask
        known[s] = False
        while table_a[at] != 0 or table_b[at] != 0:
            if table_a[at] == hash_a[s] and table_b[at] == hash_b[s]:
                refs[s] = table_refs[at]
                known[s] = True
                break
            at = (at + _U(1)) & mask


@kernel(f"int64(uint64[::1], uint64[::1], uint64[::1], {_H}, {_H}, {_H})")
def keep_refs(
    table_a: Hashes,
    table_b: Hashes,
    table_refs: Hashes,
    hash_a: Hashes,
    hash_b: Hashes,
    refs: Hashes,
) -> int:
    """Puts series into the table, which must have room; returns how many were new."""
    mask = _U(len(table_a) - 1)
    added = 0
    for s in range(len(hash_a)):
        at = hash_a[s] & mask
        while table_a[at] != 0 or table_b[at] != 0:
            if table_a[at] == hash_a[s] and table_b[at] == hash_b[s]:
                break
            at = (at + _U(1)) & mask
        if table_a[at] == 0 and table_b[at] == 0:
            added += 1
        table_a[at], table_b[at], table_refs[at] = hash_a[s], hash_b[s], refs[s]
    return added
