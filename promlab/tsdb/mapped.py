"""What a reader maps of a data directory: the files of one writer's life, chunk files, labels.

A writer that starts publishes a new control page; a reader that meets it makes a new
`Mapped`. Within one, files only grow, and are mapped anew when they have.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError, WALCorruption
from promlab.tsdb import control, series_log
from promlab.tsdb.chunk_file import ChunkFile
from promlab.tsdb.chunks import files
from promlab.tsdb.exemplar_files import ExemplarFiles
from promlab.tsdb.files import ReadableMap
from promlab.tsdb.histogram_files import HistogramFiles
from promlab.tsdb.index import SeriesIndex
from promlab.tsdb.packed import pack

Longs = npt.NDArray[np.int64]
Addresses = npt.NDArray[np.uint64]
# Address and length, in longs, of the table of groups, of rows and of rings.
Places = tuple[int, int, int, int, int, int]
NO_HEAD: Places = (0, -1, 0, -1, 0, -1)  # they are lost
DAMAGED = "{} is damaged: start the server, it makes a new one"
_NEVER = -(2**63)
_LOG = logging.getLogger(__name__)


class ChunkView(NamedTuple):
    """Chunk files that overlap a time range, oldest first, as the kernels want them."""

    files: list[ChunkFile]
    maps: list[tuple[ReadableMap, ReadableMap]]  # keep what the addresses point to
    counts: Longs
    indexes: Addresses
    datas: Addresses
    sizes: Longs
    group_chains: Addresses
    ring_chains: Addresses
    chain_sizes: Longs
    starts: Longs  # of each file the time from which it counts: before, blocks have it
    published: int  # what counted chunks when it was made: it has all of those

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """What kernels unpack, in this order."""
        return self[2:10]


class Mapped:
    """Everything that one writer's life has published."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = SeriesIndex()
        self._series_bytes = 0
        self.oldest_file = 0  # chunk files before this one are not looked at
        self._chunks: dict[int, ChunkFile] = {}
        self._viewed: tuple[tuple[int, int], ...] = ()
        self._view: ChunkView | None = None
        self._all_of: tuple[int, ...] = ()
        self._all: ChunkView | None = None
        self.packed_chunks = pack()  # of the view of all
        place = control.path_of(path)
        self._place = str(place)
        try:
            self.inode = place.stat().st_ino
            self._page = ReadableMap(place)
        except (OSError, StorageError):
            raise StorageError(
                f"{path} is not a data directory of promlab: start a server on it first"
            ) from None
        page = self.page = self._page.longs
        of_promlab = len(page) >= control.LONGS and page[control.MAGIC_AT] == control.MAGIC
        if not of_promlab or not control.is_sound(page):
            raise StorageError(DAMAGED.format(place))
        if page[control.FORMAT_AT] != control.FORMAT:
            raise StorageError(f"{path} was written by another version of promlab")
        self._counters = memoryview(self._page.bytes.data).cast("q")  # the same, read faster
        self.epoch = int(page[control.EPOCH])
        # Rows and rings of a writer that did not close them are lost with the system's memory.
        alive = control.boot_id() in (0, int(page[control.BOOT]))
        settled = page[control.CLEAN] == control.SETTLED
        self.head_is_sound = not settled and (alive or bool(page[control.CLEAN]))
        if not settled and not self.head_is_sound:
            _LOG.warning("%s: the newest samples are in the log alone: start the server", path)
        self.exemplars = ExemplarFiles(path / "exemplars")
        self.histograms = HistogramFiles(path / "histograms")
        self.map_head()

    def map_head(self) -> None:
        """Map rows, rings and the table of groups as far as they reach now."""
        head = self.path / "head"
        if int(self.page[control.CLEAN]) == control.SETTLED:
            self.head_is_sound = False
            self.rows = self.loose = self.table = ReadableMap.empty()
            self.places = NO_HEAD
            self.packed_places = np.array(NO_HEAD, np.int64)
            return
        self.rows = ReadableMap(head / f"rows.{self.epoch}")
        self.loose = ReadableMap(head / f"loose.{self.epoch}")
        self.table = ReadableMap(head / f"groups.{self.epoch}")
        self.places = _places(self.table, self.rows, self.loose) if self.head_is_sound else NO_HEAD
        self.packed_places = np.array(self.places, np.int64)

    def is_current(self) -> bool:
        """Whether no other writer has started since."""
        try:
            return os.stat(self._place).st_ino == self.inode  # noqa: PTH116 - each query asks
        except OSError:
            return True  # being replaced, or gone: what is mapped stays readable

    def refresh_series(self) -> None:
        """Take in what was added to the series log."""
        published = self._counters[control.SERIES_BYTES]
        if published == self._series_bytes:
            return
        log = self.path / "head" / "series"
        try:
            fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if not self._series_bytes < published <= os.fstat(fd).st_size:
                    raise StorageError(DAMAGED.format(self._place))
                data = os.pread(fd, published - self._series_bytes, self._series_bytes)
            finally:
                os.close(fd)
            self._series_bytes = series_log.replay(data, log, self._series_bytes, self.index)
        except OSError as error:
            raise StorageError(f"cannot read {log}: {error.strerror}") from None
        except WALCorruption as damage:
            raise StorageError(f"series log is damaged: {damage}") from None

    def all_chunks(self) -> ChunkView:
        """All chunk files as they are now; the same view as long as nothing is added.

        Call it under a lock, chains are shared.
        """
        page, index = self._counters, self.index
        now = (
            page[control.CHUNKS], page[control.FIRST_FILE], page[control.CUT_FILE],
            page[control.CUT_TIME], self.oldest_file, index.groups, index.rings,
        )  # fmt: skip
        if now != self._all_of or self._all is None:
            found = [file for file in self._refreshed() if file.count]
            cuts = [self._cut_of(file) for file in found]
            self._all_of = now
            self._all = _view(found, np.array(cuts, np.int64), now[0])
            self.packed_chunks = pack(*self._all.arrays)
        return self._all

    def chunks(self, start: int, end: int) -> ChunkView:
        """Chunk files of a range as they are now; call it under a lock, chains are shared."""
        found, starts = [], []
        published = self._counters[control.CHUNKS]
        for file in self._refreshed():
            counts_from = max(start, self._cut_of(file))
            if file.count and file.first_t <= end and file.last_t >= counts_from:
                found.append(file)
                starts.append(counts_from)
        key = tuple((file.number, file.count) for file in found)
        cuts = np.array(starts, np.int64)
        if key != self._viewed or self._view is None:
            self._viewed, self._view = key, _view(found, cuts, published)
        else:
            self._view = self._view._replace(starts=cuts, published=published)
        return self._view

    def has_sealed_since(self, view: ChunkView) -> bool:
        """Whether there are chunks that a view does not have.

        Samples leave the head when their chunk is published. What was read of the head after
        a view was taken may lack some that the view lacks too: ask, and read both anew.
        """
        return self._counters[control.CHUNKS] != view.published

    def _cut_of(self, file: ChunkFile) -> int:
        """The time from which a file counts: what is before is in blocks."""
        page = self._counters
        return page[control.CUT_TIME] if file.number <= page[control.CUT_FILE] else _NEVER

    def _refreshed(self) -> list[ChunkFile]:
        """All chunk files, oldest first, with what was added to them."""
        packed = self._counters[control.CHUNKS]
        newest, count = packed >> 32, packed & 0xFFFFFFFF
        if newest not in self._chunks:
            self._find_files(newest)
        oldest = max(self._counters[control.FIRST_FILE], self.oldest_file)
        for number in [number for number in self._chunks if number < oldest]:
            del self._chunks[number]
        files_now = [self._chunks[number] for number in sorted(self._chunks)]
        for file in files_now:
            known = count if file.number == newest else None
            file.refresh(known, self.index.groups, self.index.rings)
        return files_now

    def _find_files(self, newest: int) -> None:
        directory = self.path / "chunks"
        for number in files(directory):
            known = self._chunks.get(number)
            # A file that was the newest is mapped anew: it has its final length only now.
            if number <= newest and (known is None or not known.is_closed):
                try:
                    self._chunks[number] = ChunkFile(directory, number, closed=number < newest)
                except StorageError:
                    continue  # dropped by retention a moment ago


def _places(table: ReadableMap, rows: ReadableMap, loose: ReadableMap) -> Places:
    sizes = table.size // 8, rows.size // 8, loose.size // 8
    return table.address, sizes[0], rows.address, sizes[1], loose.address, sizes[2]


def _view(found: list[ChunkFile], starts: Longs, published: int) -> ChunkView:
    def addresses(values: list[int]) -> Addresses:
        return np.array(values, np.uint64)

    sizes = [len(chain) for file in found for chain in (file.groups, file.rings)]
    return ChunkView(
        found,
        [(file.index, file.data) for file in found],
        np.array([file.count for file in found], np.int64),
        addresses([file.index.address for file in found]),
        addresses([file.data.address for file in found]),
        np.array([file.data.size for file in found], np.int64),
        addresses([file.groups.__array_interface__["data"][0] for file in found]),
        addresses([file.rings.__array_interface__["data"][0] for file in found]),
        np.array(sizes, np.int64),
        starts,
        published,
    )
