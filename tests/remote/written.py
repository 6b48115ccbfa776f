"""Remote write bodies read back, message by message, for tests."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

Sample = tuple[dict[str, str], int, float]


def fields(body: bytes) -> Iterator[tuple[int, Any]]:
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(body):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 1:
            at += 8
            yield key >> 3, struct.unpack("<d", body[at - 8 : at])[0]
        else:
            size = varint()
            at += size
            yield key >> 3, body[at - size : at]


def packed(body: bytes) -> list[int]:
    found, value, shift = [], 0, 0
    for byte in body:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(value)
            value = shift = 0
    return found


def read_sample(body: bytes) -> tuple[int, float]:
    t_ms, value = 0, 0.0
    for number, content in fields(body):
        if number == 1:
            value = content
        elif number == 2:
            t_ms = content - (1 << 64) if content >> 63 else content
    return t_ms, value


def read_request(body: bytes, *, v2: bool = False) -> list[Sample]:
    symbols = [text.decode() for number, text in fields(body) if number == 4] if v2 else []
    found = []
    for number, series in fields(body):
        if number != (5 if v2 else 1):
            continue
        labels: dict[str, str] = {}
        samples = []
        for inner, content in fields(series):
            if inner == 1 and v2:
                refs = packed(content)
                labels = {
                    symbols[a]: symbols[b] for a, b in zip(refs[::2], refs[1::2], strict=True)
                }
            elif inner == 1:
                pair = dict(fields(content))
                labels[pair[1].decode()] = pair[2].decode()
            elif inner == 2:
                samples.append(read_sample(content))
        assert list(labels) == sorted(labels)
        found += [(labels, t_ms, value) for t_ms, value in samples]
    return found


def read_metadata(body: bytes) -> list[dict[int, Any]]:
    return [dict(fields(content)) for number, content in fields(body) if number == 3]


def read_histogram(body: bytes) -> tuple[int, tuple[Any, ...]]:
    """Its time; schema, count, sum, zero count and threshold, positive and negative buckets."""
    found: dict[int, Any] = {}
    spans: dict[int, list[bytes]] = {8: [], 11: []}
    for number, content in fields(body):
        if number in spans:
            spans[number].append(content)
        else:
            found[number] = content
    sides = (_buckets(spans[at], found, at + 1) for at in (11, 8))
    count, zero = (float(found.get(i, found.get(i + 1, 0))) for i in (1, 6))
    schema = _zigzag(found.get(4, 0))
    sums = count, found.get(3, 0.0), zero, found.get(5, 0.0)
    return found.get(15, 0), (schema, *sums, *sides)


def _buckets(
    spans: list[bytes], found: dict[int, Any], deltas: int
) -> tuple[tuple[int, float], ...]:
    """Index and count of each bucket that is not empty, from integers or from floats."""
    indexes, at = [], 0
    for span in spans:
        offset, length = (dict(fields(span)).get(i, 0) for i in (1, 2))
        at += _zigzag(offset)
        indexes += range(at, at + length)
        at += length
    counts: list[float] = []
    if deltas in found:
        total = 0
        for delta in map(_zigzag, packed(found[deltas])):
            total += delta
            counts.append(float(total))
    elif deltas + 1 in found:
        body = found[deltas + 1]
        counts = list(struct.unpack(f"<{len(body) // 8}d", body))
    return tuple((i, n) for i, n in zip(indexes, counts, strict=True) if n)


def _zigzag(number: int) -> int:
    return number >> 1 ^ -(number & 1)
