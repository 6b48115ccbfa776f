"""Remote read, the serving side: what is asked, and both forms of the answer.

SAMPLES is one snappy message; STREAMED_XOR_CHUNKS a sequence of frames, each a varint size, a
CRC-32C and a message with some chunks of one series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import cramjam
import numpy as np

from promlab.errors import PromlabError
from promlab.model.labels import LabelTable
from promlab.model.matchers import BadRegex, Matcher, MatchType
from promlab.model.samples import SeriesBatch, Times
from promlab.model.wire import (
    TEXT,
    VARINT,
    BadMessage,
    Schema,
    block_bytes,
    decode,
    varint_bytes,
)
from promlab.remote.encode import SeriesSamples, timeseries
from promlab.remote.histogram_chunks import CHUNK_SAMPLES, chunks

SAMPLES, STREAMED = 0, 1
CONTENT_TYPES = {
    SAMPLES: "application/x-protobuf",
    STREAMED: "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse",
}
FRAME_BYTES = 1 << 20
XOR = 1  # a kind of chunks
_TYPES = (MatchType.EQUAL, MatchType.NOT_EQUAL, MatchType.REGEX, MatchType.NOT_REGEX)
_REQUEST = Schema(
    {
        "request": {1: ("query", "query"), 2: ("accepted", VARINT)},
        "query": {1: ("start", VARINT), 2: ("end", VARINT), 3: ("matcher", "matcher")},
        "matcher": {1: ("type", VARINT), 2: ("name", TEXT), 3: ("value", TEXT)},
    }
)


class BadReadRequest(PromlabError):
    """A remote read body that can't be decoded, or asks for what can't be asked."""


class ReadQuery(NamedTuple):
    """One question: samples with start_ms <= t <= end_ms of the series that pass."""

    start_ms: int
    end_ms: int
    matchers: list[Matcher]


class ReadRequest(NamedTuple):
    """All questions, and the forms of answers that are understood, the best one first."""

    queries: list[ReadQuery]
    accepted: list[int]


def read_request(body: bytes) -> ReadRequest:
    """What a request asks. Raises BadReadRequest."""
    try:
        found = decode(body, _REQUEST)
        names, values = found.texts("matcher.name"), found.texts("matcher.value")
    except BadMessage as error:
        raise BadReadRequest(str(error)) from None
    n, m = found.count("request.query"), found.count("query.matcher")
    types = found.integers("matcher.type", m)
    if ((types < 0) | (types >= len(_TYPES))).any():
        raise BadReadRequest("a matcher has an unknown type")
    name_of = found.inside("matcher.name", m).tolist()
    value_of = found.inside("matcher.value", m).tolist()
    matchers: list[list[Matcher]] = [[] for _ in range(n)]
    for i, owner in enumerate(found.field("query.matcher").owners.tolist()):
        name = names[name_of[i]] if name_of[i] >= 0 else ""
        value = values[value_of[i]] if value_of[i] >= 0 else ""
        try:
            matchers[owner].append(Matcher(name, _TYPES[int(types[i])], value))
        except BadRegex as error:
            raise BadReadRequest(str(error)) from None
    starts = found.integers("query.start", n).tolist()
    ends = found.integers("query.end", n).tolist()
    queries = [ReadQuery(*each) for each in zip(starts, ends, matchers, strict=True)]
    accepted = found.field("request.accepted").values.tolist()
    return ReadRequest(queries, accepted or [SAMPLES])


def without_external(matchers: list[Matcher], external: Mapping[str, str]) -> list[Matcher]:
    """Matchers as they hold inside: what asks for an external label asks for one without it."""
    return [
        Matcher(m.name, MatchType.EQUAL, "")
        if m.type is MatchType.EQUAL and external.get(m.name) == m.value
        else m
        for m in matchers
    ]


def as_samples(batch: SeriesBatch, external: Mapping[str, str]) -> SeriesSamples:
    """A batch with its external labels, series sorted by their labels."""
    labels = LabelTable(batch.n, batch.labels.columns, batch.labels.symbols.overlay())
    for name, text in external.items():
        own = labels.column(name)
        labels = labels.replace(name, np.where(own != 0, own, labels.symbols.code(text)))
    order = _sorted(labels)
    counts = np.diff(batch.offsets)[order]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    within = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], counts)
    rows = np.repeat(batch.offsets[:-1][order], counts) + within
    t_ms = batch.t_ms[np.repeat(batch.times_at[order], counts) + within]
    histograms = None if batch.histograms is None else batch.histograms.take(rows)
    return SeriesSamples(labels.take(order), offsets, t_ms, batch.values[rows], histograms)


def _sorted(labels: LabelTable) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows in the order of their label sets: name, value, name, value."""
    rows = [list(row.items()) for row in labels.rows()]
    return np.array(sorted(range(labels.n), key=rows.__getitem__), np.int64)


