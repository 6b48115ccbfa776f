"""Deletion: intervals of some series of a block that readers leave out.

They are one small Parquet file in the block's folder, replaced as a whole. The samples go for
good when the block is written anew: by a compaction, or when somebody cleans tombstones.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.tsdb.blocks import layout
from promlab.tsdb.blocks.parquet_read import ParquetFile
from promlab.tsdb.blocks.parquet_write import ParquetWriter
from promlab.tsdb.files import failed, sync_directory

Longs = npt.NDArray[np.int64]


class Tombstones(NamedTuple):
    """Deleted samples: those of `series` with min_time <= t <= max_time; sorted by series."""

    series: Longs
    min_time: Longs
    max_time: Longs

    def __bool__(self) -> bool:
        return len(self.series) > 0

    def of(self, series: int) -> list[tuple[int, int]]:
        """Intervals of one series, in time's order, none touching the next."""
        low, high = np.searchsorted(self.series, [series, series + 1]).tolist()
        found = zip(self.min_time[low:high].tolist(), self.max_time[low:high].tolist(), strict=True)
        return merged(sorted(found))

    def joined(self, series: Longs, start: int | Longs, end: int | Longs) -> Tombstones:
        """These, and one interval more for each of `series`: one for all, or each its own."""
        n = len(series)
        all_series = np.concatenate([self.series, series])
        first = np.concatenate([self.min_time, np.full(n, start, np.int64)])
        last = np.concatenate([self.max_time, np.full(n, end, np.int64)])
        order = np.lexsort([last, first, all_series])
        return Tombstones(all_series[order], first[order], last[order])._simplified()

    def _simplified(self) -> Tombstones:
        """The same with intervals that touch joined."""
        rows = [
            (series, low, high)
            for series in np.unique(self.series).tolist()
            for low, high in self.of(series)
        ]
        columns = np.array(rows, np.int64).reshape(-1, 3).T
        return Tombstones(*(np.ascontiguousarray(column) for column in columns))

    def covers(self, series: Longs, start: int, end: int) -> npt.NDArray[np.bool_]:
        """Which of some series have nothing left from start to end."""
        done = [any(a <= start and end <= b for a, b in self.of(s)) for s in series.tolist()]
        return np.array(done, np.bool_)


def none() -> Tombstones:
    """No deletions."""
    empty = np.zeros(0, np.int64)
    return Tombstones(empty, empty, empty)


def merged(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted intervals, joined where they touch."""
    out: list[tuple[int, int]] = []
    for low, high in intervals:
        if out and low <= out[-1][1] + 1:
            out[-1] = out[-1][0], max(out[-1][1], high)
        else:
            out.append((low, high))
    return out


def read(directory: Path) -> Tombstones:
    """Those of a block. Raises StorageError if they are damaged."""
    path = directory / layout.TOMBSTONES
    if not path.exists():
        return none()
    file = ParquetFile(path)
    try:
        parts = [
            tuple(file.ints(group, name) for name in ("series", "min_time", "max_time"))
            for group in file.groups
        ]
    except (KeyError, ValueError, IndexError):  # meta.json guards all footers but this one
        raise StorageError(f"{path} is damaged: its footer makes no sense") from None
    if not parts:
        return none()
    series, first, last = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Tombstones(series, first, last)


def write(directory: Path, tombstones: Tombstones) -> None:
    """Replace those of a block. Raises StorageError; the old ones stay then."""
    path = directory / layout.TOMBSTONES
    aside = path.with_suffix(".tmp")
    writer = ParquetWriter(aside, layout.TOMBSTONE_COLUMNS)
    writer.write(tombstones._asdict())
    writer.close()
    try:
        aside.replace(path)
        sync_directory(directory)
    except OSError as error:
        raise failed("write", path, error) from None
