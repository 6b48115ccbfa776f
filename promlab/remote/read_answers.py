"""Remote read, the asking side: requests as bytes, and both forms of answers as columns.

Chunks other than XOR ones, native histograms in particular, are not decoded here: whoever meets
them asks once more, for samples alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cramjam
import numpy as np
import numpy.typing as npt

from promlab.errors import PromlabError
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import Times, Values
from promlab.model.storage import SelectHints
from promlab.model.wire import (
    TEXT,
    VARINT,
    BadMessage,
    Decoded,
    Schema,
    block_bytes,
    decode,
    varint_bytes,
)
from promlab.remote.read import CONTENT_TYPES, SAMPLES, STREAMED
from promlab.remote.snappy import BadSnappy, uncompress
from promlab.remote.write import BadWriteRequest, SeriesCache, texts_of

MOST_BYTES = 1 << 30  # of one answer, unpacked
REQUEST_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}
_TYPES = {
    MatchType.EQUAL: 0, MatchType.NOT_EQUAL: 1, MatchType.REGEX: 2, MatchType.NOT_REGEX: 3,
}  # fmt: skip
_XOR = 1
_RESULTS = Schema({"response": {1: ("result", TEXT)}})
_FRAMES = Schema(
    {
        "stream": {1: ("frame", "frame")},
        "frame": {1: ("series", "series")},
        "series": {1: ("label", "label"), 2: ("chunk", "chunk")},
        "label": {1: ("name", TEXT), 2: ("value", TEXT)},
        "chunk": {3: ("type", VARINT), 4: ("data", TEXT)},
    }
)
Index = npt.NDArray[np.int64]


class BadReadAnswer(PromlabError):
    """An answer that can't be decoded."""


class OtherChunks(PromlabError):
    """An answer with chunks that are not decoded here."""


class Found(NamedTuple):
    """Samples in any order; `series` says to which row of the labels each belongs.

    `lacks` says what is missing.
    """

    labels: LabelTable
    series: Index
    t_ms: Times
    values: Values
    histograms: HistogramColumn | None = None
    lacks: str = ""


def read_request(
    matchers: Sequence[Matcher],
    start_ms: int,
    end_ms: int,
    hints: SelectHints,
    accepted: Sequence[int] = (STREAMED, SAMPLES),
) -> bytes:
    """A request with one query, compressed."""
    query = b"\x08" + varint_bytes(start_ms) + b"\x10" + varint_bytes(end_ms)
    for matcher in matchers:
        kind = _TYPES[matcher.type]
        inner = b"\x08" + varint_bytes(kind) if kind else b""
        inner += block_bytes(2, matcher.name.encode()) + block_bytes(3, matcher.value.encode())
        query += block_bytes(3, inner)
    query += block_bytes(4, _hints(hints, start_ms, end_ms))
    body = block_bytes(1, query) + block_bytes(2, bytes(accepted))
    return bytes(cramjam.snappy.compress_raw(body))


def _hints(hints: SelectHints, start_ms: int, end_ms: int) -> bytes:
    numbers = ((1, hints.step_ms), (3, start_ms), (4, end_ms), (7, hints.range_ms))
    found = block_bytes(2, hints.func.encode()) if hints.func else b""
    for number, value in numbers:
        found += varint_bytes(number << 3) + varint_bytes(value) if value else b""
    return found


def samples_answer(body: bytes) -> Found:
    """The answer to one query in the form SAMPLES. Raises BadReadAnswer."""
    try:
        whole = uncompress(body, MOST_BYTES)
        outer = decode(whole, _RESULTS)
        result = outer.field("response.result")
        if result.n != 1:
            raise BadReadAnswer(f"responses: want 1, got {result.n}")
        # A result has its series where a write request of version 1.0 has them.
        request = SeriesCache().decode(whole[int(result.starts[0]) : int(result.ends[0])])
        labels, valid = texts_of(request, request.places)
    except (BadSnappy, BadMessage, BadWriteRequest) as error:
        raise BadReadAnswer(str(error)) from None
    if not valid.all():
        raise BadReadAnswer("the labels of a series of the answer are not valid")
    floats, others = request.floats, request.histograms
    if not others.n:
        return Found(labels, floats.series, floats.t_ms, floats.values)
    assert others.histograms is not None
    good = np.array([i for i in range(others.n) if i not in request.problems], np.int64)
    index = np.concatenate([np.full(floats.n, -1, np.int64), good])
    return Found(
        labels,
        np.concatenate([floats.series, others.series[good]]),
        np.concatenate([floats.t_ms, others.t_ms[good]]),
        np.concatenate([floats.values, others.values[good]]),
        HistogramColumn(others.histograms, index),
        _left_out(request.problems),
    )


