"""Writes the Parquet files of a block: the few shapes of columns that they need, and no more.

Integers are DELTA_BINARY_PACKED, doubles PLAIN, strings dictionaries; lists are one level
deep; pages are zstd frames, and an offset index tells which rows each page has. General
writers either lack DELTA_BINARY_PACKED (which halves a block) or cost a server 100 MB.
Any Parquet reader reads the result. Nothing here knows what the columns mean.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from promlab import __version__
from promlab.tsdb.blocks import parquet_kernels as k
from promlab.tsdb.blocks import thrift as t
from promlab.tsdb.files import failed

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAGIC = b"PAR1"
INT32, INT64, DOUBLE, BYTE_ARRAY = 1, 2, 5, 6
PLAIN, RLE, DELTA, RLE_DICTIONARY = 0, 3, 5, 8
ZSTD = 6
DATA_PAGE, DICTIONARY_PAGE = 0, 2
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
PAGE_VALUES = 1 << 15


@dataclass(frozen=True, slots=True)
class Column:
    """A column's shape: int, float, text (dictionary, may be null), ints or floats (lists)."""

    name: str
    kind: str
    bounds: bool = False  # keep smallest and largest value of each row group (int only)

    @property
    def is_list(self) -> bool:
        """Whether a row has any number of values."""
        return self.kind in ("ints", "floats")

    @property
    def physical(self) -> int:
        """Parquet's type of its values."""
        return {"int": INT64, "ints": INT64, "float": DOUBLE, "floats": DOUBLE, "text": BYTE_ARRAY}[
            self.kind
        ]


@dataclass(slots=True)
class Texts:
    """A text column's values: codes into `texts`, -1 for null."""

    codes: Longs
    texts: Sequence[str]


@dataclass(slots=True)
class Lists:
    """A list column's values: `counts[i]` items for row i, one after the other."""

    counts: Longs
    items: Longs | Floats


@dataclass(slots=True)
class _Chunk:
    """What the footer says of a column in a row group."""

    encodings: list[int]
    values: int
    plain_size: int = 0
    size: int = 0
    data_at: int = 0
    dictionary_at: int = 0
    pages: list[tuple[int, int, int]] = field(default_factory=list)  # offset, size, first row
    bounds: tuple[int, int] | None = None
    index_at: int = 0
    index_size: int = 0


