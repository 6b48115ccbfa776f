"""Which rows of a block have whose samples, row group by row group.

A group's columns are read when somebody wants one of its rows, and kept within bounds, each
group as one table. Kernels find their way in those tables by themselves (`Kept`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.bounded import Bounded
from promlab.tsdb.blocks import few_place_kernels as few
from promlab.tsdb.blocks.block_kernels import FLOATS
from promlab.tsdb.blocks.parquet_read import ColumnChunk, ParquetFile, RowGroup

Longs = npt.NDArray[np.int64]
_KEPT_ROWS = 1 << 18
_MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Rows:
    """One row group of samples: its columns, and where each row's items are."""

    group: RowGroup
    has_starts: bool  # whether any sample may have a start time
    table: Longs  # the columns below, one behind the other, as kernels know them
    series: Longs
    times: Longs
    count: Longs
    min_time: Longs
    max_time: Longs
    scale: Longs
    column: Longs  # 0: items are in n, 1: in x
    page: Longs  # of that column
    from_at: Longs  # first item within the page


class Kept(NamedTuple):
    """What kernels find of a block's row groups, and what keeps it in memory."""

    table: Longs
    owners: tuple[object, ...]


class RowGroups:
    """The row groups of a block's samples. For any number of threads."""

    def __init__(self, file: ParquetFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._rows: Bounded[int, Rows] = Bounded(_KEPT_ROWS, lambda rows: rows.group.rows)
        self._facts: Longs | None = None
        self._kept: Kept | None = None

    def find(self, series: Longs, start: int, end: int) -> Iterator[tuple[Rows, Longs, Longs]]:
        """Rows of some series (ascending numbers) that overlap start <= t <= end.

        Of each row group: its columns, the rows, and which of `series` each belongs to.
        """
        for number, group in enumerate(self._file.groups):
            chunk, first, last = (
                group.columns[name] for name in ("series", "min_time", "max_time")
            )
            if _outside(first, last, start, end):
                continue
            low = int(np.searchsorted(series, chunk.low if chunk.low is not None else 0))
            if low == len(series) or (chunk.high is not None and series[low] > chunk.high):
                continue
            rows = self.load(number)
            at = np.searchsorted(series, rows.series)
            hit = series[np.minimum(at, len(series) - 1)] == rows.series
            hit &= (rows.min_time <= end) & (rows.max_time >= start)
            which = np.flatnonzero(hit)
            if len(which):
                yield rows, which, at[which]

    def load(self, number: int) -> Rows:
        """A row group's columns. Raises StorageError."""
        with self._lock:
            found = self._rows.get(number)
            if found is not None:
                return found
        rows = self._read(self._file.groups[number])
        with self._lock:
            self._rows.put(number, rows)
            self._kept = None
        return rows

    @property
    def kept_bytes(self) -> int:
        """Bytes of the tables that are in memory."""
        return 8 * (few.ORDER + 1) * self._rows.size

    def forget(self) -> None:
        """Let go of them."""
        with self._lock:
            self._rows.clear()
            self._kept = None

    def _read(self, group: RowGroup) -> Rows:
        file = self._file
        table = np.empty((few.ORDER + 1, group.rows), np.int64)
        for i, name in enumerate(("series", "times", "count", "min_time", "max_time", "scale")):
            table[i] = file.ints(group, name)
        count = table[few.COUNT]
        if len(count) and int(count.min()) < 1:
            raise StorageError(f"{file.path} is damaged: a row has no samples")
        table[few.COLUMN] = table[few.SCALE] == FLOATS
        for kind, name in enumerate(("n", "x")):
            mine = table[few.COLUMN] == kind
            found = places(group.columns[name], np.where(mine, count, 0), mine)
            table[few.PAGE, mine], table[few.FROM_AT, mine] = found
        table[few.ORDER] = np.argsort(table[few.SERIES], kind="stable")
        return Rows(group, self._has_starts(group), table, *table[: few.ORDER])

    def _has_starts(self, group: RowGroup) -> bool:
        chunk = group.columns["start_ms"]
        if chunk.values != group.rows or len(chunk.pages_at) != 1:
            return bool(chunk.values)
        return len(self._file.items(chunk, 0)) > 0

    def kept(self) -> Kept:
        """Row groups as kernels want them, with the tables of those that are loaded."""
        with self._lock:
            if self._kept is None:
                if self._facts is None:
                    self._facts = _facts(self._file.groups)
                table = self._facts.copy()
                for number, rows in self._rows.items():
                    table[number, 5] = rows.table.__array_interface__["data"][0]
                    table[number, 6] = not rows.has_starts
                self._kept = Kept(table, tuple(self._rows.values()))
            return self._kept


def _facts(groups: list[RowGroup]) -> Longs:
    """What is known of row groups before they are loaded; see few_place_kernels.py."""
    table = np.zeros((len(groups), few.GROUP_LONGS), np.int64)
    for facts, group in zip(table, groups, strict=True):
        series, first, last = (group.columns[name] for name in ("series", "min_time", "max_time"))
        facts[:5] = (
            group.rows,
            -_MOST if series.low is None else series.low,
            _MOST if series.high is None else series.high,
            -_MOST if first.low is None else first.low,
            _MOST if last.high is None else last.high,
        )
        for at, name in ((7, "n"), (10, "x")):
            chunk = group.columns[name]
            address = chunk.pages_at.__array_interface__["data"][0]
            facts[at : at + 3] = address, len(chunk.pages_at), chunk.values
    return table


def _outside(first: ColumnChunk, last: ColumnChunk, start: int, end: int) -> bool:
    return (first.low is not None and first.low > end) or (
        last.high is not None and last.high < start
    )


def places(chunk: ColumnChunk, counts: Longs, mine: npt.NDArray[np.bool_]) -> tuple[Longs, Longs]:
    """Page of each of these rows, and its first item there; `counts` are those of all rows."""
    before = np.cumsum(counts) - counts
    rows = np.flatnonzero(mine)
    page = np.searchsorted(chunk.first_rows, rows, side="right") - 1
    return page, before[rows] - before[chunk.first_rows[page]]