def _left_out(problems: dict[int, str]) -> str:
    if not problems:
        return ""
    return f"{len(problems):,} native histograms left out: {next(iter(problems.values()))}"


def answer_of(content_type: str, body: bytes, frame_limit: int = 0) -> Found | None:
    """The answer in the form that its type names; None if that is no form of an answer.

    Raises BadReadAnswer, and OtherChunks.
    """
    if content_type.startswith(CONTENT_TYPES[STREAMED].partition(";")[0]):
        return streamed_answer(body, frame_limit)
    if content_type.startswith(CONTENT_TYPES[SAMPLES]):
        return samples_answer(body)
    return None


def streamed_answer(body: bytes, frame_limit: int) -> Found:
    """The answer to one query in the form STREAMED_XOR_CHUNKS.

    Raises BadReadAnswer, and OtherChunks.
    """
    from promlab.remote.xor_kernels import unframe

    raw = np.frombuffer(body, np.uint8) if body else np.zeros(0, np.uint8)
    delimited = np.empty(len(raw), np.uint8)
    size = int(unframe(raw, frame_limit or len(raw), delimited))
    if size < 0:
        raise BadReadAnswer(
            "a frame of the answer is damaged"
            if size == -1
            else f"message size exceeded the limit {frame_limit} bytes"
        )
    try:
        found = decode(delimited[:size].tobytes(), _FRAMES, delimited=True)
        labels, row_of = _labels(found)
    except BadMessage as error:
        raise BadReadAnswer(str(error)) from None
    return _samples(found, labels, row_of)


def _labels(found: Decoded) -> tuple[LabelTable, Index]:
    """Label sets, and which one each entry of a series has: a long one has several."""
    n, m = found.count("frame.series"), found.count("series.label")
    names, values = found.texts("label.name"), found.texts("label.value")
    name_of, value_of = found.inside("label.name", m), found.inside("label.value", m)
    if (name_of < 0).any():
        raise BadMessage("a label has no name")
    rows: list[dict[str, str]] = [{} for _ in range(n)]
    owners = found.field("series.label").owners.tolist()
    for owner, name, value in zip(owners, name_of.tolist(), value_of.tolist(), strict=True):
        rows[owner][names[name]] = values[value] if value >= 0 else ""
    known: dict[tuple[tuple[str, str], ...], int] = {}
    row_of = [known.setdefault(tuple(row.items()), len(known)) for row in rows]
    return LabelTable.from_dicts(list(map(dict, known)), Symbols()), np.array(row_of, np.int64)


def _samples(found: Decoded, labels: LabelTable, row_of: Index) -> Found:
    from promlab.remote.xor_kernels import chunk_sizes, read_chunks

    n = found.count("series.chunk")
    if (found.integers("chunk.type", n) != _XOR).any():
        raise OtherChunks("the answer has chunks other than those of floats")
    data = found.field("chunk.data")
    if data.n != n:
        raise BadReadAnswer("a chunk of the answer is empty")
    starts, ends = data.starts.astype(np.int64), data.ends.astype(np.int64)
    counts = np.empty(n, np.int64)
    chunk_sizes(found.body, starts, ends, counts)
    total = int(counts.sum())
    # A sample takes two bits at least: more than that can't be there.
    if (counts < 0).any() or total > 4 * len(found.body):
        raise BadReadAnswer("a chunk of the answer is damaged")
    t_ms, values = np.empty(total, np.int64), np.empty(total)
    if read_chunks(found.body, starts, ends, counts, t_ms, values) >= 0:
        raise BadReadAnswer("a chunk of the answer is damaged")
    series = row_of[found.field("series.chunk").owners]
    return Found(labels, np.repeat(series, counts), t_ms, values)
