"""Reads one block: its labels as an index, its rows as columns, its lists page by page.

Nothing is read before it is needed, and what was read is kept within bounds: the columns that
tell where samples are (`row_groups.py`), and lists of times (`time_lists.py`). A block never
changes, so any number of threads may read it; loading its index is the caller's to guard, since
symbols are shared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.histograms import Buckets, HistogramTable
from promlab.tsdb.blocks import layout, tombstones
from promlab.tsdb.blocks.checksums import tail_checksum
from promlab.tsdb.blocks.meta import Meta, read_meta
from promlab.tsdb.blocks.packed_pages import PackedPage
from promlab.tsdb.blocks.parquet_read import ParquetFile, RowGroup
from promlab.tsdb.blocks.row_groups import RowGroups, Rows
from promlab.tsdb.blocks.time_lists import TimeLists
from promlab.tsdb.index import SeriesIndex, Verdicts
from promlab.tsdb.selections import Selections, rows_of_block

Longs = npt.NDArray[np.int64]
_SERIES_BYTES = 60  # of labels, in an index


class DamagedBlock(StorageError):
    """A block that turned out to be damaged while it was read."""

    def __init__(self, block: Block, error: StorageError) -> None:
        self.block = block
        super().__init__(str(error))


@contextlib.contextmanager
def blaming(block: Block) -> Iterator[None]:
    """Any StorageError in here comes from this block: raised as DamagedBlock."""
    try:
        yield
    except DamagedBlock:
        raise
    except StorageError as error:
        raise DamagedBlock(block, error) from None


class Block:
    """A block's folder, opened. Raises StorageError if it is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meta: Meta = read_meta(path)
        for name, (size, crc) in self.meta.files.items():
            file = path / name
            try:
                found = file.stat().st_size
                if found != size or tail_checksum(file) != crc:
                    raise StorageError(f"{file} is damaged: size or checksum does not fit")
            except OSError as error:
                raise StorageError(f"cannot read {file}: {error.strerror}") from None
        if path.name != self.meta.ulid:
            raise StorageError(f"{path} is not the folder of block {self.meta.ulid}")
        self._series = ParquetFile(path / layout.SERIES)
        self._samples = ParquetFile(path / layout.SAMPLES)
        self._times = ParquetFile(path / layout.TIMES)
        has = layout.HISTOGRAMS in self.meta.files
        self._histograms = ParquetFile(path / layout.HISTOGRAMS) if has else None
        self.tombstones = tombstones.read(path)
        self.series_count = self._series.rows
        self.row_groups = RowGroups(self._samples)
        self.time_lists = TimeLists(self._times)
        self._index: SeriesIndex | None = None
        self._numbers: Longs | None = None

    # --- labels -------------------------------------------------------------------------

    def index(self, verdicts: Verdicts) -> SeriesIndex:
        """Labels, in the codes of `verdicts.symbols`. Hold the lock of that table."""
        if self._index is None or self._index.symbols is not verdicts.symbols:
            index = SeriesIndex(verdicts, Selections(rows_of_block))
            for group in self._series.groups:
                names, columns = [], []
                for column in group.columns:
                    if column == layout.SERIES_ID:
                        continue
                    codes, texts = self._series.texts(group, column)
                    own = np.append(index.symbols.codes(texts), 0).astype(np.uint32)
                    names.append(index.symbols.code(layout.column_label(column)))
                    columns.append(own[codes])
                index.add(group.rows, np.array(names, np.uint32), columns)
            self._index = index
        return self._index

    def has_index(self, index: SeriesIndex) -> bool:
        """Whether this is still its index."""
        return self._index is index

    @property
    def kept_bytes(self) -> int:
        """About how much of it is in memory."""
        labels = _SERIES_BYTES * self.series_count if self._index is not None else 0
        return labels + self.row_groups.kept_bytes + self.time_lists.kept_bytes

    def forget(self) -> None:
        """Free that memory: the next that wants something reads it again."""
        self._index = None
        self.row_groups.forget()
        self.time_lists.forget()

    @property
    def numbers(self) -> Longs:
        """The number, in the block's files, of each series of the index; ascending."""
        if self._numbers is None:
            parts = [self._series.ints(group, layout.SERIES_ID) for group in self._series.groups]
            self._numbers = np.concatenate([np.zeros(0, np.int64), *parts])
            if (np.diff(self._numbers) <= 0).any():
                raise StorageError(f"{self._series.path} is damaged: numbers do not ascend")
        return self._numbers

    @property
    def label_names(self) -> list[str]:
        """Names of all labels."""
        names = self._series.groups[0].columns if self._series.groups else {}
        return [layout.column_label(name) for name in names if name != layout.SERIES_ID]

    # --- rows ---------------------------------------------------------------------------

    def overlaps(self, start: int, end: int) -> bool:
        """Whether it may have samples with start <= t <= end."""
        return self.meta.min_time <= end and self.meta.max_time > start

    def rows(self, series: Longs, start: int, end: int) -> Iterator[tuple[Rows, Longs, Longs]]:
        """Rows of some series (of the index, ascending) that overlap start <= t <= end.

        Of each row group: its columns, the rows, and which of `series` each belongs to.
        """
        if len(series):
            yield from self.row_groups.find(self.numbers[series], start, end)

    @property
    def samples_at(self) -> tuple[int, int]:
        """Address and size of the mapped file with the samples."""
        return self._samples.address, self._samples.size

    def frame(self, at: int, size: int) -> memoryview:
        """Bytes of the file with the samples."""
        return self._samples.bytes_at(at, size)

    def items(self, group: RowGroup, column: int, page: int, most: int = 1 << 30) -> Longs:
        """The first `most` items (or more) of one page of n (0) or x (1)."""
        return self._samples.items(group.columns[("n", "x")[column]], page, most)

    def packed(self, group: RowGroup, column: int, page: int) -> PackedPage:
        """The same page, to be unpacked together with others."""
        return self._samples.packed(group.columns[("n", "x")[column]], page)

    def starts(self, rows: Rows, which: Longs) -> tuple[Longs, Longs]:
        """Items of start_ms, and where those of each row begin (-1: it has none)."""
        if not rows.has_starts:
            return np.zeros(0, np.int64), np.full(len(which), -1, np.int64)
        items = self._samples.lists(rows.group, "start_ms")
        counts = self._samples.list_counts(rows.group, "start_ms")
        at = np.cumsum(counts) - counts
        return items, np.where(counts[which] > 0, at[which], -1)

    # --- histograms ---------------------------------------------------------------------

    def histograms(self, wanted: Longs) -> HistogramTable:
        """Some histograms (ascending numbers of rows)."""
        file = self._histograms
        if file is None or (len(wanted) and int(wanted[-1]) >= file.rows):
            raise StorageError(f"{self.path} is damaged: histograms are missing")
        tables = []
        for group in file.groups:
            rows = wanted[(wanted >= group.first_row) & (wanted < group.first_row + group.rows)]
            if len(rows):
                tables.append(_histograms(file, group).take(rows - group.first_row))
        return HistogramTable.stack(tables) if tables else HistogramTable.empty()

    def verify(self) -> None:
        """Read every page. Raises StorageError for the first that is damaged."""
        for group in self._series.groups:
            for column in group.columns:
                if column != layout.SERIES_ID:
                    self._series.texts(group, column)
        for group in self._times.groups:
            if int(self._times.ints(group, "count").sum()) != len(self._times.lists(group, "t_ms")):
                raise StorageError(f"{self._times.path} is damaged: items are missing")
        samples = 0
        for number, group in enumerate(self._samples.groups):
            rows = self.row_groups.load(number)
            samples += int(rows.count.sum())
            for kind, name in enumerate(("n", "x")):
                wanted = int(rows.count[rows.column == kind].sum())
                if wanted != len(self._samples.lists(group, name)):
                    raise StorageError(f"{self._samples.path} is damaged: items are missing")
            self._samples.lists(group, "start_ms")
            if len(np.setdiff1d(rows.series, self.numbers)):
                raise StorageError(f"{self._samples.path} is damaged: a series has no labels")
            if len(rows.times) and int(rows.times.max()) >= self._times.rows:
                raise StorageError(f"{self._samples.path} is damaged: a list of times is missing")
        if samples != self.meta.samples:
            raise StorageError(f"{self.path} is damaged: it has {samples} samples")
        if self._histograms is not None:
            for group in self._histograms.groups:
                _histograms(self._histograms, group)


