"""Lists of times of a block, each stored once for all rows that have it.

Pages are read when somebody wants a list that is in them, and kept within bounds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.bounded import Bounded
from promlab.tsdb.blocks import few_place_kernels as few
from promlab.tsdb.blocks.parquet_read import ParquetFile
from promlab.tsdb.blocks.row_groups import Kept, places

Longs = npt.NDArray[np.int64]
_KEPT_TIMES = 1 << 20
_PLACES = -1  # in the place of a page's number


class TimeLists:
    """The lists of a block's times. For any number of threads."""

    def __init__(self, file: ParquetFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._read: Bounded[tuple[int, int], Longs] = Bounded(_KEPT_TIMES, lambda items: items.size)
        self._starts = np.array([group.first_row for group in file.groups], np.int64)
        self._kept: Kept | None = None

    def take(self, wanted: Longs) -> tuple[Longs, Longs]:
        """Some lists of times (ascending numbers), one after the other, and their starts."""
        file = self._file
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < file.rows:
            raise StorageError(f"{file.path} is damaged: a list of times is missing")
        of_group = np.searchsorted(self._starts, wanted, side="right") - 1
        parts, counts = [], []
        for number in np.unique(of_group).tolist():
            group = file.groups[number]
            rows = wanted[of_group == number] - group.first_row
            sizes, page, from_at = self.places(number)
            for one in np.unique(page[rows]).tolist():
                mine = rows[page[rows] == one]
                items = self.items(number, one)
                if int((from_at[mine] + sizes[mine]).max()) > len(items):
                    raise file.damaged(int(group.columns["t_ms"].pages_at[one]))
                parts.append(_gather(items, from_at[mine], sizes[mine]))
                counts.append(sizes[mine])
        flat = np.concatenate([np.zeros(0, np.int64), *parts])
        ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *counts]))
        return flat, ends.astype(np.int64)

    def places(self, number: int) -> Longs:
        """Of each list of a row group: its size, its page, its first item there. i64[3, lists]"""
        group = self._file.groups[number]

        def read() -> Longs:
            sizes = self._file.ints(group, "count")
            everywhere = np.ones(group.rows, bool)
            return np.array([sizes, *places(group.columns["t_ms"], sizes, everywhere)])

        return self._once((number, _PLACES), read)

    def items(self, number: int, page: int) -> Longs:
        """All times of a page."""
        chunk = self._file.groups[number].columns["t_ms"]
        return self._once((number, page), lambda: self._file.items(chunk, page))

    def _once(self, key: tuple[int, int], read: Callable[[], Longs]) -> Longs:
        """What is read of times, for as long as there is room."""
        with self._lock:
            found = self._read.get(key)
            if found is not None:
                return found
        items = read()
        with self._lock:
            self._read.put(key, items)
            self._kept = None
        return items

    @property
    def kept_bytes(self) -> int:
        """Bytes of the lists that are in memory."""
        return 8 * self._read.size

    def forget(self) -> None:
        """Let go of them."""
        with self._lock:
            self._read.clear()
            self._kept = None

    def kept(self) -> Kept:
        """Row groups as kernels want them (see few_place_kernels.py), with what is loaded."""
        with self._lock:
            if self._kept is None:
                self._kept = self._table()
            return self._kept

    def _table(self) -> Kept:
        groups = self._file.groups
        sizes = [len(group.columns["t_ms"].pages_at) for group in groups]
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        pages = np.zeros((2, int(first[-1])), np.int64)  # addresses and lengths
        base = int(pages.__array_interface__["data"][0])
        table = np.zeros((len(groups), few.TIMES_LONGS), np.int64)
        for number, group in enumerate(groups):
            at = base + 8 * int(first[number])
            table[number] = (
                group.first_row, group.rows, 0, sizes[number], at, at + 8 * pages.shape[1],
            )  # fmt: skip
        for (number, page), items in self._read.items():
            address = items.__array_interface__["data"][0]
            if page == _PLACES:
                table[number, 2] = address
            else:
                pages[:, first[number] + page] = address, len(items)
        return Kept(table, (pages, *self._read.values()))


def _gather(items: Longs, at: Longs, counts: Longs) -> Longs:
    total = np.cumsum(counts) - counts
    return items[np.repeat(at - total, counts) + np.arange(int(counts.sum()))]