class ParquetWriter:
    """Writes one file, row group by row group. Raises StorageError."""

    def __init__(self, path: Path, columns: Sequence[Column], *, level: int = 3) -> None:
        self.path, self.columns = path, columns
        self.rows = 0
        self._groups: list[tuple[int, list[_Chunk]]] = []
        self._deflate = zstandard.ZstdCompressor(
            level, write_content_size=True, write_checksum=True
        )
        self._buffer = np.empty(1 << 20, np.uint8)
        try:
            self._file = path.open("wb")
            self._file.write(MAGIC)
        except OSError as error:
            raise failed("write", path, error) from None
        self._at = len(MAGIC)

    def write(self, values: Mapping[str, Any], *, page_rows: Longs | None = None) -> None:
        """One row group: an array, `Texts` or `Lists` a column, all of one length.

        Pages of list columns end where they have PAGE_VALUES items, or at the rows given.
        """
        lengths = {_length(values[column.name]) for column in self.columns}
        if len(lengths) != 1:
            raise ValueError(f"columns of a row group differ in length: {lengths}")
        (rows,) = lengths
        if rows:
            try:
                chunks = [self._column(c, values[c.name], rows, page_rows) for c in self.columns]
            except OSError as error:
                raise failed("write", self.path, error) from None
            self._groups.append((rows, chunks))
            self.rows += rows

    def _column(self, column: Column, values: Any, rows: int, cuts: Longs | None) -> _Chunk:
        encoding = {"int": DELTA, "ints": DELTA, "text": RLE_DICTIONARY}.get(column.kind, PLAIN)
        items = max(rows, int(np.maximum(values.counts, 1).sum())) if column.is_list else rows
        chunk = _Chunk([encoding, RLE], items)
        if column.bounds:
            chunk.bounds = int(values.min()), int(values.max())
        width = 0
        if column.kind == "text":
            used, codes = np.unique(values.codes, return_inverse=True)
            if len(used) and used[0] < 0:
                used, codes = used[1:], codes - 1
            width = max(1, int(len(used) - 1).bit_length())
            texts = [values.texts[code] for code in used.tolist()]
            chunk.encodings.append(PLAIN)
            chunk.dictionary_at = self._at
            self._page(chunk, _plain_texts(texts), len(texts), PLAIN, DICTIONARY_PAGE)
            values = codes.astype(np.int64)
        chunk.data_at = self._at
        starts = self._page_starts(column, values, rows, cuts)
        item_at = np.concatenate([[0], np.cumsum(values.counts)]) if column.is_list else None
        for first, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            if column.is_list:
                assert item_at is not None
                counts = values.counts[first:end]
                part = values.items[item_at[first] : item_at[end]]
                body = self._encode(column, part, counts, 0)
                n = int(np.maximum(counts, 1).sum())
            else:
                body, n = self._encode(column, values[first:end], None, width), end - first
            at = self._at
            self._page(chunk, body, n, encoding, DATA_PAGE)
            chunk.pages.append((at, self._at - at, first))
        return chunk

    @staticmethod
    def _page_starts(column: Column, values: Any, rows: int, cuts: Longs | None) -> Longs:
        if not column.is_list:
            return np.append(np.arange(0, rows, PAGE_VALUES), rows)
        page = np.cumsum(values.counts) // PAGE_VALUES
        starts = np.flatnonzero(np.diff(page)) + 1
        starts = np.concatenate([[0], starts, [rows]])
        if cuts is not None:
            starts = np.concatenate([starts, cuts])
        return np.unique(starts).astype(np.int64)

    def _encode(self, column: Column, values: Any, counts: Longs | None, width: int) -> bytes:
        n = len(values)
        most = 64 + 10 * n + (0 if counts is None else 24 * len(counts) + 16)
        if len(self._buffer) < most + n // 4:
            self._buffer = np.empty(2 * most, np.uint8)
        out, p = self._buffer, 0
        if counts is not None:
            p = int(k.list_levels(np.ascontiguousarray(counts, np.int64), out, 0))
        if column.kind in ("float", "floats"):
            plain = np.ascontiguousarray(values, np.float64).tobytes()
            return out[:p].tobytes() + plain
        if column.kind == "text":
            present = (values >= 0).astype(np.int64)
            p = int(k.runs_encode(present, 1, out, 4))
            out[:4] = np.frombuffer(struct.pack("<I", p - 4), np.uint8)
            out[p] = width
            p = int(k.runs_encode(values[values >= 0], width, out, p + 1))
        else:
            p = int(k.delta_encode(np.ascontiguousarray(values, np.int64), out, p))
        return out[:p].tobytes()

    def _page(self, chunk: _Chunk, body: bytes, n: int, encoding: int, kind: int) -> None:
        stored = self._deflate.compress(body)
        header = {1: t.i32(kind), 2: t.i32(len(body)), 3: t.i32(len(stored))}
        if kind == DATA_PAGE:
            facts = {1: t.i32(n), 2: t.i32(encoding), 3: t.i32(RLE), 4: t.i32(RLE)}
            header[5] = t.nested(facts)
        else:
            header[7] = t.nested({1: t.i32(n), 2: t.i32(encoding)})
        head = t.encode(header)
        self._file.write(head)
        self._file.write(stored)
        chunk.plain_size += len(head) + len(body)
        chunk.size += len(head) + len(stored)
        self._at += len(head) + len(stored)

    def close(self) -> int:
        """Write the footer, force all to the disk; the file's size."""
        try:
            for _, chunks in self._groups:
                for chunk in chunks:
                    self._offset_index(chunk)
            footer = t.encode(self._footer())
            self._file.write(footer + struct.pack("<I", len(footer)) + MAGIC)
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._file.tell()
        except OSError as error:
            raise failed("write", self.path, error) from None
        finally:
            self._file.close()

    def abort(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _offset_index(self, chunk: _Chunk) -> None:
        pages = [{1: t.i64(at), 2: t.i32(size), 3: t.i64(row)} for at, size, row in chunk.pages]
        data = t.encode({1: t.structs(pages)})
        chunk.index_at, chunk.index_size = self._at, len(data)
        self._file.write(data)
        self._at += len(data)

    def _footer(self) -> dict[int, t.Value]:
        schema: list[dict[int, t.Value]] = [{4: t.text("schema"), 5: t.i32(len(self.columns))}]
        for column in self.columns:
            schema += _schema(column)
        return {
            1: t.i32(2),
            2: t.structs(schema),
            3: t.i64(self.rows),
            4: t.structs([self._row_group(rows, chunks) for rows, chunks in self._groups]),
            6: t.text(f"promlab version {__version__}"),
        }

    def _row_group(self, rows: int, chunks: list[_Chunk]) -> dict[int, t.Value]:
        columns = [_chunk(c, chunk) for c, chunk in zip(self.columns, chunks, strict=True)]
        return {
            1: t.structs(columns),
            2: t.i64(sum(chunk.plain_size for chunk in chunks)),
            3: t.i64(rows),
            6: t.i64(sum(chunk.size for chunk in chunks)),
        }


def _schema(column: Column) -> list[dict[int, t.Value]]:
    if not column.is_list:
        leaf = {
            1: t.i32(column.physical),
            3: t.i32(_OPTIONAL if column.kind == "text" else _REQUIRED),
            4: t.text(column.name),
        }
        if column.kind == "text":
            leaf |= {6: t.i32(0), 10: t.nested({1: t.nested({})})}
        return [leaf]
    outer = {
        3: t.i32(_REQUIRED),
        4: t.text(column.name),
        5: t.i32(1),
        6: t.i32(3),
        10: t.nested({3: t.nested({})}),
    }
    middle = {3: t.i32(_REPEATED), 4: t.text("list"), 5: t.i32(1)}
    leaf = {1: t.i32(column.physical), 3: t.i32(_REQUIRED), 4: t.text("element")}
    return [outer, middle, leaf]


def _chunk(column: Column, chunk: _Chunk) -> dict[int, t.Value]:
    path = [column.name, "list", "element"] if column.is_list else [column.name]
    facts = {
        1: t.i32(column.physical),
        2: t.Value(t.LIST, chunk.encodings, t.I32),
        3: t.Value(t.LIST, path, t.BINARY),
        4: t.i32(ZSTD),
        5: t.i64(chunk.values),
        6: t.i64(chunk.plain_size),
        7: t.i64(chunk.size),
        9: t.i64(chunk.data_at),
    }
    if chunk.dictionary_at:
        facts[11] = t.i64(chunk.dictionary_at)
    if chunk.bounds:
        low, high = (struct.pack("<q", bound) for bound in chunk.bounds)
        facts[12] = t.nested({3: t.i64(0), 5: t.text(high), 6: t.text(low)})
    start = chunk.dictionary_at or chunk.data_at
    return {
        2: t.i64(start),
        3: t.nested(facts),
        4: t.i64(chunk.index_at),
        5: t.i32(chunk.index_size),
    }


def _plain_texts(texts: Sequence[str]) -> bytes:
    parts = []
    for one in texts:
        data = one.encode("utf-8", "surrogatepass")
        parts += [struct.pack("<I", len(data)), data]
    return b"".join(parts)


def _length(values: Any) -> int:
    match values:
        case Texts():
            return len(values.codes)
        case Lists():
            return len(values.counts)
        case _:
            return len(values)