def _histograms(file: ParquetFile, group: RowGroup) -> HistogramTable:
    bounds: dict[tuple[float, ...], int] = {}
    sizes = file.list_counts(group, "bounds")
    flat = file.lists(group, "bounds").view(np.float64)
    ends = np.cumsum(sizes)
    custom = np.full(group.rows, -1, np.int32)
    for row in np.flatnonzero(sizes).tolist():
        one = tuple(flat[ends[row] - sizes[row] : ends[row]].tolist())
        custom[row] = bounds.setdefault(one, len(bounds))
    sides = {}
    for side in ("positive", "negative"):
        counts = file.list_counts(group, side)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        indices = file.lists(group, side).astype(np.int32)
        values = file.lists(group, f"{side}_counts").view(np.float64)
        if not len(indices) == len(values) == int(offsets[-1]):
            raise StorageError(f"{file.path} is damaged: buckets are missing")
        sides[side] = Buckets(offsets, indices, values)
    return HistogramTable(
        file.ints(group, "schema").astype(np.int8),
        file.floats(group, "zero_threshold"),
        file.floats(group, "zero_count"),
        file.floats(group, "count"),
        file.floats(group, "sum"),
        file.ints(group, "hint").astype(np.int8),
        sides["positive"],
        sides["negative"],
        custom,
        tuple(bounds),
    )
