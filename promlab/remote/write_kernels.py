"""A remote write body (protobuf, version 1 or 2) as columns of samples.

`count_parts` checks the body's structure and says how large the columns are; `read_parts` fills
them. A series is told by a keyed 128-bit hash of its labels, so that these need to be looked
at only once in its life. What histograms, exemplars and labels hold is read by other kernels, from
where these say they begin and end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.model.wire_kernels import varint
from promlab.remote.protobuf_kernels import BODY, double, field
from promlab.remote.series_table_kernels import sip_bytes, sip_end, sip_start, sip_word

_U: Any = np.uint64

# Fields of the messages: those of version 1, then those of version 2.
SYMBOLS = 4  # of a version 2 request
LABELS, VALUE, TIME, START = 1, 1, 2, 3
CREATED = 6  # of a version 2 series, in requests of older senders
SAMPLES, EXEMPLARS, HISTOGRAMS = 2, 3, 4
HISTOGRAMS_2, EXEMPLARS_2 = 3, 4
SERIES, SERIES_2 = 1, 5


@kernel()
def _kind(version: Any, number: Any) -> Any:
    """What a field of a series holds, by the numbers of version 1; 0 for anything else."""
    if version == 2:
        if number == HISTOGRAMS_2:
            return HISTOGRAMS
        if number == EXEMPLARS_2:
            return EXEMPLARS
    return number if number <= 4 else 0


@kernel()
def _sample_is_good(body: Any, at: Any, end: Any) -> Any:
    while at < end:
        number, wire, _, after = field(body, at, end)
        good = (number != VALUE or wire == 1) and (
            (number != TIME and number != START) or wire == 0
        )
        if after < 0 or not good:
            return False
        at = after
    return True


@kernel(f"UniTuple(int64, 6)({BODY}, int64)")
def count_parts(body: Any, version: Any) -> Any:
    """Series, samples, exemplars, histograms, symbols; and where it is damaged, or -1."""
    series = samples = exemplars = histograms = symbols = np.int64(0)
    zero = np.int64(0)
    at, end = zero, np.int64(len(body))
    wanted = SERIES_2 if version == 2 else SERIES
    while at < end:
        number, wire, inner, stop = field(body, at, end)
        if stop < 0:
            return zero, zero, zero, zero, zero, at
        at = stop
        if version == 2 and number == SYMBOLS:
            if wire != 2:
                return zero, zero, zero, zero, zero, inner
            symbols += 1
        if number != wanted:
            continue
        if wire != 2:
            return zero, zero, zero, zero, zero, inner
        series += 1
        while inner < stop:
            number, wire, content, after = field(body, inner, stop)
            kind = _kind(version, number)
            refs = version == 2 and number == LABELS and wire == 0
            if after < 0 or (kind > 0 and wire != 2 and not refs):
                return zero, zero, zero, zero, zero, inner
            inner = after
            if kind == SAMPLES:
                samples += 1
                if not _sample_is_good(body, content, after):
                    return zero, zero, zero, zero, zero, content
            elif kind == EXEMPLARS:
                exemplars += 1
            elif kind == HISTOGRAMS:
                histograms += 1
    return series, samples, exemplars, histograms, symbols, np.int64(-1)


@kernel(f"void({BODY}, uint64, uint64, int64[:, ::1], uint64[:, ::1])")
def read_symbols(body: Any, key_a: Any, key_b: Any, symbols: Any, hashes: Any) -> None:
    """Where each symbol of a version 2 body begins and ends, and its hash.

    Each is hashed once: a long one may be named by millions of references.
    """
    at = k = 0
    state = np.zeros(4, np.uint64)
    while at < len(body):
        number, _, inner, stop = field(body, at, len(body))
        at = stop
        if number == SYMBOLS:
            symbols[k, 0], symbols[k, 1] = inner, stop
            sip_start(state, key_a, key_b)
            sip_bytes(state, body, inner, stop)
            hashes[k, 0], hashes[k, 1] = sip_end(state, 0xEE), sip_end(state, 0)
            k += 1


@kernel()
def _hash_refs(state: Any, body: Any, at: Any, end: Any, hashes: Any) -> Any:
    """Take in the symbols that references name; whether all are there."""
    while at < end:
        ref, at = varint(body, at, end)
        if at < 0 or ref >= _U(len(hashes)):
            return False
        sip_word(state, hashes[ref, 0])
        sip_word(state, hashes[ref, 1])
    return True


@kernel()
def _put_sample(body: Any, at: Any, end: Any, created: Any, k: Any, t_ms: Any, values: Any,
                start_ms: Any) -> None:  # fmt: skip
    t_ms[k], values[k], start_ms[k] = 0, 0.0, created
    while at < end:
        number, _, value_at, after = field(body, at, end)
        if number == VALUE:
            values[k] = double(body, value_at)
        elif number == TIME:
            t_ms[k] = np.int64(varint(body, value_at, after)[0])
        elif number == START:
            start_ms[k] = np.int64(varint(body, value_at, after)[0])
        at = after


@kernel()
def _created(body: Any, at: Any, end: Any) -> Any:
    """The created timestamp of a version 2 series."""
    while at < end:
        number, wire, content, after = field(body, at, end)
        if number == CREATED and wire == 0:
            return np.int64(varint(body, content, after)[0])
        at = after
    return np.int64(0)


@kernel(
    f"int64({BODY}, int64, uint64[:, ::1], uint64, uint64, uint64[::1], uint64[::1], int64[:, ::1],"
    " int64[::1], int64[::1], float64[::1], int64[::1], int64[:, ::1], int64[:, ::1])"
)
def read_parts(
    body: Any,
    version: Any,
    hashes: Any,
    key_a: Any,
    key_b: Any,
    hash_a: Any,
    hash_b: Any,
    places: Any,
    series_of: Any,
    t_ms: Any,
    values: Any,
    start_ms: Any,
    histograms: Any,
    exemplars: Any,
) -> Any:
    """Fills the columns from a body that `count_parts` found sound.

    Per series: the two hashes of its labels, and where its message begins and ends. Per
    sample: the number of its series, time, value and start time. Per histogram and exemplar:
    its series, where it begins and ends, and the series' created timestamp. Returns -1, or a
    series whose references to symbols are wrong.
    """
    s = k = h = e = 0
    at = np.int64(0)
    state = np.zeros(4, np.uint64)
    wanted = SERIES_2 if version == 2 else SERIES
    while at < len(body):
        number, _, inner, stop = field(body, at, len(body))
        at = stop
        if number != wanted:
            continue
        places[s, 0], places[s, 1] = inner, stop
        created = _created(body, inner, stop) if version == 2 else np.int64(0)
        sip_start(state, key_a, key_b)
        while inner < stop:
            number, _, content, after = field(body, inner, stop)
            inner = after
            kind = _kind(version, number)
            if kind == LABELS and version == 2:
                if not _hash_refs(state, body, content, after, hashes):
                    return s
            elif kind == LABELS:
                sip_bytes(state, body, content, after)
            elif kind == SAMPLES:
                series_of[k] = s
                _put_sample(body, content, after, created, k, t_ms, values, start_ms)
                k += 1
            elif kind == HISTOGRAMS:
                row = histograms[h]
                row[0], row[1], row[2], row[3] = s, content, after, created
                h += 1
            elif kind == EXEMPLARS:
                row = exemplars[e]
                row[0], row[1], row[2], row[3] = s, content, after, 0
                e += 1
        hash_a[s] = sip_end(state, 0xEE)
        hash_b[s] = sip_end(state, 0)
        s += 1
    return np.int64(-1)
