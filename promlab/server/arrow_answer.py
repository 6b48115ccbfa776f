"""Query results as an Arrow IPC stream: one long frame, columns as they are in memory.

Columns are `timestamp` (ms, UTC), `value` (f64) and one dictionary-encoded string column per
label, empty where a series lacks it. The schema's metadata has `resultType`, and `labels`,
`warnings`, `infos` as JSON lists; `labels` names the label columns, because a label that is
called `timestamp` or `value` gets a column of another name. Written without an Arrow library,
so that no answer waits for one to load.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable
from promlab.promql.result import InstantVector, Matrix, QueryResult, RawMatrix, Scalar, Value
from promlab.server.flatbuffer import Number, Structs, Table, serialize
from promlab.server.json_answer import result_type

ARROW = "application/vnd.apache.arrow.stream"
_ROWS = 1 << 18  # a record batch
_VERSION = Number("h", 4)  # metadata version 5
_SCHEMA, _DICTIONARY, _RECORDS = 1, 2, 3
_INT, _FLOAT, _TEXT, _TIMESTAMP = 2, 3, 5, 10
_U32 = Table((Number("i", 32), Number("b", 0)))
_END = struct.pack("<Ii", 0xFFFFFFFF, 0)

Column = npt.NDArray[Any]


class _Long(NamedTuple):
    """Rows of the frame: series s has `counts[s]` of them."""

    labels: LabelTable
    counts: npt.NDArray[np.int64]
    t_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def encode_arrow(result: QueryResult) -> Iterator[bytes]:
    """The stream, message by message. A String has no such form."""
    long = _long(result.value)
    names = sorted(name for name, codes in long.labels.columns.items() if codes.any())
    yield _schema(result, names)
    columns = [_dictionary(long.labels, name) for name in names]
    for i, (texts, _) in enumerate(columns):
        yield _dictionary_batch(i, texts)
    series = np.repeat(np.arange(long.labels.n), long.counts)
    for first in range(0, len(series), _ROWS):
        rows = slice(first, first + _ROWS)
        indices = [codes[series[rows]] for _, codes in columns]
        yield _record_batch([long.t_ms[rows], long.values[rows], *indices])
    yield _END


def _long(value: Value) -> _Long:
    match value:
        case InstantVector():
            ones = np.ones(value.labels.n, np.int64)
            return _Long(value.labels, ones, ones * value.t_ms, value.values)
        case Matrix():
            counts = np.count_nonzero(value.present, axis=1)
            t_ms = np.broadcast_to(value.t_ms, value.values.shape)[value.present]
            return _Long(value.labels, counts, t_ms, value.values[value.present])
        case RawMatrix():
            batch = value.batch
            counts = np.diff(batch.offsets)
            at = np.arange(batch.sample_count) + np.repeat(
                batch.times_at - batch.offsets[:-1], counts
            )
            return _Long(batch.labels, counts, batch.t_ms[at], batch.values[: batch.sample_count])
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


def _schema(result: QueryResult, names: list[str]) -> bytes:
    timestamp = Table((Number("h", 1), "UTC"))
    fields = [
        _field("timestamp", _TIMESTAMP, timestamp),
        _field("value", _FLOAT, Table((Number("h", 2),))),
    ]
    taken = {"timestamp", "value", *names}
    for i, name in enumerate(names):
        shown = name
        while name in ("timestamp", "value") and shown in taken:
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
    pairs = [Table((key, text)) for key, text in metadata.items()]
    return _message(_SCHEMA, Table((Number("h", 0), fields, pairs)), 0)


def _field(name: str, kind: int, detail: Table, encoding: Table | None = None) -> Table:
    return Table((name, Number("b", 0), Number("b", kind), detail, encoding, [], None))


def _dictionary_batch(number: int, texts: list[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    data, body = _records(len(texts), [[offsets, np.frombuffer(b"".join(encoded), np.uint8)]])
    header = Table((Number("q", number), data, Number("b", 0)))
    return _message(_DICTIONARY, header, len(body)) + body


def _record_batch(columns: list[Column]) -> bytes:
    header, body = _records(len(columns[0]), [[column] for column in columns])
    return _message(_RECORDS, header, len(body)) + body


def _records(rows: int, columns: list[list[Column]]) -> tuple[Table, bytes]:
    """The header of columns without nulls, and their bytes."""
    parts, buffers, at = [], [], 0
    for column in columns:
        buffers.append((at, 0))  # no validity bitmap: nothing is null
        for array in column:
            raw = np.ascontiguousarray(array).tobytes()
            padding = -len(raw) % 8
            parts += [raw, bytes(padding)]
            buffers.append((at, len(raw)))
            at += len(raw) + padding
    nodes = Structs([(rows, 0)] * len(columns))
    return Table((Number("q", rows), nodes, Structs(buffers))), b"".join(parts)


def _message(kind: int, header: Table, body_bytes: int) -> bytes:
    text = serialize(Table((_VERSION, Number("b", kind), header, Number("q", body_bytes))))
    text += bytes(-len(text) % 8)
    return struct.pack("<Ii", 0xFFFFFFFF, len(text)) + text
