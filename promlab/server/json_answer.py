"""Query results as the JSON of the HTTP API, in chunks of a few MB.

Numbers are printed from columns by kernels without the GIL, so a big answer may be printed
in a thread while the event loop goes on. No chunk outlives its sending, whatever the size
of the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.model.float_text import format_plain, format_seconds
from promlab.model.histograms import HistogramColumn, boundary_rules, ordered_buckets
from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.promql.result import (
    InstantVector,
    Matrix,
    QueryResult,
    RawMatrix,
    Scalar,
    String,
    Value,
)
from promlab.server.envelope import escaped
from promlab.server.label_text import LabelText, Pieces

_CHUNK_BYTES = 2 << 20
_SAMPLE_BYTES = 26 + 6  # the longest float, quotes, brackets, commas
_SERIES_BYTES = 32  # {"metric":{},"values":[]},
_TIME_BYTES = 24
_encode = msgspec.json.Encoder().encode
_local = threading.local()

_LISTS = (InstantVector, Matrix, RawMatrix)
RESULT_TYPES: dict[type, str] = {
    InstantVector: "vector",
    Matrix: "matrix",
    RawMatrix: "matrix",
    Scalar: "scalar",
    String: "string",
}


_BEGIN = {
    kind: b'{"status":"success","data":{"resultType":"%s","result":' % name.encode()
    + (b"[" if kind in _LISTS else b"")
    for kind, name in RESULT_TYPES.items()
}


def result_type(value: Value) -> str:
    """The name that the API gives to this kind of result."""
    return RESULT_TYPES[type(value)]


def encode_answer(
    result: QueryResult, label_text: LabelText, stats: dict[str, Any] | None = None
) -> Iterator[bytes]:
    """The whole answer, envelope and all, piece by piece: nothing is done before it is asked."""
    yield from _answer(result, label_text, stats)


def encode_at_once(
    result: QueryResult, label_text: LabelText, stats: dict[str, Any] | None = None
) -> bytes:
    """The same in one piece, for what is small."""
    return b"".join(_answer(result, label_text, stats))


def _answer(
    result: QueryResult, label_text: LabelText, stats: dict[str, Any] | None
) -> Iterable[bytes]:
    value, warnings, infos, _ = result
    kind = type(value)
    end = b"]" if kind in _LISTS else b""
    if stats is not None:
        end += b',"stats":' + _encode(stats)
    end += b"}"
    if warnings:
        end += b',"warnings":' + _encode(warnings)
    if infos:
        end += b',"infos":' + _encode(infos)
    end += b"}"
    printed = _PRINTERS[kind](value, label_text)
    if isinstance(printed, tuple):
        return _BEGIN[kind], *printed, end
    return chain((_BEGIN[kind],), _with_commas(printed), (end,))


def encode_series(
    labels: LabelTable, label_text: LabelText, warnings: Sequence[str] = ()
) -> Iterator[bytes]:
    """The whole answer of /series."""
    pieces = label_text.pieces(labels)
    yield b'{"status":"success","data":['
    yield from _with_commas(
        _chunks(pieces, _SERIES_BYTES, partial(_kernels().print_label_sets, *pieces.columns))
    )
    yield b"]"
    if warnings:
        yield b',"warnings":' + _encode(warnings)
    yield b"}"


def _scalar(value: Scalar, _: LabelText) -> Iterable[bytes]:
    return (f'[{_shortest(value.t_ms)},"{format_plain(value.value)}"]'.encode(),)


def _string(value: String, _: LabelText) -> Iterable[bytes]:
    return (f"[{_shortest(value.t_ms)},".encode() + escaped(_encode(value.value)) + b"]",)


def _shortest(t_ms: int) -> str:
    """A time as Prometheus prints it beside one value: without zeros at its end."""
    text = format_seconds(t_ms)
    return text.rstrip("0") if "." in text else text


def _with_commas(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for i, chunk in enumerate(chunks):
        if i:
            yield b","
        yield chunk


def _vector(value: InstantVector, label_text: LabelText) -> Iterable[bytes]:
    if not value.labels.n:
        return ()  # as most alerts have it
    pieces, step = label_text.pieces(value.labels), _step(value.t_ms)
    values = np.ascontiguousarray(value.values)
    more = _SERIES_BYTES + _SAMPLE_BYTES + _TIME_BYTES
    if value.histograms is None:
        return _chunks(
            pieces, more, partial(_kernels().print_vector, *pieces.columns, step, values)
        )
    from promlab.server.json_histogram_kernels import print_mixed_vector

    printed = _Histograms.of(value.histograms)
    print_rows = partial(print_mixed_vector, *pieces.columns, step, values, *printed)
    return _chunks(pieces, more + printed.sizes(), print_rows)


@lru_cache(maxsize=16)
def _step(t_ms: int) -> npt.NDArray[np.uint8]:
    """The printed time of an instant: rules and the panels of a dashboard ask for the same."""
    return np.frombuffer(f"[{format_seconds(t_ms)},".encode(), np.uint8)


def _matrix(value: Matrix, label_text: LabelText) -> Iterable[bytes]:
    if value.histograms is not None:
        return _mixed_series(as_batch(value), label_text)
    pieces = label_text.pieces(value.labels)
    steps, step_offsets = _steps(value.t_ms.tobytes())
    values, present = value.values, value.present
    more: int | npt.NDArray[np.int64] = len(steps) + present.shape[1] * _SAMPLE_BYTES
    if pieces.total + (_SERIES_BYTES + more) * len(present) > _CHUNK_BYTES:
        more = np.count_nonzero(present, axis=1) * (_SAMPLE_BYTES + _TIME_BYTES)
    print_rows = partial(
        _kernels().print_matrix, *pieces.columns, steps, step_offsets, values, present
    )
    return _chunks(pieces, _SERIES_BYTES + more, print_rows)


def _raw_matrix(value: RawMatrix, label_text: LabelText) -> Iterable[bytes]:
    batch = value.batch
    if batch.histograms is not None:
        return _mixed_series(batch, label_text)
    pieces = label_text.pieces(batch.labels)
    more = _SERIES_BYTES + np.diff(batch.offsets) * (_SAMPLE_BYTES + _TIME_BYTES)
    times, values = np.ascontiguousarray(batch.t_ms), np.ascontiguousarray(batch.values)
    print_rows = partial(
        _kernels().print_series, *pieces.columns, batch.offsets, batch.times_at, times, values
    )
    return _chunks(pieces, more, print_rows)


def _mixed_series(batch: SeriesBatch, label_text: LabelText) -> Iterable[bytes]:
    from promlab.server.json_histogram_kernels import print_mixed_series

    assert batch.histograms is not None
    pieces = label_text.pieces(batch.labels)
    printed = _Histograms.of(batch.histograms)
    each = np.concatenate([[0], np.cumsum(printed.sizes() + _SAMPLE_BYTES + _TIME_BYTES)])
    more = 2 * _SERIES_BYTES + np.diff(each[batch.offsets])
    times, values = np.ascontiguousarray(batch.t_ms), np.ascontiguousarray(batch.values)
    columns = batch.offsets, batch.times_at, times, values, *printed
    return _chunks(pieces, more, partial(print_mixed_series, *pieces.columns, *columns))


@lru_cache(maxsize=1)
def _kernels() -> ModuleType:
    """Loaded when the first answer is printed: to import it by name costs a small one its time."""
    from promlab.server import json_kernels

    return json_kernels


_PRINTERS: dict[type, Callable[[Any, LabelText], Iterable[bytes]]] = {
    InstantVector: _vector,
    Matrix: _matrix,
    RawMatrix: _raw_matrix,
    Scalar: _scalar,
    String: _string,
}


class _Histograms(NamedTuple):
    """Histograms as they are printed: `rows` has a row for each sample, -1 for a float."""

    rows: npt.NDArray[np.int64]
    observations: npt.NDArray[np.float64]
    total: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]
    lower: npt.NDArray[np.float64]
    upper: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]
    rules: npt.NDArray[np.int8]

    @staticmethod
    def of(column: HistogramColumn) -> _Histograms:
        """Only those that the index names."""
        used, index = np.unique(column.index, return_inverse=True)
        index = index.reshape(column.index.shape)
        if len(used) and used[0] < 0:
            used, index = used[1:], index - 1
        table = column.table.take(used)
        buckets = ordered_buckets(table)
        return _Histograms(
            np.ascontiguousarray(index, np.int64),
            table.count,
            table.sum,
            buckets.offsets,
            buckets.lower,
            buckets.upper,
            buckets.counts,
            boundary_rules(buckets),
        )

    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes that each sample takes at most beyond what a float does."""
        from promlab.server.json_histogram_kernels import BUCKET_BYTES, HISTOGRAM_BYTES

        each = HISTOGRAM_BYTES + BUCKET_BYTES * np.diff(self.offsets)
        sizes: npt.NDArray[np.int64] = np.append(each, 0)[self.rows]
        return sizes