def samples_body(results: list[SeriesSamples]) -> bytes:
    """The whole answer in the form SAMPLES, compressed."""
    parts = []
    for samples in results:
        inner = timeseries(samples, 1)
        parts.append(b"\x0a" + varint_bytes(len(inner)) + inner)
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def frames(results: list[SeriesSamples], frame_bytes: int = FRAME_BYTES) -> Iterator[bytes]:
    """The frames of an answer in the form STREAMED_XOR_CHUNKS."""
    for query, samples in enumerate(results):
        index = b"\x10" + varint_bytes(query) if query else b""
        for s in range(samples.labels.n):
            head = _label_fields(samples.labels.row(s))
            chunks: list[bytes] = []
            for chunk in _chunks(samples, s):
                if chunks and sum(map(len, chunks)) + len(chunk) > frame_bytes:
                    yield _frame(head, chunks, index)
                    chunks = []
                chunks.append(chunk)
            if chunks:
                yield _frame(head, chunks, index)


def _frame(head: bytes, chunks: list[bytes], index: bytes) -> bytes:
    from promlab.remote.xor_kernels import crc32c

    series = head + b"".join(chunks)
    body = b"\x0a" + varint_bytes(len(series)) + series + index
    crc = int(crc32c(np.frombuffer(body, np.uint8)))
    return varint_bytes(len(body)) + crc.to_bytes(4, "big") + body


def _label_fields(labels: Mapping[str, str]) -> bytes:
    found = b""
    for name, value in labels.items():
        pair = block_bytes(1, name.encode()) + block_bytes(2, value.encode())
        found += block_bytes(1, pair)
    return found


def _chunks(samples: SeriesSamples, s: int) -> Iterator[bytes]:
    """Chunks of one series, as fields; floats and histograms are in chunks of their own."""
    start, end = int(samples.offsets[s]), int(samples.offsets[s + 1])
    column = samples.histograms
    if column is None:
        yield from _float_chunks(samples, start, end)
        return
    index = column.index[start:end]
    cuts = np.flatnonzero(np.diff(index >= 0)) + 1
    for first, last in pairwise([0, *cuts.tolist(), end - start]):
        if first == last:
            continue
        if index[first] < 0:
            yield from _float_chunks(samples, start + first, start + last)
            continue
        t_ms = samples.t_ms[start + first : start + last]
        for chunk in chunks(column.table.take(index[first:last]), t_ms):
            yield _chunk(t_ms[chunk.first : chunk.last], chunk.kind, chunk.body)


def _float_chunks(samples: SeriesSamples, start: int, end: int) -> Iterator[bytes]:
    from promlab.remote.xor_kernels import HEADER, MOST_BITS, xor_chunk

    for first in range(start, end, CHUNK_SAMPLES):
        last = min(first + CHUNK_SAMPLES, end)
        out = np.zeros(HEADER + 20 + (last - first) * MOST_BITS // 8, np.uint8)
        size = int(xor_chunk(samples.t_ms, samples.values, first, last, out))
        yield _chunk(samples.t_ms[first:last], XOR, out[:size].tobytes())


def _chunk(t_ms: Times, kind: int, body: bytes) -> bytes:
    times = b"\x08" + varint_bytes(int(t_ms[0])) + b"\x10" + varint_bytes(int(t_ms[-1]))
    return block_bytes(2, times + b"\x18" + varint_bytes(kind) + block_bytes(4, body))
