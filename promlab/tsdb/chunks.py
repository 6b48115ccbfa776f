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

import numpy as np

from promlab.errors import StorageError
from promlab.tsdb.chunk_check import ENTRY_BYTES, Entries
from promlab.tsdb.chunk_repair import Kept, Known, damaged_path, repair
from promlab.tsdb.files import AppendFile, Longs, failed, sync_directory
from promlab.tsdb.head_kernels import ENTRY_LONGS

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
        self._first_t = Kept().first  # of all that was there
        self.group_chain: Longs = np.full(64, -1, np.int64)
        self.ring_chain: Longs = np.full(64, -1, np.int64)
        numbers = files(directory)
        for number in numbers[:-1]:
            kept = self._repaired(number, known, warn)
            if kept.longer:
                for file in self._cut(number, kept):
                    file.close()
            self.closed[number] = kept.last, kept.end + kept.entries * ENTRY_BYTES
            self.total += kept.entries
            self._first_t = min(self._first_t, kept.first)
        newest = numbers[-1] if numbers else 1
        self._open(newest, self._repaired(newest, known, warn, newest=True), now_s)

    def _repaired(
        self, number: int, known: Known, warn: Callable[[str], None], *, newest: bool = False
    ) -> Kept:
        data, index = data_path(self.directory, number), index_path(self.directory, number)
        log = self.directory.parent / "wal" if newest else None
        kept = repair(data, index, known, warn, log) if index.exists() else Kept()
        self.corruptions += kept.corruptions
        return kept

    def _cut(self, number: int, kept: Kept) -> tuple[AppendFile, AppendFile]:
        """Give back all behind what counts of a file."""
        data = AppendFile(data_path(self.directory, number), reserve_step=_DATA_STEP)
        index = AppendFile(index_path(self.directory, number), reserve_step=_INDEX_STEP)
        data.cut(kept.end)
        index.cut(kept.entries * ENTRY_BYTES)
        return data, index

    def _open(self, number: int, kept: Kept, now_s: float) -> None:
        self.number, self.born_s = number, now_s
        self._data, self._index = self._cut(number, kept)
        self.max_t, self.count = kept.last, kept.entries
        self.total += self.count
        self._first_t = min(self._first_t, kept.first)

    @property
    def times(self) -> tuple[int, int] | None:
        """Of the oldest sample that was there at the beginning, and of the newest."""
        last = max([self.max_t, *(last for last, _ in self.closed.values())])
        return (self._first_t, last) if self._first_t <= last else None

    def last_of(self, number: int) -> int:
        """Time of a file's newest sample."""
        return self.max_t if number == self.number else self.closed[number][0]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(self.sizes.values())

    @property
    def sizes(self) -> dict[int, int]:
        """Bytes of each file, by its number."""
        closed = {number: size for number, (_, size) in self.closed.items()}
        return closed | {self.number: self._data.size + self._index.size}

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
        self._open(self.number + 1, Kept(), now_s)
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
            index, data = index_path(self.directory, number), data_path(self.directory, number)
            for path in (index, data, damaged_path(index)):
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
