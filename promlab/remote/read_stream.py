"""Remote read, the asking side: answers in the form STREAMED_XOR_CHUNKS as columns.

What chunks say of their size is checked before room is made for it. Kinds of chunks that are not
known here are left alone: whoever meets them asks once more, for samples alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import TooManySamples
from promlab.model.histogram_checks import problems
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Times, Values, is_stale, stale_values
from promlab.model.wire import TEXT, VARINT, BadMessage, Decoded, Schema, decode
from promlab.remote.histogram_chunks import (
    CHUNK_SAMPLES,
    FLOATS,
    INTEGERS,
    BadChunk,
    Histograms,
    histograms,
    read_heads,
)
from promlab.remote.read import CONTENT_TYPES, SAMPLES, STREAMED, XOR
from promlab.remote.read_answers import (
    BadReadAnswer,
    Found,
    Index,
    OtherChunks,
    left_out,
    samples_answer,
)

_MOST_PARTS = 1 << 24  # fields of one answer: 340 MB of columns
_MOST_SERIES = 2_000_000
_FRAMES = Schema(
    {
        "stream": {1: ("frame", "frame")},
        "frame": {1: ("series", "series")},
        "series": {1: ("label", "label"), 2: ("chunk", "chunk")},
        "label": {1: ("name", TEXT), 2: ("value", TEXT)},
        "chunk": {3: ("type", VARINT), 4: ("data", TEXT)},
    }
)


def answer_of(content_type: str, body: bytes, frame_limit: int = 0, most: int = 0) -> Found | None:
    """The answer in the form that its type names; None if that is no form of an answer.

    Raises BadReadAnswer, OtherChunks, and TooManySamples if there are more than `most` (0: any
    number is taken).
    """
    if content_type.startswith(CONTENT_TYPES[STREAMED].partition(";")[0]):
        return streamed_answer(body, frame_limit, most)
    if content_type.startswith(CONTENT_TYPES[SAMPLES]):
        return samples_answer(body, most)
    return None


def streamed_answer(body: bytes, frame_limit: int, most: int = 0) -> Found:
    """The answer to one query in the form STREAMED_XOR_CHUNKS.

    Raises BadReadAnswer, OtherChunks, and TooManySamples.
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
        found = decode(delimited[:size].tobytes(), _FRAMES, delimited=True, most=_MOST_PARTS)
        labels, row_of = _labels(found)
    except BadMessage as error:
        raise BadReadAnswer(str(error)) from None
    return _samples(found, labels, row_of, most)


def _labels(found: Decoded) -> tuple[LabelTable, Index]:
    """Label sets, and which one each entry of a series has: a long one has several."""
    n, m = found.count("frame.series"), found.count("series.label")
    names, values = found.texts("label.name"), found.texts("label.value")
    name_of, value_of = found.inside("label.name", m), found.inside("label.value", m)
    if (name_of < 0).any():
        raise BadMessage("a label has no name")
    if n > _MOST_SERIES:
        raise BadMessage(f"{n:,} series in one answer are more than {_MOST_SERIES:,}")
    rows: list[dict[str, str]] = [{} for _ in range(n)]
    owners = found.field("series.label").owners.tolist()
    for owner, name, value in zip(owners, name_of.tolist(), value_of.tolist(), strict=True):
        rows[owner][names[name]] = values[value] if value >= 0 else ""
    known: dict[tuple[tuple[str, str], ...], int] = {}
    row_of = [known.setdefault(tuple(row.items()), len(known)) for row in rows]
    return LabelTable.from_dicts(list(map(dict, known)), Symbols()), np.array(row_of, np.int64)


def _samples(found: Decoded, labels: LabelTable, row_of: Index, most: int) -> Found:
    n = found.count("series.chunk")
    kinds = found.integers("chunk.type", n)
    if not np.isin(kinds, (XOR, INTEGERS, FLOATS)).all():
        raise OtherChunks("the answer has chunks other than those of floats and histograms")
    data = found.field("chunk.data")
    if data.n != n:
        raise BadReadAnswer("a chunk of the answer is empty")
    series = row_of[found.field("series.chunk").owners]
    starts, ends = data.starts.astype(np.int64), data.ends.astype(np.int64)
    # Chunks reach beyond the range that was asked for.
    room = 2 * (most + CHUNK_SAMPLES * labels.n) if most else 0
    plain, native = np.flatnonzero(kinds == XOR), np.flatnonzero(kinds != XOR)
    floats = _floats(found.body, starts[plain], ends[plain], most, room)
    if not len(native):
        return Found(labels, np.repeat(series[plain], floats.counts), floats.t_ms, floats.values)
    try:
        heads = read_heads(found.body, starts[native], ends[native])
        # A bucket takes as much memory as a sample.
        if room and len(floats.t_ms) + heads.samples + heads.buckets > room:
            raise TooManySamples(most)
        is_float = kinds[native] == FLOATS
        others = histograms(found.body, starts[native], ends[native], is_float, heads)
    except BadChunk as error:
        raise BadReadAnswer(str(error)) from None
    return _joined(labels, series, plain, floats, native, others, is_float)


def _joined(
    labels: LabelTable,
    series: Index,
    plain: Index,
    floats: _Floats,
    native: Index,
    others: Histograms,
    is_float: npt.NDArray[np.bool_],
) -> Found:
    """Floats and histograms as one; `plain` and `native` say which chunks they are from."""
    stale = is_stale(others.table.sum)
    wrong = problems(others.table, is_float[others.chunk], others.has_bounds)
    wrong = {row: words for row, words in wrong.items() if not stale[row]}
    good = np.delete(np.arange(len(stale)), list(wrong))
    index = np.where(stale, -1, np.arange(len(stale)))[good]
    values = np.where(stale, stale_values(len(stale)).view(np.uint64), 0).view(np.float64)
    return Found(
        labels,
        np.concatenate(
            [np.repeat(series[plain], floats.counts), series[native][others.chunk][good]]
        ),
        np.concatenate([floats.t_ms, others.t_ms[good]]),
        np.concatenate([floats.values, values[good]]),
        HistogramColumn(others.table, np.append(np.full(len(floats.t_ms), -1), index)),
        left_out(wrong),
    )


class _Floats(NamedTuple):
    """Samples of XOR chunks, one after the other; `counts` says how many each has."""

    counts: Index
    t_ms: Times
    values: Values


def _floats(
    body: npt.NDArray[np.uint8], starts: Index, ends: Index, most: int, room: int
) -> _Floats:
    from promlab.remote.xor_kernels import chunk_sizes, read_chunks

    counts = np.empty(len(starts), np.int64)
    chunk_sizes(body, starts, ends, counts)
    total = int(counts.sum())
    # A sample takes two bits at least: more than that can't be there.
    if (counts < 0).any() or total > 4 * len(body):
        raise BadReadAnswer("a chunk of the answer is damaged")
    if room and total > room:
        raise TooManySamples(most)
    t_ms, values = np.empty(total, np.int64), np.empty(total)
    if read_chunks(body, starts, ends, counts, t_ms, values) >= 0:
        raise BadReadAnswer("a chunk of the answer is damaged")
    return _Floats(counts, t_ms, values)