def as_batch(matrix: Matrix) -> SeriesBatch:
    """The values of a matrix as series of samples."""
    counts = np.count_nonzero(matrix.present, axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    t_ms = np.broadcast_to(matrix.t_ms, matrix.values.shape)[matrix.present]
    column = matrix.histograms
    return SeriesBatch(
        matrix.labels,
        offsets,
        offsets[:-1].copy(),
        t_ms,
        matrix.values[matrix.present],
        None if column is None else column.take(matrix.present),
    )


@lru_cache(maxsize=16)
def _steps(times: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Printed times, and where each begins: the panels of a dashboard ask for the same."""
    t_ms = np.frombuffer(times, np.int64)
    text = np.empty(len(t_ms) * _TIME_BYTES, np.uint8)
    offsets = np.empty(len(t_ms) + 1, np.int64)
    _kernels().print_steps(t_ms, text, offsets)
    return text, offsets


def _chunks(
    pieces: Pieces,
    more: int | npt.NDArray[np.int64],
    print_rows: Callable[[int, int, npt.NDArray[np.uint8]], int],
) -> Iterable[bytes]:
    """Rows printed so many at a time that they fit one chunk.

    A row takes no more than its labels and `more` bytes.
    """
    if isinstance(more, int):
        count = len(pieces.rows)
        most = pieces.total + more * count
        if most <= _CHUNK_BYTES:
            out = _scratch(most)
            return (out[: print_rows(0, count, out)].tobytes(),) if count else ()
    return _many_chunks(pieces, more, print_rows)


def _many_chunks(
    pieces: Pieces,
    more: int | npt.NDArray[np.int64],
    print_rows: Callable[[int, int, npt.NDArray[np.uint8]], int],
) -> Iterator[bytes]:
    sizes = pieces.sizes + more
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        before = int(ends[first - 1]) if first else 0
        end = max(first + 1, int(np.searchsorted(ends, before + _CHUNK_BYTES, "right")))
        out = _scratch(int(ends[end - 1]) - before)
        yield out[: print_rows(first, end, out)].tobytes()
        first = end


def _scratch(size: int) -> npt.NDArray[np.uint8]:
    """This thread's buffer, reused; a row that is larger than a chunk gets one of its own."""
    if size > _CHUNK_BYTES:
        return np.empty(size, np.uint8)
    buffer: npt.NDArray[np.uint8] | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = np.empty(_CHUNK_BYTES, np.uint8)
    return buffer
