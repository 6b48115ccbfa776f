"""Reads the Parquet files that parquet_write.py writes: page by page, without a data frame.

The footer is read once; a page is decompressed when somebody wants a row of it. What another
tool wrote with other encodings is refused by name. Damage ends in StorageError.
"""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import zstandard

from promlab.errors import StorageError
from promlab.tsdb.blocks import parquet_kernels as k
from promlab.tsdb.blocks import thrift
from promlab.tsdb.blocks.packed_pages import LEAST_SIZE, PackedPage
from promlab.tsdb.blocks.parquet_write import (
    DATA_PAGE,
    DELTA,
    DICTIONARY_PAGE,
    MAGIC,
    PLAIN,
    RLE_DICTIONARY,
)
from promlab.tsdb.files import ReadableMap

Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
_MAX_PAGE = 1 << 30
_KEPT_HEADERS = 1024
_SPARE = 8  # bytes behind a page, for loads of whole words
_KEPT_ROOM = 1 << 22  # larger pages are none of ours, and leave nothing behind


class _Workplace(threading.local):
    """What a thread unpacks pages with, one after the other: making it anew costs as much."""

    def __init__(self) -> None:
        self.unzip = zstandard.ZstdDecompressor()
        self._room = np.empty(0, np.uint8)

    def room(self, size: int) -> Bytes:
        """Room for so many bytes and the spare ones; the thread's next page takes it over."""
        if size > _KEPT_ROOM:
            return np.empty(size + _SPARE, np.uint8)
        if len(self._room) < size + _SPARE:
            self._room = np.empty(size + size // 4 + _SPARE, np.uint8)
        return self._room[: size + _SPARE]


_HERE = _Workplace()


def _put(plain: bytes, content: Bytes) -> Bytes:
    """A page's bytes to where they have spare ones behind."""
    content[: len(plain)] = np.frombuffer(plain, np.uint8)
    content[len(plain) :] = 0
    return content


class ColumnChunk(NamedTuple):
    """One column of a row group: where its pages are, and which row each begins with."""

    name: str
    values: int
    dictionary_at: int
    pages_at: Longs
    first_rows: Longs
    low: int | None
    high: int | None


class RowGroup(NamedTuple):
    """One row group."""

    rows: int
    first_row: int
    columns: dict[str, ColumnChunk]


class ParquetFile:
    """A file of ours, mapped. Raises StorageError if it is none, or damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map = ReadableMap(path)
        self._headers: dict[int, tuple[dict[int, Any], int]] = {}
        data = self._data = memoryview(self._map.bytes.data)
        if len(data) < 12 or data[:4] != MAGIC or data[-4:] != MAGIC:
            raise StorageError(f"{path} is damaged: it does not begin and end as Parquet does")
        (size,) = struct.unpack("<I", data[-8:-4])
        if size > len(data) - 12:
            raise StorageError(f"{path} is damaged: its footer is longer than the file")
        try:
            footer, _ = thrift.decode(bytes(data[-8 - size : -8]))
            self.rows = int(footer[3])
            self.groups = self._groups(footer)
        except (KeyError, TypeError, IndexError, ValueError, struct.error):
            raise StorageError(f"{path} is damaged: its footer makes no sense") from None
        if any(group.rows < 0 for group in self.groups) or self.rows != sum(
            group.rows for group in self.groups
        ):
            raise StorageError(f"{path} is damaged: its footer has another number of rows")

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._map.size

    @property
    def address(self) -> int:
        """Where it is mapped."""
        return self._map.address

    def bytes_at(self, at: int, size: int) -> memoryview:
        """Some of its bytes."""
        return self._data[at : at + size]

    def _groups(self, footer: dict[int, Any]) -> list[RowGroup]:
        groups, first = [], 0
        for group in footer[4]:
            columns = {}
            for chunk in group[1]:
                column = self._chunk(chunk)
                columns[column.name] = column
            groups.append(RowGroup(int(group[3]), first, columns))
            first += int(group[3])
        return groups

    def _chunk(self, chunk: dict[int, Any]) -> ColumnChunk:
        facts = chunk[3]
        index, _ = thrift.decode(bytes(self._data[chunk[4] : chunk[4] + chunk[5]]))
        bounds = facts.get(12, {})
        low, high = (
            struct.unpack("<q", bounds[number])[0] if number in bounds else None
            for number in (6, 5)
        )
        return ColumnChunk(
            facts[3][0].decode(),
            int(facts[5]),
            int(facts.get(11, 0)),
            np.array([page[1] for page in index[1]], np.int64),
            np.array([page[3] for page in index[1]], np.int64),
            low,
            high,
        )

    def _page(self, at: int) -> tuple[dict[int, Any], Bytes]:
        """Header and content of the page at an offset; some spare bytes behind it."""
        header, plain = self._unzipped(at)
        content = np.empty(len(plain) + _SPARE, np.uint8)
        return header, _put(plain, content)

    def _unzipped(self, at: int) -> tuple[dict[int, Any], bytes]:
        """Header and content of the page at an offset."""
        header, body = self._header(at)
        size, stored = int(header[2]), int(header[3])
        try:
            packed = self._data[body : body + stored]
            plain: bytes = _HERE.unzip.decompress(packed, max_output_size=size)
        except zstandard.ZstdError:
            raise self.damaged(at) from None
        if len(plain) != size:
            raise self.damaged(at)
        return header, plain

    def _header(self, at: int) -> tuple[dict[int, Any], int]:
        """Header of the page at an offset, and where its content begins; read once."""
        found = self._headers.get(at)
        if found is not None:
            return found
        if not 0 < at < len(self._data):
            raise StorageError(f"{self.path} is damaged: a page is outside of it")
        try:
            header, body = thrift.decode(bytes(self._data[at : at + 128]))
            size, stored = int(header[2]), int(header[3])
            _check_facts(header)
        except (KeyError, TypeError, IndexError, ValueError, struct.error):
            raise self.damaged(at) from None
        if not 0 <= size <= _MAX_PAGE or at + body + stored > len(self._data) or stored < 0:
            raise StorageError(f"{self.path} is damaged: a page at byte {at} has no end")
        # Nothing checks the header: what it says must be what the frame itself says.
        packed = self._data[at + body : at + body + stored]
        try:
            told = zstandard.get_frame_parameters(packed).content_size
        except zstandard.ZstdError:
            raise self.damaged(at) from None
        if told != size:
            raise self.damaged(at)
        if len(self._headers) >= _KEPT_HEADERS:
            self._headers.clear()
        self._headers[at] = header, at + body
        return header, at + body

    def damaged(self, at: int) -> StorageError:
        """The error for a page that can't be read."""
        return StorageError(f"{self.path} is damaged: the page at byte {at} can't be read")

    # --- whole columns of a row group ---------------------------------------------------

    def ints(self, group: RowGroup, name: str) -> Longs:
        """An integer column."""
        chunk = group.columns[name]
        if chunk.values != group.rows:
            raise self.damaged(int(chunk.pages_at[0]))
        out = np.empty(group.rows, np.int64)
        ends = np.append(chunk.first_rows[1:], group.rows)
        for at, first, end in zip(
            chunk.pages_at.tolist(), chunk.first_rows.tolist(), ends.tolist(), strict=True
        ):
            header, body = self._page(at)
            self._expect(header, DELTA, at)
            n = k.delta_decode(body, 0, len(body) - _SPARE, out[first:end])
            if n != end - first:
                raise self.damaged(at)
        return out

    def floats(self, group: RowGroup, name: str) -> npt.NDArray[np.float64]:
        """A column of doubles."""
        parts = []
        for at in group.columns[name].pages_at.tolist():
            header, body = self._page(at)
            self._expect(header, PLAIN, at)
            parts.append(body[: 8 * header[5][1]].view(np.float64))
        found = np.concatenate(parts)
        if len(found) != group.rows:
            raise self.damaged(int(group.columns[name].pages_at[0]))
        return found

    def texts(self, group: RowGroup, name: str) -> tuple[Longs, list[str]]:
        """A text column: codes (-1 for null) and the distinct texts."""
        chunk = group.columns[name]
        texts = self._dictionary(chunk)
        codes = np.empty(group.rows, np.int64)
        ends = np.append(chunk.first_rows[1:], group.rows)
        for at, first, end in zip(
            chunk.pages_at.tolist(), chunk.first_rows.tolist(), ends.tolist(), strict=True
        ):
            header, body = self._page(at)
            self._expect(header, RLE_DICTIONARY, at)
            size = int.from_bytes(body[:4].tobytes(), "little")
            present = np.empty(end - first, np.int64)
            limit = len(body) - _SPARE
            if 4 + size >= limit or k.runs_decode(body, 4, 4 + size, 1, present) < 0:
                raise self.damaged(at)
            there = present != 0
            dense = np.empty(int(there.sum()), np.int64)
            if k.runs_decode(body, 5 + size, limit, int(body[4 + size]), dense) < 0:
                raise self.damaged(at)
            codes[first:end] = -1
            codes[first:end][there] = dense
        if len(codes) and int(codes.max()) >= len(texts):
            raise self.damaged(chunk.dictionary_at)
        return codes, texts

    def _dictionary(self, chunk: ColumnChunk) -> list[str]:
        header, body = self._page(chunk.dictionary_at)
        if header[1] != DICTIONARY_PAGE:
            raise self.damaged(chunk.dictionary_at)
        data, at, texts = body.tobytes(), 0, []
        try:
            for _ in range(header[7][1]):
                (size,) = struct.unpack_from("<I", data, at)
                if at + 4 + size > len(data) - _SPARE:
                    raise self.damaged(chunk.dictionary_at)
                texts.append(data[at + 4 : at + 4 + size].decode("utf-8", "surrogatepass"))
                at += 4 + size
        except (UnicodeDecodeError, struct.error):
            raise self.damaged(chunk.dictionary_at) from None
        return texts

    # --- items of lists -----------------------------------------------------------------

    def items(self, chunk: ColumnChunk, page: int, most: int = _MAX_PAGE) -> Longs:
        """Items of the lists in one page, one after the other, as 64-bit integers.

        Of integers only the first `most` are unpacked. Doubles come as their bits. How many
        belong to each row the caller knows.
        """
        at = int(chunk.pages_at[page])
        header, plain = self._unzipped(at)
        start = self._after_levels(plain, at)
        n = int(header[5][1])
        if header[5][2] == PLAIN:
            if (len(plain) - start) % 8:
                raise self.damaged(at)
            return np.frombuffer(plain, np.int64, offset=start).copy()
        self._expect(header, DELTA, at)
        if n > chunk.values:
            raise self.damaged(at)
        out = np.empty(min(n, most), np.int64)
        got = int(k.delta_decode(_put(plain, _HERE.room(len(plain))), start, len(plain), out))
        if got < 0:
            raise self.damaged(at)
        return out[:got]

    def packed(self, chunk: ColumnChunk, page: int) -> PackedPage:
        """The same page, to be unpacked together with others."""
        at = int(chunk.pages_at[page])
        header, body = self._header(at)
        size, stored = int(header[2]), int(header[3])
        n, encoding = int(header[5][1]), header[5][2]
        if n > chunk.values or encoding not in (PLAIN, DELTA) or size < LEAST_SIZE:
            raise self.damaged(at)
        return PackedPage(self._data[body : body + stored], size, n, encoding == PLAIN)

    def _after_levels(self, plain: bytes, at: int) -> int:
        start = 0
        for _ in range(2):
            start += 4 + int.from_bytes(plain[start : start + 4], "little")
            if start > len(plain):
                raise self.damaged(at)
        return start

    def lists(self, group: RowGroup, name: str) -> Longs:
        """All items of a list column."""
        chunk = group.columns[name]
        parts = [self.items(chunk, page) for page in range(len(chunk.pages_at))]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def list_counts(self, group: RowGroup, name: str) -> Longs:
        """Number of items of each list of a column."""
        chunk = group.columns[name]
        counts = np.zeros(group.rows, np.int64)
        ends = np.append(chunk.first_rows[1:], group.rows)
        for at, first, end in zip(
            chunk.pages_at.tolist(), chunk.first_rows.tolist(), ends.tolist(), strict=True
        ):
            header, body = self._page(at)
            n = int(header[5][1])
            if n > chunk.values:
                raise self.damaged(at)
            begins, filled = np.empty(n, np.int64), np.empty(n, np.int64)
            start = 0
            for levels in (begins, filled):
                size = int.from_bytes(body[start : start + 4].tobytes(), "little")
                limit = start + 4 + size
                if limit > len(body) or k.runs_decode(body, start + 4, limit, 1, levels) < 0:
                    raise self.damaged(at)
                start = limit
            rows = np.cumsum(begins == 0) - 1
            if n and int(rows[-1]) + 1 != end - first:
                raise self.damaged(at)
            np.add.at(counts, first + rows, filled)
        return counts

    def _expect(self, header: dict[int, Any], encoding: int, at: int) -> None:
        if header.get(5, {}).get(2) != encoding:
            raise self.damaged(at)


def _check_facts(header: dict[int, Any]) -> None:
    """A page's header says how many values there are; raises ValueError, KeyError if not.

    A dictionary's header gets the facts of a data page too: with an encoding that nobody takes.
    """
    kind = header[1]
    if kind not in (DATA_PAGE, DICTIONARY_PAGE):
        raise ValueError("a page of another kind")
    facts = header[5 if kind == DATA_PAGE else 7]
    if not 0 <= int(facts[1]) <= _MAX_PAGE // 8 or int(facts[2]) < 0:
        raise ValueError("a page with an impossible number of values")
    if kind == DICTIONARY_PAGE:
        header[5] = {1: facts[1], 2: -1}
