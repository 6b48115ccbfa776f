"""Protobuf bodies for tests, written field by field as the wire format has them."""

from __future__ import annotations

import struct

COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)
Part = bytes


def varint(value: int) -> bytes:
    value %= 1 << 64
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def number(field: int, value: int) -> Part:
    return varint(field << 3) + varint(value)


def double(field: int, value: float) -> Part:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def inner(field: int, *parts: Part) -> Part:
    body = b"".join(parts)
    return varint(field << 3 | 2) + varint(len(body)) + body


def text(field: int, value: str | bytes) -> Part:
    return inner(field, value.encode() if isinstance(value, str) else value)


def labels(field: int = 1, **pairs: str) -> Part:
    return b"".join(inner(field, text(1, k), text(2, v)) for k, v in pairs.items())


def stamp(field: int, t_ms: int) -> Part:
    return inner(field, number(1, t_ms // 1000), number(2, t_ms % 1000 * 1_000_000))


def exemplar(field: int, value: float, t_ms: int | None = None, **pairs: str) -> Part:
    time = [] if t_ms is None else [stamp(3, t_ms)]
    return inner(field, labels(1, **pairs), double(2, value), *time)


def bucket(bound: float, count: int, *more: Part) -> Part:
    return inner(3, number(1, count), double(2, bound), *more)


def spans(field: int, *pairs: tuple[int, int]) -> Part:
    each = (inner(field, number(1, zigzag(offset)), number(2, size)) for offset, size in pairs)
    return b"".join(each)


def deltas(field: int, *values: int) -> Part:
    return b"".join(number(field, zigzag(value)) for value in values)


def family(name: str, type_: int, *metrics: Part, help_: str = "", unit: str = "") -> bytes:
    parts = [text(1, name), number(3, type_), *metrics]
    parts += [text(2, help_)] if help_ else []
    parts += [text(5, unit)] if unit else []
    body = b"".join(parts)
    return varint(len(body)) + body


def metric(*parts: Part) -> Part:
    return inner(4, *parts)


def native(*more: Part, count: int = 6, total: float = 10.5) -> Part:
    """Schema 1, a zero bucket of 1, positive buckets 0: 2 and 3: 1, a negative one -1: 2."""
    return inner(
        7,
        number(1, count),
        double(2, total),
        number(5, zigzag(1)),
        double(6, 0.001),
        number(7, 1),
        spans(12, (0, 1), (2, 1)),
        deltas(13, 2, -1),
        spans(9, (-1, 1)),
        deltas(10, 2),
        *more,
    )
