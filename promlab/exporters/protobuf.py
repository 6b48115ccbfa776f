"""Families in the protobuf format: length-delimited io.prometheus.client.MetricFamily.

The only format that carries native histograms. The messages are few and small, so they are
written by hand: a schema compiler and its runtime would be the larger thing to keep.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping

from promlab.exporters.families import Exemplar, Family, LabelKey, Native, label_key

_TYPES = {"counter": 0, "gauge": 1, "summary": 2, "untyped": 3, "histogram": 4}
_BUILDERS_FIELD = {"gauge": 2, "counter": 3, "summary": 4, "untyped": 5, "histogram": 7}
_FLOAT_LABELS = {"histogram": "le", "summary": "quantile"}


def render(families: Iterable[Family]) -> bytes:
    """The families that have samples, sorted by name, each after its length."""
    out = []
    for family in sorted(families, key=lambda family: family.name):
        if family.samples or family.natives:
            message = _family(family)
            out += [varint(len(message)), message]
    return b"".join(out)


def _family(family: Family) -> bytes:
    parts = [text(1, family.name), text(2, family.help), integer(3, _TYPES[family.type])]
    float_label = _FLOAT_LABELS.get(family.type, "")
    grouped: dict[LabelKey, list[int]] = {}
    for i, (_, labels, _) in enumerate(family.samples):
        grouped.setdefault(label_key(labels, float_label), []).append(i)
    for key in family.natives:
        grouped.setdefault(key, [])
    for key, positions in grouped.items():
        value = _metric_value(family, key, positions)
        t_ms = next((family.stamps[i] for i in positions if i in family.stamps), None)
        stamp_ms = b"" if t_ms is None else integer(6, t_ms)
        parts.append(message(4, _pairs(dict(key)) + value + stamp_ms))
    return b"".join(parts)


def _metric_value(family: Family, key: LabelKey, positions: list[int]) -> bytes:
    field = _BUILDERS_FIELD[family.type]
    created = family.created.get(key)
    if family.type == "histogram":
        return message(field, _histogram(family, key, positions))
    if family.type == "summary":
        return message(field, _summary(family, positions, created))
    i = positions[-1]
    parts = [double(1, family.samples[i][2])]
    if family.type == "counter":
        if i in family.exemplars:
            parts.append(message(2, exemplar(family.exemplars[i])))
        parts.append(stamp(3, created))
    return message(field, b"".join(parts))


def _histogram(family: Family, key: LabelKey, positions: list[int]) -> bytes:
    native = family.natives.get(key)
    parts, buckets, has_infinite = [], [], False
    for i in positions:
        name, labels, value = family.samples[i]
        if "le" in labels and name.endswith("_bucket"):
            bound = float(labels["le"])
            bucket = [_count(1, 4, value), double(2, bound)]
            if i in family.exemplars:
                bucket.append(message(3, exemplar(family.exemplars[i])))
            # A bucket of +Inf goes without saying, unless its exemplar does.
            has_infinite = bound == float("inf") and i not in family.exemplars
            if not has_infinite:
                buckets.append(message(3, b"".join(bucket)))
            elif native is None:
                parts.append(_count(1, 4, value))
        elif name.endswith("_sum"):
            if native is None:
                parts.append(double(2, value))
        elif name.endswith("_count") and native is None and not has_infinite:
            parts.append(_count(1, 4, value))
    parts += buckets
    if native is not None:
        parts.append(_native(native))
    parts.append(stamp(15, family.created.get(key)))
    return b"".join(parts)


def _count(field: int, float_field: int, value: float) -> bytes:
    """A count, which only a computed histogram has as anything but a whole number."""
    is_whole = math.isfinite(value) and value >= 0 and value == int(value)
    return integer(field, int(value)) if is_whole else double(float_field, value)


def _native(native: Native) -> bytes:
    counts = (native.count, native.zero_count, *native.positive.values())
    whole = all(float(c).is_integer() for c in (*counts, *native.negative.values()))
    parts = [
        integer(1, int(native.count)) if whole else double(4, native.count),
        double(2, native.sum),
        integer(5, zigzag(native.schema)),
        double(6, native.zero_threshold),
        integer(7, int(native.zero_count)) if whole else double(8, native.zero_count),
        *_spans(9, native.negative, whole),
        *_spans(12, native.positive, whole),
        *(message(16, exemplar(one)) for one in native.exemplars),
    ]
    if not native.positive and not native.negative and not native.zero_count:
        # An empty span tells a histogram without observations from a classic one.
        parts.append(message(12, integer(1, 0) + integer(2, 0)))
    return b"".join(parts)


def _spans(field: int, buckets: Mapping[int, float], whole: bool) -> list[bytes]:
    """Spans, and after them whole counts as differences (the next field) or as they are."""
    spans: list[list[int]] = []
    values, before, end = [], 0, 0
    for index in sorted(buckets):
        if spans and index == end:
            spans[-1][1] += 1
        else:
            spans.append([index - end, 1])
        end = index + 1
        if whole:
            count = int(buckets[index])
            values.append(varint(zigzag(count - before)))
            before = count
        else:
            values.append(struct.pack("<d", buckets[index]))
    found = [
        message(field, integer(1, zigzag(offset)) + integer(2, length)) for offset, length in spans
    ]
    return [*found, message(field + (1 if whole else 2), b"".join(values))] if values else found


def _summary(family: Family, positions: list[int], created: float | None) -> bytes:
    parts = []
    for i in positions:
        name, labels, value = family.samples[i]
        if "quantile" in labels:
            parts.append(message(3, double(1, float(labels["quantile"])) + double(2, value)))
        elif name.endswith("_sum"):
            parts.append(double(2, value))
        elif name.endswith("_count"):
            parts.append(integer(1, int(value)))
    return b"".join([*parts, stamp(4, created)])


def _pairs(labels: Mapping[str, str]) -> bytes:
    return b"".join(
        message(1, text(1, name) + text(2, value)) for name, value in sorted(labels.items())
    )


def exemplar(one: Exemplar) -> bytes:
    """The message Exemplar."""
    return _pairs(one.labels) + double(2, one.value) + stamp(3, one.time_s)


def varint(value: int) -> bytes:
    """An unsigned integer, seven bits a byte."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> int:
    """A signed integer as an unsigned one, small for small magnitudes."""
    return (value << 1) ^ (value >> 63)


def integer(field: int, value: int) -> bytes:
    """A field of a varint type."""
    return varint(field << 3) + varint(value & 0xFFFFFFFFFFFFFFFF)


def double(field: int, value: float) -> bytes:
    """A field of 64 bits of float."""
    return varint(field << 3 | 1) + struct.pack("<d", value)


def message(field: int, body: bytes) -> bytes:
    """A field that holds another message, or packed values."""
    return varint(field << 3 | 2) + varint(len(body)) + body


def text(field: int, value: str) -> bytes:
    """A field of UTF-8 text."""
    return message(field, value.encode("utf-8", errors="replace"))


def stamp(field: int, time_s: float | None) -> bytes:
    """A field google.protobuf.Timestamp; nothing for None."""
    if time_s is None:
        return b""
    seconds = int(time_s // 1)
    nanos = round((time_s - seconds) * 1e9)
    return message(field, integer(1, seconds) + integer(2, min(nanos, 999_999_999)))
