"""Remote read: what is asked, external labels, samples, chunks."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import MatchType
from promlab.model.samples import SeriesBatch
from promlab.model.wire import block_bytes, varint_bytes
from promlab.remote.read import (
    SAMPLES,
    STREAMED,
    BadReadRequest,
    as_samples,
    frames,
    samples_body,
    without_external,
)
from promlab.remote.read import read_request as asked
from promlab.remote.snappy import uncompress
from promlab.remote.xor_kernels import crc32c
from tests.remote.written import fields, read_request


def question(start: int, end: int, *matchers: tuple[int, str, str]) -> bytes:
    body = b"\x08" + varint_bytes(start) + b"\x10" + varint_bytes(end)
    for kind, name, text in matchers:
        inner = b"\x08" + varint_bytes(kind)
        inner += block_bytes(2, name.encode()) + block_bytes(3, text.encode())
        body += block_bytes(3, inner)
    return block_bytes(1, body)


def test_questions() -> None:
    body = question(-5, 10, (0, "a", "b"), (3, "c", "d.*")) + question(1, 2)
    found = asked(body + b"\x10\x01\x10\x00")
    assert [(q.start_ms, q.end_ms) for q in found.queries] == [(-5, 10), (1, 2)]
    kinds = [(m.type, m.name, m.value) for m in found.queries[0].matchers]
    assert kinds == [(MatchType.EQUAL, "a", "b"), (MatchType.NOT_REGEX, "c", "d.*")]
    assert found.accepted == [STREAMED, SAMPLES]
    assert asked(body).accepted == [SAMPLES]


@pytest.mark.parametrize(
    "body", [b"\xff", question(1, 2, (4, "a", "b")), question(1, 2, (2, "a", "("))]
)
def test_refused_questions(body: bytes) -> None:
    with pytest.raises(BadReadRequest):
        asked(body)


def test_external_labels_are_not_asked_of_storage() -> None:
    matchers = asked(question(1, 2, (0, "site", "lab"), (0, "job", "x"), (1, "site", "lab")))
    found = without_external(matchers.queries[0].matchers, {"site": "lab"})
    assert [(m.type, m.value) for m in found] == [
        (MatchType.EQUAL, ""), (MatchType.EQUAL, "x"), (MatchType.NOT_EQUAL, "lab"),
    ]  # fmt: skip


def batch() -> SeriesBatch:
    labels = LabelTable.from_dicts(
        [{"__name__": "b", "x": "1"}, {"__name__": "a", "site": "own"}], Symbols()
    )
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.choice([0, 1, 15_000, 15_001, 10**7, 2**40], 300) + 1) - 10**6
    values = np.where(rng.random(300) < 0.3, 1.5, rng.normal(0, 1e3, 300))
    values[10:14] = [np.nan, np.inf, 0.0, -0.0]
    return SeriesBatch.from_series(labels, [[5], times], [[2.5], values])


def test_samples_are_sorted_and_have_external_labels() -> None:
    one = as_samples(batch(), {"site": "lab"})
    [(number, result)] = fields(uncompress(samples_body([one])))
    assert number == 1
    found = read_request(result)
    assert found[-1] == ({"__name__": "b", "site": "lab", "x": "1"}, 5, 2.5)
    assert [labels["site"] for labels, _, _ in found] == ["own"] * 300 + ["lab"]
    values = np.array([value for _, _, value in found[:-1]])
    assert (values.view(np.uint64) == batch().series(1)[1].view(np.uint64)).all()


class Bits:
    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def take(self, n: int) -> int:
        self.at += n
        return int(self.text[self.at - n : self.at], 2) if n else 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(8)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value


def plain_chunk(data: bytes) -> tuple[list[int], list[int]]:
    """Times and value bits of an XOR chunk, read as the format is described."""
    bits = Bits(data[2:])
    n = int.from_bytes(data[:2], "big")
    first = bits.varint()
    times, values = [first >> 1 ^ -(first & 1)], [bits.take(64)]
    delta = leading = trailing = 0
    while len(times) < n:
        if len(times) == 1:
            delta = bits.varint()
        else:
            size = next((s for s in (0, 14, 17, 20) if not bits.take(1)), 64)
            dod = bits.take(size)
            if size and dod > 1 << (size - 1):
                dod -= 1 << size
            delta += dod
        times.append(times[-1] + delta)
        if not bits.take(1):
            values.append(values[-1])
            continue
        if bits.take(1):
            leading, significant = bits.take(5), bits.take(6) or 64
            trailing = 64 - leading - significant
        values.append(values[-1] ^ bits.take(64 - leading - trailing) << trailing)
    return times, values


def test_chunks_hold_the_samples() -> None:
    stream = b"".join(frames([as_samples(batch(), {})]))
    seen: dict[str, tuple[list[int], list[int]]] = {}
    while stream:
        size = shift = at = 0
        while True:
            byte, at = stream[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        (crc,) = struct.unpack(">I", stream[at : at + 4])
        body, stream = stream[at + 4 : at + 4 + size], stream[at + 4 + size :]
        assert crc == crc32c(np.frombuffer(body, np.uint8))
        [(_, series)] = fields(body)
        name = ""
        for number, content in fields(series):
            if number == 1:
                pair = dict(fields(content))
                name = pair[2].decode() if pair[1] == b"__name__" else name
                continue
            chunk = dict(fields(content))
            times, values = plain_chunk(chunk[4])
            assert len(times) <= 120
            signed = [t - (1 << 64) if t >> 63 else t for t in (chunk[1], chunk[2])]
            assert signed == [times[0], times[-1]]
            known = seen.setdefault(name, ([], []))
            known[0].extend(times)
            known[1].extend(values)
    assert list(seen) == ["a", "b"]
    times, values = batch().series(1)
    assert seen["a"] == (times.tolist(), values.view(np.uint64).tolist())


def test_checksum() -> None:
    assert crc32c(np.frombuffer(b"123456789", np.uint8)) == 0xE3069283
