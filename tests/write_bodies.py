"""Remote write requests, version 1 and 2, in plain Python: for tests that send some."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cramjam

V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
TYPES = (
    "unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset",
)  # fmt: skip


@dataclass
class Histogram:
    """Buckets by index; counts are sent as integers where `floats` is False."""

    schema: int = 0
    count: float = 0.0
    sum: float = 0.0
    zero_count: float = 0.0
    zero_threshold: float = 0.0
    positive: dict[int, float] = field(default_factory=dict)
    negative: dict[int, float] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    hint: int = 0
    floats: bool = False


@dataclass
class Series:
    """`samples` are (time, value or histogram, start time or 0)."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[int, float | Histogram, int]] = ()
    exemplars: Sequence[tuple[Mapping[str, str], float, int]] = ()
    metadata: tuple[str, str, str] = ("unknown", "", "")  # type, help, unit


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value) if value else b""


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def packed(number: int, parts: Iterable[bytes]) -> bytes:
    body = b"".join(parts)
    return message(number, body) if body else b""


def spans(number: int, indices: Sequence[int]) -> bytes:
    out, at = b"", 0
    runs: list[list[int]] = []
    for i in indices:
        if runs and i == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([i, 1])
    for first, length in runs:
        offset = zigzag(first - at)
        out += message(number, varint(1 << 3) + offset + integer(2, length))
        at = first + length
    return out


def histogram(made: Histogram, t_ms: int, start_ms: int = 0) -> bytes:
    out = double(3, made.sum) + varint(4 << 3) + zigzag(made.schema)
    out += double(5, made.zero_threshold)
    if made.floats:
        out += double(2, made.count) + double(7, made.zero_count)
    else:
        out += varint(1 << 3) + varint(int(made.count)) + varint(6 << 3)
        out += varint(int(made.zero_count))
    for first, buckets in ((8, made.negative), (11, made.positive)):
        indices = sorted(buckets)
        out += spans(first, indices)
        counts = [buckets[i] for i in indices]
        if made.floats:
            out += packed(first + 2, (struct.pack("<d", count) for count in counts))
        else:
            deltas = [int(b - a) for a, b in zip([0, *counts], counts, strict=False)]
            out += packed(first + 1, map(zigzag, deltas))
    out += integer(14, made.hint) + integer(15, t_ms)
    out += packed(16, (struct.pack("<d", bound) for bound in made.bounds))
    return out + integer(17, start_ms)


def sample(value: float, t_ms: int, start_ms: int = 0) -> bytes:
    return double(1, value) + integer(2, t_ms) + integer(3, start_ms)


def version_1(
    series: Iterable[Series], metadata: Iterable[tuple[str, str, str, str]] = ()
) -> bytes:
    """`metadata` are (type, family, help, unit)."""

    def labels(pairs: Mapping[str, str]) -> bytes:
        return b"".join(
            message(1, message(1, n.encode()) + message(2, v.encode())) for n, v in pairs.items()
        )

    out = b""
    for one in series:
        body = labels(one.labels)
        for t_ms, value, _ in one.samples:
            if isinstance(value, Histogram):
                body += message(4, histogram(value, t_ms))
            else:
                body += message(2, sample(value, t_ms))
        for pairs, value, t_ms in one.exemplars:
            body += message(3, labels(pairs) + double(2, value) + integer(3, t_ms))
        out += message(1, body)
    for kind, family, text, unit in metadata:
        body = integer(1, TYPES.index(kind)) + message(2, family.encode())
        out += message(3, body + message(4, text.encode()) + message(5, unit.encode()))
    return out


def version_2(series: Iterable[Series]) -> bytes:
    symbols: dict[str, int] = {"": 0}

    def ref(text: str) -> int:
        return symbols.setdefault(text, len(symbols))

    def labels(pairs: Mapping[str, str]) -> bytes:
        return packed(1, (varint(ref(text)) for pair in pairs.items() for text in pair))

    bodies = b""
    for one in series:
        body = labels(one.labels)
        for t_ms, value, start_ms in one.samples:
            if isinstance(value, Histogram):
                body += message(3, histogram(value, t_ms, start_ms))
            else:
                body += message(2, sample(value, t_ms, start_ms))
        for pairs, value, t_ms in one.exemplars:
            body += message(4, labels(pairs) + double(2, value) + integer(3, t_ms))
        kind, text, unit = one.metadata
        body += message(
            5, integer(1, TYPES.index(kind)) + integer(3, ref(text)) + integer(4, ref(unit))
        )
        bodies += message(5, body)
    return b"".join(message(4, text.encode()) for text in symbols) + bodies


def compressed(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


def headers(kind: str = V1) -> dict[str, str]:
    media = "application/x-protobuf" if kind == V1 else f"application/x-protobuf;proto={kind}"
    return {"Content-Type": media, "Content-Encoding": "snappy"}
