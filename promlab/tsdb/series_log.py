"""The series log `head/series`: every symbol, series and group that the head ever met.

Append-only and checksummed; its records are the truth about labels, for the writer when it
starts and for readers, who tail it. Numbers are given in the order of the log: the n-th
symbol has code n, the n-th series is series n, and so on. A record is

    u32 kind | u32 stored bytes | u32 bytes | u32 CRC-32 of the three and what follows | zstd

The log knows nothing of samples.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import zstandard

from promlab.errors import WALCorruption
from promlab.tsdb.files import AppendFile

U32 = npt.NDArray[np.uint32]

SYMBOLS, SERIES, GROUP, SLOTS, RINGS, LATE_RINGS, STARTS = range(1, 8)
_HEADER = struct.Struct("<IIII")
_PAIR = struct.Struct("<II")
_MAX_RECORD = 1 << 28
_SYMBOLS_A_RECORD = 1 << 14


class SeriesLogReader(Protocol):
    """What is told of each record, in order."""

    def on_symbols(self, texts: Sequence[str]) -> None:
        """The next symbols."""

    def on_series(self, n: int, names: U32, columns: U32) -> None:
        """The next n series: codes u32[len(names), n] of the labels with these names."""

    def on_group(self, group: int, target: Mapping[str, str]) -> None:
        """The next group."""

    def on_slots(self, group: int, first: int, series: U32) -> None:
        """The next slots of a group, from slot `first` on."""

    def on_rings(self, first: int, series: U32) -> None:
        """The next rings for loose samples."""

    def on_late_rings(self, first: int, series: U32) -> None:
        """The next rings for samples that come out of order."""

    def on_starts(self, first: int, series: U32) -> None:
        """The next series, from number `first` on: start times of these series' samples."""


class _Record(NamedTuple):
    kind: int
    payload: bytes
    end: int


def _records(data: bytes | memoryview, path: Path, start: int) -> Iterator[_Record]:
    view, at = memoryview(data), 0

    def damaged(what: str) -> WALCorruption:
        return WALCorruption(what, segment=str(path), offset=start + at)

    inflate = zstandard.ZstdDecompressor()
    while at < len(view):
        if at + _HEADER.size > len(view):
            raise damaged("record cut short")
        kind, stored, size, crc = _HEADER.unpack_from(view, at)
        body = view[at + _HEADER.size : at + _HEADER.size + stored]
        if len(body) < stored or size > _MAX_RECORD:
            raise damaged("record cut short")
        if zlib.crc32(body, zlib.crc32(view[at : at + 12])) != crc:
            raise damaged("checksum does not fit")
        payload = inflate.decompress(body, max_output_size=size)
        at += _HEADER.size + stored
        yield _Record(kind, payload, start + at)


def replay(data: bytes | memoryview, path: Path, start: int, reader: SeriesLogReader) -> int:
    """Tell `reader` of every record in `data`; offset in the file after the last one.

    Raises WALCorruption, with the offset of the first record that is damaged.
    """
    end = start
    for record in _records(data, path, start):
        _tell(record, reader)
        end = record.end
    return end


def _tell(record: _Record, reader: SeriesLogReader) -> None:
    payload = record.payload
    first, second = _PAIR.unpack_from(payload)
    rest = memoryview(payload)[_PAIR.size :]
    match record.kind:
        case 1:
            lengths = np.frombuffer(rest, np.uint32, first)
            text = bytes(rest[4 * first :])
            ends = np.cumsum(lengths).tolist()
            starts = [0, *ends[:-1]]
            pairs = zip(starts, ends, strict=False)
            reader.on_symbols([text[a:b].decode("utf-8", "surrogatepass") for a, b in pairs])
        case 2:
            names = np.frombuffer(rest, np.uint32, second)
            columns = np.frombuffer(rest, np.uint32, first * second, offset=4 * second)
            reader.on_series(first, names, columns.reshape(second, first))
        case 3:
            reader.on_group(first, json.loads(bytes(rest)))
        case 4:
            reader.on_slots(first, second, np.frombuffer(rest, np.uint32))
        case 5:
            reader.on_rings(first, np.frombuffer(rest, np.uint32))
        case 6:
            reader.on_late_rings(first, np.frombuffer(rest, np.uint32))
        case 7:
            reader.on_starts(first, np.frombuffer(rest, np.uint32))


class SeriesLog:
    """The writer's end: records collect in memory until `flush`."""

    def __init__(self, path: Path) -> None:
        self._file = AppendFile(path)
        self._pending: list[bytes] = []
        self._deflate = zstandard.ZstdCompressor(1)
        self._unsynced = True

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._file.size

    def load(self, reader: SeriesLogReader, warn: Callable[[str], None]) -> int:
        """Read the whole log, cut it at the first damage; how many damages there were."""
        data = self._file.path.read_bytes()
        try:
            replay(data, self._file.path, 0, reader)
        except WALCorruption as damage:
            warn(f"series log cut: {damage}")
            self._file.cut(damage.offset)
            return 1
        return 0

    def symbols(self, texts: Sequence[str]) -> None:
        """Record the next symbols."""
        for at in range(0, len(texts), _SYMBOLS_A_RECORD):
            slice_ = texts[at : at + _SYMBOLS_A_RECORD]
            encoded = [text.encode("utf-8", "surrogatepass") for text in slice_]
            lengths = np.array([len(text) for text in encoded], np.uint32)
            self._add(SYMBOLS, len(encoded), 0, lengths.tobytes() + b"".join(encoded))

    def series(self, n: int, names: U32, columns: Sequence[U32]) -> None:
        """Record the next n series."""
        self._add(SERIES, n, len(names), names.tobytes() + b"".join(c.tobytes() for c in columns))

    def group(self, group: int, target: Mapping[str, str]) -> None:
        """Record a group."""
        self._add(GROUP, group, 0, json.dumps(dict(target)).encode())

    def slots(self, group: int, first: int, series: U32) -> None:
        """Record new slots of a group."""
        self._add(SLOTS, group, first, series.tobytes())

    def rings(self, first: int, series: U32, *, late: bool = False) -> None:
        """Record new rings."""
        self._add(LATE_RINGS if late else RINGS, first, 0, series.tobytes())

    def starts(self, first: int, series: U32) -> None:
        """Record new series for start times."""
        self._add(STARTS, first, 0, series.tobytes())

    def _add(self, kind: int, first: int, second: int, rest: bytes) -> None:
        payload = _PAIR.pack(first, second) + rest
        body = self._deflate.compress(payload)
        head = _HEADER.pack(kind, len(body), len(payload), 0)[:12]
        crc = zlib.crc32(body, zlib.crc32(head))
        self._pending.append(head + crc.to_bytes(4, "little") + body)

    def flush(self) -> None:
        """Write what was recorded; on StorageError it stays pending."""
        if self._pending:
            self._file.write(b"".join(self._pending))
            self._pending.clear()
            self._unsynced = True

    def sync(self) -> None:
        """Force it to the disk, if there is anything new."""
        if self._unsynced:
            self._unsynced = False
            self._file.sync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
