"""io.prometheus.client.MetricFamily, written by hand: the few fields that federation sends."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from promlab.model.histograms import GAUGE, Buckets, HistogramTable

UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = 3, 4, 5
_VARINT, _FIXED64, _BYTES = 0, 1, 2
_NOT_LEGACY = re.compile(r"[^a-zA-Z0-9_:]")


def underscored(name: str) -> str:
    """A name that every reader takes: what is not a letter, digit, _ or : becomes _."""
    found = _NOT_LEGACY.sub("_", name)
    return f"_{found[1:]}" if found[:1].isdigit() else found


def kind_of(histogram: HistogramTable | None) -> int:
    """The type of a family of such samples."""
    if histogram is None:
        return UNTYPED
    return GAUGE_HISTOGRAM if histogram.hint[0] == GAUGE else HISTOGRAM


def delimited_family(name: str, kind: int, metrics: Sequence[bytes]) -> bytes:
    """A family behind its length."""
    parts = [_text(1, name), _number(3, kind)]
    parts += [_message(4, each) for each in metrics]
    body = b"".join(parts)
    return _varint(len(body)) + body


def metric(
    labels: Mapping[str, str], t_ms: int, value: float, histogram: HistogramTable | None
) -> bytes:
    """One sample: labels, a value or a histogram, and its time."""
    parts = [_message(1, _text(1, name) + _text(2, text)) for name, text in labels.items()]
    if histogram is None:
        parts.append(_message(5, _double(1, value)))
    else:
        parts.append(_message(7, _histogram(histogram)))
    parts.append(_number(6, t_ms))
    return b"".join(parts)


def cumulated(table: HistogramTable) -> Iterator[tuple[float, float]]:
    """Upper bounds and cumulated counts of the one histogram, which has custom bounds."""
    bounds = (*table.bounds[int(table.custom[0])], float("inf"))
    counts = dict(zip(table.positive.indices.tolist(), table.positive.counts, strict=True))
    total = 0.0
    for i, bound in enumerate(bounds):
        total += float(counts.get(i, 0.0))
        yield bound, total


def _histogram(table: HistogramTable) -> bytes:
    count, sum_ = float(table.count[0]), float(table.sum[0])
    if table.custom[0] >= 0:
        buckets = [
            _message(3, _number(1, int(total)) + _double(2, bound))
            for bound, total in cumulated(table)
        ]
        return b"".join([_number(1, int(count)), _double(2, sum_), *buckets])
    zero = float(table.zero_count[0])
    counts = [count, zero, *table.positive.counts.tolist(), *table.negative.counts.tolist()]
    whole = all(each == int(each) for each in counts if np.isfinite(each))
    head = [_number(1, int(count)) if whole else _double(4, count), _double(2, sum_)]
    head += [_sint(5, int(table.schema[0])), _double(6, float(table.zero_threshold[0]))]
    head.append(_number(7, int(zero)) if whole else _double(8, zero))
    sides = [
        _side(table.negative, whole, 9, 10, 11),
        _side(table.positive, whole, 12, 13, 14),
    ]
    if not any(sides):
        # An empty span tells a native histogram without observations from a classic one.
        sides.append(_message(12, _sint(1, 0) + _number(2, 0)))
    return b"".join(head + sides)


def _side(buckets: Buckets, whole: bool, spans: int, deltas: int, counts: int) -> bytes:
    """Spans of neighbouring buckets, and their counts: differences where they are whole."""
    indices = buckets.indices.astype(np.int64)
    if not len(indices):
        return b""
    starts = np.flatnonzero(np.diff(indices, prepend=indices[0] - 2) != 1)
    lengths = np.diff(np.append(starts, len(indices)))
    ends = indices[starts] + lengths
    offsets = indices[starts] - np.concatenate([[0], ends[:-1]])
    parts = [
        _message(spans, _sint(1, offset) + _number(2, length))
        for offset, length in zip(offsets.tolist(), lengths.tolist(), strict=True)
    ]
    if whole:
        steps = np.diff(buckets.counts.astype(np.int64), prepend=0)
        parts.append(_message(deltas, b"".join(_varint(_zigzag(n)) for n in steps.tolist())))
    else:
        parts.append(_message(counts, buckets.counts.astype("<f8").tobytes()))
    return b"".join(parts)


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _key(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value)


def _sint(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(_zigzag(value))


def _double(field: int, value: float) -> bytes:
    return _key(field, _FIXED64) + struct.pack("<d", value)


def _message(field: int, body: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(body)) + body


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())
