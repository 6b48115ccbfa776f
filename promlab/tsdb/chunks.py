"""Sealed samples: `chunks/NNNNNNNN` and `chunks/NNNNNNNN.index`, append-only.

A chunk is what the codec made of up to 128 samples of one series with their times, or of up
to 64 rows of a target with the times once (see head_kernels). The index has six 64-bit
integers a chunk: owner (group << 1, or ring << 1 and 1) | first t | last t | offset |
samples << 32 and bytes | number of the owner's chunk before it in this file << 32 and the
CRC-32 of the chunk and the five. Files end by size and age, are synced then, and go as a whole
when all in them is older than the retention.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.tsdb import chunk_kernels
from promlab.tsdb.files import AppendFile, Longs, ReadableMap, failed, sync_directory
from promlab.tsdb.head_kernels import ENTRY_LONGS

Entries = npt.NDArray[np.int64]
ENTRY_BYTES = 8 * ENTRY_LONGS
_DATA_STEP = 1 << 20
_INDEX_STEP = 1 << 16


def files(directory: Path) -> list[int]:
    """Numbers of the chunk files, oldest first."""
    return sorted(int(p.stem) for p in directory.glob("[0-9]*.index") if p.stem.isdigit())


def data_path(directory: Path, number: int) -> Path:
    """Where a file's chunks are."""
    return directory / f"{number:08d}"


def index_path(directory: Path, number: int) -> Path:
    """Where a file's index is."""
    return directory / f"{number:08d}.index"


class Known(NamedTuple):
    """Owners that the series log tells of; not `complete` if it has lost some."""

    widths: Longs  # slots of each group
    rings: int
    complete: bool = True

    def has_owners(self, entries: Entries) -> bool:
        """Whether the owners of all entries are known."""
        loose = (entries[:, 0] & 1).astype(bool)
        limits = np.where(loose, self.rings, len(self.widths))
        return bool((entries[:, 0] >> 1 < limits).all())


