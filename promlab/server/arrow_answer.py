"""Query results as an Arrow IPC stream: one long frame, columns as they are in memory.

Columns are `timestamp` (ms, UTC), `value` (f64) and one dictionary-encoded string column per
label, empty where a series lacks it. The schema's metadata has `resultType`, and `labels`,
`warnings`, `infos` as JSON lists; `labels` names the label columns, because a label that is
called as a column is gets one of another name. Where there are native histograms, there are four
more columns: `histogram` (u8) is 1 for one, and then `histogram_count`, `histogram_sum` (f64) and
`histogram_buckets` (a list of f64: boundary rule, lower, upper, count of each bucket) have it, and
the metadata has `histograms`. Written without an Arrow library,
so that no answer waits for one to load.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn, boundary_rules, ordered_buckets
from promlab.model.labels import LabelTable
from promlab.promql.result import InstantVector, Matrix, QueryResult, RawMatrix, Scalar, Value
from promlab.server.flatbuffer import Number, Structs, Table, serialize
from promlab.server.json_answer import result_type

HISTOGRAM_COLUMNS = ("histogram", "histogram_count", "histogram_sum", "histogram_buckets")
ARROW = "application/vnd.apache.arrow.stream"
_ROWS = 1 << 18  # a record batch
_VERSION = Number("h", 4)  # metadata version 5
_SCHEMA, _DICTIONARY, _RECORDS = 1, 2, 3
_INT, _FLOAT, _TEXT, _TIMESTAMP, _LIST = 2, 3, 5, 10, 12
_U32 = Table((Number("i", 32), Number("b", 0)))
_END = struct.pack("<Ii", 0xFFFFFFFF, 0)

Column = npt.NDArray[Any]


class _Long(NamedTuple):
    """Rows of the frame: series s has `counts[s]` of them."""

    labels: LabelTable
    counts: npt.NDArray[np.int64]
    t_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    histograms: HistogramColumn | None = None


class _Lists(NamedTuple):
    """A column of lists of floats: row i has those from offsets[i] to offsets[i + 1]."""

    offsets: npt.NDArray[np.int32]
    items: npt.NDArray[np.float64]


def encode_arrow(result: QueryResult) -> Iterator[bytes]:
    """The stream, message by message. A String has no such form."""
    long = _long(result.value)
    names = sorted(name for name, codes in long.labels.columns.items() if codes.any())
    yield _schema(result, names, long.histograms is not None)
    columns = [_dictionary(long.labels, name) for name in names]
    for i, (texts, _) in enumerate(columns):
        yield _dictionary_batch(i, texts)
    series = np.repeat(np.arange(long.labels.n), long.counts)
    for first in range(0, len(series), _ROWS):
        rows = slice(first, first + _ROWS)
        indices = [codes[series[rows]] for _, codes in columns]
        more = [] if long.histograms is None else _histograms(long.histograms, rows)
        yield _record_batch([long.t_ms[rows], long.values[rows], *more, *indices])
    yield _END


def _long(value: Value) -> _Long:
    match value:
        case InstantVector():
            ones = np.ones(value.labels.n, np.int64)
            return _Long(value.labels, ones, ones * value.t_ms, value.values, value.histograms)
        case Matrix():
            counts = np.count_nonzero(value.present, axis=1)
            t_ms = np.broadcast_to(value.t_ms, value.values.shape)[value.present]
            column = value.histograms
            column = None if column is None else column.take(value.present)
            return _Long(value.labels, counts, t_ms, value.values[value.present], column)
        case RawMatrix():
            batch = value.batch
            counts = np.diff(batch.offsets)
            at = np.arange(batch.sample_count) + np.repeat(
                batch.times_at - batch.offsets[:-1], counts
            )
            values = batch.values[: batch.sample_count]
            return _Long(batch.labels, counts, batch.t_ms[at], values, batch.histograms)
        case Scalar():
            from promlab.model.labels import Symbols

            nothing = LabelTable(1, {}, Symbols())
            return _Long(
                nothing, np.ones(1, np.int64), np.array([value.t_ms]), np.array([value.value])
            )
        case _:
            raise TypeError(f"{type(value).__name__} has no form in Arrow")


def _dictionary(labels: LabelTable, name: str) -> tuple[list[str], npt.NDArray[np.uint32]]:
    distinct, inverse = np.unique(labels.column(name), return_inverse=True)
    return labels.symbols.texts(distinct), inverse.astype(np.uint32)


def _histograms(column: HistogramColumn, rows: slice) -> list[Column | _Lists]:
    """The columns of histograms among some rows."""
    index = column.index[rows]
    used, inverse = np.unique(index, return_inverse=True)
    first = int(len(used) > 0 and used[0] < 0)  # 1 if there are floats
    table = column.table.take(used[first:])
    buckets = ordered_buckets(table)
    rules = boundary_rules(buckets).astype(np.float64)
    items = np.stack([rules, buckets.lower, buckets.upper, buckets.counts], axis=1)
    # A float has the row behind the last one, which is empty.
    row = np.where(index < 0, table.n, inverse - first)
    starts = np.append(buckets.offsets, buckets.offsets[-1])
    sizes = np.diff(starts)[row]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    at = np.repeat(starts[row] - offsets[:-1], sizes) + np.arange(int(offsets[-1]))
    return [
        (index >= 0).astype(np.uint8),
        np.append(table.count, 0.0)[row],
        np.append(table.sum, 0.0)[row],
        _Lists((4 * offsets).astype(np.int32), items[at].ravel()),
    ]


def _schema(result: QueryResult, names: list[str], histograms: bool) -> bytes:
    timestamp = Table((Number("h", 1), "UTC"))
    fields = [
        _field("timestamp", _TIMESTAMP, timestamp),
        _field("value", _FLOAT, Table((Number("h", 2),))),
    ]
    own = ["timestamp", "value", *(HISTOGRAM_COLUMNS if histograms else ())]
    if histograms:
        number = Table((Number("h", 2),))
        item = _field("item", _FLOAT, number)
        kinds = [
            (_INT, Table((Number("i", 8), Number("b", 0)))),
            (_FLOAT, number),
            (_FLOAT, number),
        ]
        fields += [_field(name, *kind) for name, kind in zip(own[2:5], kinds, strict=True)]
        fields.append(_field(own[5], _LIST, Table(()), children=[item]))
    taken = {*own, *names}
    for i, name in enumerate(names):
        shown = name
        while name in own and shown in taken:
            shown += "_label"
        encoding = Table((Number("q", i), _U32, Number("b", 0)))
        fields.append(_field(shown, _TEXT, Table(()), encoding))
    metadata = {"resultType": result_type(result.value)} | {
        key: msgspec.json.encode(texts).decode()
        for key, texts in (
            ("labels", names),
            ("warnings", result.warnings),
            ("infos", result.infos),
        )
    }
    if histograms:
        metadata["histograms"] = "true"
    pairs = [Table((key, text)) for key, text in metadata.items()]
    return _message(_SCHEMA, Table((Number("h", 0), fields, pairs)), 0)


def _field(
    name: str,
    kind: int,
    detail: Table,
    encoding: Table | None = None,
    children: list[Table] | None = None,
) -> Table:
    parts = (name, Number("b", 0), Number("b", kind), detail, encoding, children or [], None)
    return Table(parts)


def _dictionary_batch(number: int, texts: list[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    text = np.frombuffer(b"".join(encoded), np.uint8)
    data, body = _records(len(texts), [(len(texts), [offsets, text])])
    header = Table((Number("q", number), data, Number("b", 0)))
    return _message(_DICTIONARY, header, len(body)) + body


def _record_batch(columns: list[Column | _Lists]) -> bytes:
    nodes: list[tuple[int, list[Column]]] = []
    for column in columns:
        if isinstance(column, _Lists):
            nodes.append((len(column.offsets) - 1, [column.offsets]))
            nodes.append((len(column.items), [column.items]))
        else:
            nodes.append((len(column), [column]))
    header, body = _records(nodes[0][0], nodes)
    return _message(_RECORDS, header, len(body)) + body


def _records(rows: int, columns: list[tuple[int, list[Column]]]) -> tuple[Table, bytes]:
    """The header of columns without nulls, each with its length, and their bytes."""
    parts, buffers, at = [], [], 0
    for _, column in columns:
        buffers.append((at, 0))  # no validity bitmap: nothing is null
        for array in column:
            raw = np.ascontiguousarray(array).tobytes()
            padding = -len(raw) % 8
            parts += [raw, bytes(padding)]
            buffers.append((at, len(raw)))
            at += len(raw) + padding
    nodes = Structs([(length, 0) for length, _ in columns])
    return Table((Number("q", rows), nodes, Structs(buffers))), b"".join(parts)


def _message(kind: int, header: Table, body_bytes: int) -> bytes:
    text = serialize(Table((_VERSION, Number("b", kind), header, Number("q", body_bytes))))
    text += bytes(-len(text) % 8)
    return struct.pack("<Ii", 0xFFFFFFFF, len(text)) + text
