"""Families from the protobuf format: length-delimited io.prometheus.client.MetricFamily.

For bodies that are pushed: small, and read once. Scrapes are read in columns elsewhere.
Every length is checked against what is left before anything is taken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from promlab.errors import ExpositionError
from promlab.exporters.families import Exemplar, Family, Native, label_key, number_text

_TYPES = {0: "counter", 1: "gauge", 2: "summary", 3: "untyped", 4: "histogram", 5: "histogram"}
_VALUES = {2: "gauge", 3: "counter", 4: "summary", 5: "untyped", 7: "histogram"}
_U64 = 0xFFFFFFFFFFFFFFFF
_MAX_BUCKETS = 100_000


class Read(NamedTuple):
    """What a body holds, and whether a metric has a timestamp."""

    families: list[Family]
    stamped: bool


def read(body: bytes) -> Read:
    """Families in the order of the body. Raises ExpositionError."""
    families: list[Family] = []
    stamped, at = False, 0
    try:
        while at < len(body):
            size, at = _varint(body, at)
            if size > len(body) - at:
                raise ValueError("unexpected end")
            family, has_stamp = _family(body[at : at + size])
            families.append(family)
            stamped |= has_stamp
            at += size
    except (ValueError, struct.error, OverflowError) as error:
        reason = "not valid UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise ExpositionError(f"protobuf parsing error: {reason}") from None
    return Read(families, stamped)


def _family(body: bytes) -> tuple[Family, bool]:
    name, help_, kind, metrics = "", "", 0, []
    for field, value in _fields(body):
        if field == 1:
            name = _text(value)
        elif field == 2:
            help_ = _text(value)
        elif field == 3:
            kind = _whole(value)
        elif field == 4:
            metrics.append(_bytes(value))
    if not name:
        raise ValueError("a metric family without a name")
    if kind not in _TYPES:
        raise ValueError(f"unknown type {kind} of {name}")
    family = Family(name, _TYPES[kind], help_)
    stamps = [_metric(family, metric) for metric in metrics]
    return family, any(stamps)


def _metric(family: Family, body: bytes) -> bool:
    labels: dict[str, str] = {}
    payload, kind, stamped = b"", "", False
    for field, value in _fields(body):
        if field == 1:
            label, text = _pair(_bytes(value))
            if label in labels:
                raise ValueError(f"label {label} of {family.name} comes twice")
            labels[label] = text
        elif field == 6:
            stamped = True
        elif field in _VALUES:
            payload, kind = _bytes(value), _VALUES[field]
    if kind != family.type:
        raise ValueError(f"a metric of {family.name} is a {kind or 'nothing'}, not {family.type}")
    if kind == "histogram":
        _histogram(family, labels, payload)
    elif kind == "summary":
        _summary(family, labels, payload)
    else:
        _simple(family, labels, payload)
    return stamped


def _simple(family: Family, labels: dict[str, str], body: bytes) -> None:
    number = 0.0
    for field, value in _fields(body):
        if field == 1:
            number = _double(value)
        elif field == 2 and family.type == "counter":
            family.exemplars[len(family.samples)] = _exemplar(_bytes(value))
        elif field == 3 and family.type == "counter":
            family.created[label_key(labels)] = _stamp(_bytes(value))
    family.add(number, labels)


def _summary(family: Family, labels: dict[str, str], body: bytes) -> None:
    count, total = 0.0, 0.0
    for field, value in _fields(body):
        if field == 1:
            count = float(_whole(value))
        elif field == 2:
            total = _double(value)
        elif field == 3:
            quantile, number = 0.0, 0.0
            for inner, part in _fields(_bytes(value)):
                if inner == 1:
                    quantile = _double(part)
                elif inner == 2:
                    number = _double(part)
            family.add(number, {**labels, "quantile": number_text(quantile)})
        elif field == 4:
            family.created[label_key(labels)] = _stamp(_bytes(value))
    family.add(total, labels, suffix="_sum")
    family.add(count, labels, suffix="_count")


def _histogram(family: Family, labels: dict[str, str], body: bytes) -> None:
    found: dict[int, float] = {}
    spans: dict[int, list[tuple[int, int]]] = {9: [], 12: []}
    numbers: dict[int, list[float]] = {10: [], 11: [], 13: [], 14: []}
    exemplars = []
    for field, value in _fields(body):
        if field == 3:
            _bucket(family, labels, _bytes(value))
        elif field in spans:
            spans[field].append(_span(_bytes(value)))
        elif field in numbers:
            numbers[field] += _numbers(field, value)
        elif field in (2, 4, 6, 8):
            found[field] = _double(value)
        elif field == 5:
            found[5] = _signed(_whole(value))
        elif field in (1, 7):
            found[field] = _whole(value)
        elif field == 15:
            family.created[label_key(labels)] = _stamp(_bytes(value))
        elif field == 16:
            exemplars.append(_exemplar(_bytes(value)))
    count = found.get(4) or found.get(1, 0.0)
    family.add(found.get(2, 0.0), labels, suffix="_sum")
    family.add(float(count), labels, suffix="_count")
    if 5 in found or spans[9] or spans[12]:
        schema = int(found.get(5, 0))
        if not -4 <= schema <= 8:
            raise ValueError(f"schema {schema} of {family.name} is unknown")
        family.natives[label_key(labels)] = Native(
            count,
            found.get(2, 0.0),
            schema,
            found.get(6, 0.0),
            found.get(8) or found.get(7, 0.0),
            _buckets(spans[12], numbers[13], numbers[14]),
            _buckets(spans[9], numbers[10], numbers[11]),
            tuple(exemplars),
        )


def _bucket(family: Family, labels: dict[str, str], body: bytes) -> None:
    count, bound = 0.0, 0.0
    for field, value in _fields(body):
        if field == 1:
            count = float(_whole(value))
        elif field == 2:
            bound = _double(value)
        elif field == 3:
            family.exemplars[len(family.samples)] = _exemplar(_bytes(value))
        elif field == 4:
            count = _double(value)
    family.add(count, {**labels, "le": number_text(bound)}, suffix="_bucket")


def _span(body: bytes) -> tuple[int, int]:
    offset = length = 0
    for field, value in _fields(body):
        if field == 1:
            offset = _signed(_whole(value))
        elif field == 2:
            length = _whole(value)
    return offset, length


def _buckets(
    spans: list[tuple[int, int]], deltas: list[float], counts: list[float]
) -> dict[int, float]:
    """Buckets by index: their counts, or the differences between them."""
    total = sum(length for _, length in spans)
    if total > _MAX_BUCKETS or total != len(counts or deltas):
        raise ValueError("spans and buckets of a native histogram do not fit")
    values, before, index = iter(counts or deltas), 0.0, 0
    found: dict[int, float] = {}
    for offset, length in spans:
        index += offset
        for _ in range(length):
            before = next(values) if counts else before + next(values)
            found[index] = before
            index += 1
    return found


def _numbers(field: int, value: int | bytes) -> list[float]:
    """Values of a repeated field, packed or one by one: doubles, or signed integers."""
    if field in (11, 14):
        raw = _bytes(value)
        return list(struct.unpack(f"<{len(raw) // 8}d", raw))
    if isinstance(value, int):
        return [_signed(value)]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(float(_signed(number)))
    return found


def _exemplar(body: bytes) -> Exemplar:
    labels: dict[str, str] = {}
    number, time_s = 0.0, None
    for field, value in _fields(body):
        if field == 1:
            name, text = _pair(_bytes(value))
            labels[name] = text
        elif field == 2:
            number = _double(value)
        elif field == 3:
            time_s = _stamp(_bytes(value))
    return Exemplar(labels, number, time_s)


def _stamp(body: bytes) -> float:
    found = dict(_fields(body))
    seconds = _whole(found.get(1, 0))
    seconds -= (seconds >> 63) << 64
    return seconds + _whole(found.get(2, 0)) / 1e9


def _pair(body: bytes) -> tuple[str, str]:
    found = dict(_fields(body))
    return _text(found.get(1, b"")), _text(found.get(2, b""))


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message's fields: integers, or bytes of a known length."""
    at = 0
    while at < len(body):
        key, at = _varint(body, at)
        field, kind = key >> 3, key & 7
        if kind == 0:
            number, at = _varint(body, at)
            yield field, number
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, at = _varint(body, at)
        if size is None or not field:
            raise ValueError("not a message")
        if size > len(body) - at:
            raise ValueError("unexpected end")
        yield field, body[at : at + size]
        at += size


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(body):
            raise ValueError("unexpected end")
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _U64, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _whole(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("a field has the wrong type")
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a field has the wrong type")
    return value


def _double(value: int | bytes) -> float:
    return float(struct.unpack("<d", _bytes(value))[0])


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()
