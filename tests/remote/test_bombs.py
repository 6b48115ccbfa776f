"""Small bodies that stand for something huge: each is refused, and takes little memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import cramjam
import numpy as np
import pytest

from promlab.config.otlp import OTLPConfig
from promlab.errors import ExpositionError, PromlabError, TooManySamples
from promlab.exposition.body_parser import BodyParser
from promlab.exposition.family_parser import FamilyParser
from promlab.model.labels import MOST_NAMES, Symbols
from promlab.model.wire import BadMessage, block_bytes, varint_bytes
from promlab.remote.otlp.json_body import protobuf
from promlab.remote.otlp.series import read_request
from promlab.remote.read_answers import BadReadAnswer, samples_answer
from promlab.remote.read_stream import streamed_answer
from promlab.remote.snappy import BadSnappy, uncompress
from promlab.remote.write import BadWriteRequest, SeriesCache, label_table
from promlab.remote.xor_kernels import crc32c
from promlab.scrape.unpacking import _members
from promlab.server.api_otlp import _unpacked

MIB = 1 << 20


@contextmanager
def within(mib: int) -> Iterator[None]:
    """No more memory than that is taken, what is given back included."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] <= mib * MIB
    finally:
        tracemalloc.stop()


def packed(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


def test_gzip_that_unpacks_to_more_than_is_allowed() -> None:
    bomb = gzip.compress(bytes(100 * MIB), 1)
    with within(80), pytest.raises(BadMessage, match="more than 64 MiB"):
        _unpacked(bomb)


def test_gzip_of_very_many_members() -> None:
    bomb = gzip.compress(b"") * 100_000
    with within(20), pytest.raises(PromlabError, match="members"):
        _members(bomb, 512 * MIB)


@pytest.mark.parametrize("part", [b"\x0a\x00", b"\x0a\x02\x12\x00"])
def test_otlp_of_very_many_parts(part: bytes) -> None:
    """Four million resources with nothing in them: a few kilobytes of gzip."""
    body = part * ((1 << 22) + 1)
    with within(20), pytest.raises(BadMessage, match="too large"):
        read_request(body, OTLPConfig())


def test_json_of_very_many_parts() -> None:
    body = b'{"a":[' + b"[]," * (2 << 20) + b"[]]}"
    with within(20), pytest.raises(BadMessage, match="too large"):
        protobuf(body)


@pytest.mark.parametrize("size", [1 << 31, (1 << 32) - 1])
def test_snappy_that_claims_a_size(size: int) -> None:
    with within(1), pytest.raises(BadSnappy):
        uncompress(varint_bytes(size) + bytes(100))


@pytest.mark.parametrize(
    ("version", "series"),
    [(1, b"\x12\x00"), (1, b"\x1a\x00"), (1, b"\x22\x00"), (2, b"\x12\x00"), (2, b"\x1a\x00")],
)
def test_a_series_of_very_many_empty_parts(version: int, series: bytes) -> None:
    body = block_bytes(1 if version == 1 else 5, series * 4_000_001)
    with within(20), pytest.raises(BadWriteRequest, match="too many"):
        SeriesCache().decode(body, version)


def test_very_many_symbols() -> None:
    with within(20), pytest.raises(BadWriteRequest, match="too many symbols"):
        SeriesCache().decode(b"\x22\x00" * 4_000_001, 2)


def test_a_long_symbol_that_is_named_again_and_again() -> None:
    """Each of 200,000 series has the same text of 8 MiB as its label: 1.6 TB, spelled out."""
    symbols = [b"", b"__name__", b"x" * (8 * MIB)]
    table = b"".join(block_bytes(4, text) for text in symbols)
    body = table + block_bytes(5, block_bytes(1, b"\x01\x02")) * 200_000
    used = time.process_time()
    with within(150):
        request = SeriesCache().decode(body, 2)
        labels, valid = label_table(request, np.arange(request.n))
    assert valid.all()
    assert labels.n == 200_000
    # Looking at it once a series would take minutes.
    assert time.process_time() - used < 30


def framed(body: bytes) -> bytes:
    crc = int(crc32c(np.frombuffer(body, np.uint8)))
    return varint_bytes(len(body)) + crc.to_bytes(4, "big") + body


def chunk(kind: int, data: bytes) -> bytes:
    return block_bytes(2, b"\x18" + varint_bytes(kind) + block_bytes(4, data))


def test_chunks_of_more_samples_than_are_wanted() -> None:
    """Sixteen thousand samples in four kilobytes: two bits each."""
    data = (65_535 // 4).to_bytes(2, "big") + bytes(4 * 1024 + 40)
    series = b"".join(chunk(1, data) for _ in range(1000))
    with within(60), pytest.raises(TooManySamples):
        streamed_answer(framed(block_bytes(1, series)), 0, 100_000)


@pytest.mark.parametrize("kind", [2, 3])
def test_histograms_of_more_buckets_than_are_wanted(kind: int) -> None:
    from promlab.remote import histogram_chunk_kernels as k

    out = np.zeros(100_000, np.uint8)
    none = np.zeros((0, 2), np.int64)
    k.put_layout(100, 0, 3, 0.0, np.array([[0, 7000]]), none, np.zeros(0), out)
    series = b"".join(chunk(kind, out.tobytes()) for _ in range(20))
    with within(20), pytest.raises(TooManySamples):
        streamed_answer(framed(block_bytes(1, series)), 0, 100_000)


def test_frames_of_very_many_series() -> None:
    body = framed(b"\x0a\x00" * 2_000_001)
    with within(100), pytest.raises(BadReadAnswer, match="series in one answer"):
        streamed_answer(body, 0, 1000)


def test_a_frame_that_claims_a_size() -> None:
    with within(1), pytest.raises(BadReadAnswer):
        streamed_answer(varint_bytes(1 << 31) + bytes(100), 0, 1000)


def test_an_answer_of_very_many_empty_samples() -> None:
    body = packed(block_bytes(1, block_bytes(1, b"\x12\x00" * 5_000_000)))
    assert len(body) < MIB
    with within(60), pytest.raises(BadReadAnswer, match="too many samples"):
        samples_answer(body, 1_000_000)


def test_very_many_label_names() -> None:
    """Each is a column: a body with a million of them would take minutes."""
    pairs = [(b"%x" % i, b"%x" % i) for i in range(MOST_NAMES + 1)]
    labels = b"".join(block_bytes(1, block_bytes(1, n) + block_bytes(2, v)) for n, v in pairs)
    request = SeriesCache().decode(block_bytes(1, labels), 1)
    with pytest.raises(BadWriteRequest, match="too many"):
        label_table(request, np.arange(1))
    metric = block_bytes(4, labels + block_bytes(2, b""))
    family = block_bytes(1, b"a") + b"\x18\x01" + metric
    with pytest.raises(ExpositionError, match="too many"):
        FamilyParser(Symbols()).parse(
            varint_bytes(len(family)) + family, native=True, classic=False
        )
    attributes = b"".join(
        block_bytes(7, block_bytes(1, n) + block_bytes(2, block_bytes(1, v))) for n, v in pairs
    )
    gauge = block_bytes(1, b"a") + block_bytes(5, block_bytes(1, attributes))
    with pytest.raises(BadMessage, match="too many"):
        read_request(block_bytes(1, block_bytes(2, block_bytes(2, gauge))), OTLPConfig())
    text = "a{" + ",".join(f'x{i}="1"' for i in range(MOST_NAMES + 1)) + "} 1\n"
    with pytest.raises(ExpositionError, match="too many"):
        BodyParser(Symbols()).parse(text.encode())
