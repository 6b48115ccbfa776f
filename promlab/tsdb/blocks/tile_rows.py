"""`BlockRows`: which rows of blocks tiles want, and the pages that these are in.

Pages that several tiles want may be unpacked once for all of them (`unpacked`): some are kept
for the tiles that come next, and readers side by side do not unpack the same. Where few are so
(`scattered` is False), each tile had better take its own as they are stored (`packed`).
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.merge import Gathering
from promlab.tsdb.blocks.packed_pages import PackedPage, unpack_together
from promlab.tsdb.blocks.pieces import in_order
from promlab.tsdb.blocks.row_groups import Rows

Longs = npt.NDArray[np.int64]
_KEPT_PAGES = 64  # rows of neighbours are scattered over some pages: they are unpacked once
_SHARED = 0.5  # of what tiles unpack: where more was unpacked before, tiles had better share it


class _Page:
    """Items of a page, and their address, once somebody has unpacked it."""

    __slots__ = ("address", "items", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.items: Longs | None = None
        self.address = 0

    def put(self, items: Longs) -> None:
        """Its items are known."""
        self.items = items
        self.address = items.__array_interface__["data"][0]

    @property
    def size(self) -> int:
        """Number of items."""
        return 0 if self.items is None else len(self.items)


class BlockRows:
    """Rows of all blocks that are wanted, series by series, and the pages they are in."""

    def __init__(self, gathering: Gathering, series: int, edges: Longs) -> None:
        """`edges` are those of the tiles."""
        self.times = gathering.times()
        self.pieces, _ = in_order(gathering.pieces(), self.times)
        self.pieces_at = np.searchsorted(self.pieces.series, np.arange(series + 1))
        self.before = np.concatenate([[0], np.cumsum(self.pieces.samples)]).astype(np.int64)
        n = len(self.pieces.series)
        self.from_at, self.scales, self.page = (np.zeros(n, np.int64) for _ in range(3))
        self._sources = gathering.sources
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, _Page] = OrderedDict()
        self._first_page, pages = [0], 0
        for number, source in enumerate(gathering.sources):
            assert source.rows is not None
            mine = np.flatnonzero(self.pieces.source == number)
            row = self.pieces.row[mine]
            self.from_at[mine] = source.rows.from_at[row] + self.pieces.low[mine]
            self.scales[mine] = source.rows.scale[row]
            # Pages of integers have even numbers, pages of doubles odd ones.
            self.page[mine] = 2 * (pages + source.rows.page[row]) + source.rows.column[row]
            pages += int(source.rows.page.max(initial=0)) + 1
            self._first_page.append(pages)
        self.scattered = self._is_scattered(edges)

    def _is_scattered(self, edges: Longs) -> bool:
        """Whether most of what tiles unpack has been unpacked for another one before."""
        tile = np.repeat(np.arange(len(edges) - 1), np.diff(self.pieces_at[edges]))
        # Not a table of tiles and pages: of months of many series that would be huge.
        uses = len(np.unique(tile << 32 | self.page))
        return uses - len(np.unique(self.page)) > _SHARED * uses

    def packed(self, numbers: Sequence[int]) -> list[PackedPage]:
        """Pages as they are stored. Raises StorageError."""
        return [self._packed(number) for number in numbers]

    def unpacked(self, numbers: Sequence[int]) -> dict[int, _Page]:
        """Pages with their items, kept for the tiles that come next. Raises StorageError.

        The first are taken first: another reader that wants the same may begin at the other end.
        """
        found: dict[int, _Page] = {}
        while mine := self._claim(numbers, found):
            try:
                items = unpack_together(self.packed(mine))
                for number, unpacked in zip(mine, items, strict=True):
                    found[number].put(unpacked)
            finally:
                for number in mine:
                    found[number].lock.release()
        for number, page in found.items():
            with page.lock:  # whoever comes second waits for the first
                if page.items is None:  # which failed
                    page.put(unpack_together(self.packed([number]))[0])
        return found

    def _claim(self, numbers: Sequence[int], found: dict[int, _Page]) -> list[int]:
        """Some pages that nobody has begun with, their locks taken; others that are known.

        Half of those that are left: the rest is for another reader, if there is one.
        """
        missing = []
        with self._lock:
            for number in numbers:
                if number in found:
                    continue
                page = self._kept.get(number)
                if page is None:
                    missing.append(number)
                else:
                    self._kept.move_to_end(number)
                    found[number] = page
            mine = missing[: len(missing) // 2 + 1]
            for number in mine:
                page = found[number] = self._kept[number] = _Page()
                page.lock.acquire()
                if len(self._kept) > _KEPT_PAGES:
                    self._kept.popitem(last=False)
        return mine

    def _packed(self, number: int) -> PackedPage:
        """A page as it is stored. Raises StorageError."""
        block, rows, page = self._block_of(number)
        return block.packed(rows.group, number & 1, page)

    def _block_of(self, page: int) -> tuple[Block, Rows, int]:
        """The block of a page, its row group, and the page's number there."""
        number = bisect_right(self._first_page, page >> 1) - 1
        source = self._sources[number]
        assert source.block is not None
        assert source.rows is not None
        return source.block, source.rows, (page >> 1) - self._first_page[number]