class ChunkStore:
    """The writer's end: appends chunks, starts and drops files."""

    def __init__(
        self, directory: Path, known: Known, now_s: float, warn: Callable[[str], None]
    ) -> None:
        """Open the folder; chunks from the first one on whose owner is not known are cut."""
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.corruptions = 0
        self.closed: dict[int, tuple[int, int]] = {}  # last t, bytes
        self.total = 0  # chunks in all files
        self.group_chain: Longs = np.full(64, -1, np.int64)
        self.ring_chain: Longs = np.full(64, -1, np.int64)
        numbers = files(directory)
        for number in numbers[:-1]:
            self._note_closed(number, known, warn)
        self._open(numbers[-1] if numbers else 1, known, now_s, warn)

    def _note_closed(self, number: int, known: Known, warn: Callable[[str], None]) -> None:
        index, entries = self._entries(number)
        if not (known.complete and known.has_owners(entries)):
            self._cut(number, known, warn)
            index, entries = self._entries(number)
        count = len(entries)
        last = int(entries[:, 2].max()) if count else -(2**63)
        size = data_path(self.directory, number).stat().st_size + index.size
        self.closed[number] = (last, size)
        self.total += count

    def _entries(self, number: int) -> tuple[ReadableMap, Entries]:
        """The index of a file, which has to be kept as long as the entries are used."""
        index = ReadableMap(index_path(self.directory, number))
        count = index.size // ENTRY_BYTES
        return index, index.longs[: count * ENTRY_LONGS].reshape(count, ENTRY_LONGS)

    def _open(self, number: int, known: Known, now_s: float, warn: Callable[[str], None]) -> None:
        self.number, self.born_s = number, now_s
        self._data, self._index, self.max_t = self._cut(number, known, warn, keep_open=True)
        self.count = self._index.size // ENTRY_BYTES
        self.total += self.count

    def _cut(
        self, number: int, known: Known, warn: Callable[[str], None], *, keep_open: bool = False
    ) -> tuple[AppendFile, AppendFile, int]:
        """Cut a file at the first chunk that is not sound; its two files, and its last time."""
        data = AppendFile(data_path(self.directory, number), reserve_step=_DATA_STEP)
        index = AppendFile(index_path(self.directory, number), reserve_step=_INDEX_STEP)
        chunks, entries = ReadableMap(data.path), ReadableMap(index.path)
        count = entries.size // ENTRY_BYTES
        good, end, last = chunk_kernels.verify(
            entries.address, count, chunks.address, chunks.size, known.widths, known.rings
        )
        if good < count and entries.longs[good * ENTRY_LONGS + 4]:
            warn(f"chunk file {number:08d}: what follows chunk {good} is damaged, cut off")
            self.corruptions += 1
        data.cut(end)
        index.cut(good * ENTRY_BYTES)
        if not keep_open:
            data.close()
            index.close()
        return data, index, last

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(size for _, size in self.closed.values()) + self._data.size + self._index.size

    @property
    def file_bytes(self) -> int:
        """Size of the newest file's chunks."""
        return self._data.size

    @property
    def data_end(self) -> int:
        """Offset where the next chunk will stand."""
        return self._data.size

    def make_chains(self, groups: int, rings: int) -> None:
        """Grow the tables of newest entries; new owners have none."""
        self.group_chain = _grown(self.group_chain, groups)
        self.ring_chain = _grown(self.ring_chain, rings)

    def add_group(self, group: int, t_ms: Longs, body: memoryview) -> None:
        """Append the chunk of a group's rows."""
        lengths = len(t_ms) << 32 | len(body)
        entry = np.array([group << 1, t_ms[0], t_ms[-1], self._data.size, lengths, 0], np.int64)
        crc = zlib.crc32(entry[:5].tobytes(), zlib.crc32(body))
        entry[5] = int(self.group_chain[group]) << 32 | crc
        self.add(body, entry.reshape(1, ENTRY_LONGS))
        self.group_chain[group] = self.count - 1

    def add(self, body: memoryview, entries: Entries) -> None:
        """Append chunks and their entries: all of them, or none and StorageError."""
        start = self._data.write(body)
        try:
            self._index.write(memoryview(entries.tobytes()))
        except StorageError:
            self._data.cut(start)
            raise
        self.count += len(entries)
        self.total += len(entries)
        self.max_t = max(self.max_t, int(entries[:, 2].max()))

    def undo_chain(self, entries: Entries) -> None:
        """Set the newest entries of rings back to what was before these, which were not added."""
        for owner, before in zip(entries[::-1, 0], entries[::-1, 5] >> 32, strict=True):
            self.ring_chain[owner >> 1] = before

    def start_file(self, now_s: float) -> None:
        """Sync and end the newest file, begin another."""
        self.sync()
        self._data.cut(self._data.size)
        self._index.cut(self._index.size)
        self.closed[self.number] = (self.max_t, self._data.size + self._index.size)
        self._data.close()
        self._index.close()
        self.group_chain.fill(-1)
        self.ring_chain.fill(-1)
        self._open(self.number + 1, Known(np.zeros(0, np.int64), 0), now_s, lambda _: None)
        sync_directory(self.directory)

    def sync(self) -> None:
        """Force the newest file to the disk; older ones are there."""
        self._data.sync()
        self._index.sync()

    def drop_before(self, t_ms: int) -> int:
        """Delete closed files whose samples are all older; the number of the oldest left."""
        self.drop([number for number in sorted(self.closed) if self.closed[number][0] < t_ms])
        return min(self.closed, default=self.number)

    def drop(self, numbers: Sequence[int]) -> None:
        """Delete closed files."""
        for number in numbers:
            count = index_path(self.directory, number).stat().st_size // ENTRY_BYTES
            for path in (index_path(self.directory, number), data_path(self.directory, number)):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise failed("delete", path, error) from None
            del self.closed[number]
            self.total -= count

    def close(self) -> None:
        """Give reserved space back and close."""
        for file in (self._data, self._index):
            if file.fd >= 0:
                file.cut(file.size)
                file.close()


def _grown(chain: Longs, size: int) -> Longs:
    if size <= len(chain):
        return chain
    longer = np.full(max(size, 2 * len(chain)), -1, np.int64)
    longer[: len(chain)] = chain
    return longer
