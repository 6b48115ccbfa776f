"""Remote read, the asking side: requests as bytes, and answers in the form SAMPLES as columns.

Chunks are read in `read_stream.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cramjam
import numpy as np
import numpy.typing as npt

from promlab.errors import PromlabError
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import Times, Values
from promlab.model.storage import SelectHints
from promlab.model.wire import (
    TEXT,
    BadMessage,
    Schema,
    block_bytes,
    decode,
    varint_bytes,
)
from promlab.remote.read import SAMPLES, STREAMED
from promlab.remote.snappy import BadSnappy, uncompress
from promlab.remote.write import BadWriteRequest, SeriesCache, texts_of

MOST_BYTES = 256 << 20  # of one answer
_UNPACKED_BYTES = 512 << 20
REQUEST_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}
_TYPES = {
    MatchType.EQUAL: 0, MatchType.NOT_EQUAL: 1, MatchType.REGEX: 2, MatchType.NOT_REGEX: 3,
}  # fmt: skip
_RESULTS = Schema({"response": {1: ("result", TEXT)}})
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


def samples_answer(body: bytes, most: int = 0) -> Found:
    """The answer to one query in the form SAMPLES, of that many samples at most (0: any number).

    Raises BadReadAnswer.
    """
    try:
        whole = uncompress(body, _UNPACKED_BYTES)
        outer = decode(whole, _RESULTS)
        result = outer.field("response.result")
        if result.n != 1:
            raise BadReadAnswer(f"responses: want 1, got {result.n}")
        # A result has its series where a write request of version 1.0 has them.
        inner = whole[int(result.starts[0]) : int(result.ends[0])]
        request = SeriesCache().decode(inner, most=most or len(inner))
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
        left_out(request.problems),
    )


def left_out(problems: dict[int, str]) -> str:
    """What is said of histograms that are not part of an answer."""
    if not problems:
        return ""
    return f"{len(problems):,} native histograms left out: {next(iter(problems.values()))}"
