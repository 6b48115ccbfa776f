"""`BlockTiles`: series of blocks and head together, a few at a time or all at once.

Which rows of the blocks are wanted is known, none of their pages has been read. Tiles are for
what is usual: numbers, no two samples of a series at one time. Anything else, a page that
turns out to be damaged included, is left to the way that reads all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.model.tiles import BatchTiles, Tile, TileReader
from promlab.tsdb.blocks import tile_kernels as k
from promlab.tsdb.blocks.block import DamagedBlock
from promlab.tsdb.blocks.block_kernels import FLOATS, SHIFTED
from promlab.tsdb.blocks.merge import Gathering
from promlab.tsdb.blocks.packed_pages import decompressed
from promlab.tsdb.blocks.pieces import HeadPart
from promlab.tsdb.blocks.tile_rows import BlockRows
from promlab.tsdb.codec_kernels import POWERS
from promlab.tsdb.head_tiles import HeadTiles

Longs = npt.NDArray[np.int64]
_PAGES_AT_ONCE = 128  # of a tile: few have more, where rows are scattered

# The head's part of a tile, behind room for so many older values of each series.
_Behind = Callable[[int, Longs], Tile | None]


class BlockTiles:
    """Series of blocks and head. Implements `promlab.model.tiles.TiledSeries`."""

    def __init__(
        self,
        labels: LabelTable,
        gathering: Gathering,
        head: HeadTiles | BatchTiles | None,
        head_rows: Longs,
        max_samples: int,
        without: Callable[[DamagedBlock], SeriesBatch],
    ) -> None:
        """`head_rows` are the rows of the head's series in `labels`.

        `without` reads everything anew, but for a block that turned out to be damaged.
        """
        self._labels, self._gathering = labels, gathering
        self._head, self._head_rows = head, head_rows
        self._max_samples, self._without = max_samples, without

    @property
    def labels(self) -> LabelTable:
        """Labels of all series."""
        return self._labels

    @cached_property
    def most_at(self) -> Longs:
        """See `TiledSeries`."""
        pieces = self._gathering.pieces()
        most = np.zeros(self._labels.n, np.int64)
        np.add.at(most, pieces.series, pieces.samples)
        if self._head is not None:
            most[self._head_rows] += np.diff(self._head.most_at)
        return np.concatenate([[0], np.cumsum(most)]).astype(np.int64)

    def whole(self) -> SeriesBatch:
        """See `TiledSeries`."""
        gathering, head = self._gathering.copy(), self._head
        if isinstance(head, HeadTiles):
            found = head.decoded()
            if found.batch.n:
                gathering.add_head(HeadPart(found.batch, self._head_rows[found.rows]))
        elif head is not None and head.labels.n:
            gathering.add_head(HeadPart(head.whole(), self._head_rows))
        try:
            return gathering.batch(self._labels, self._max_samples)
        except DamagedBlock as damage:
            return self._without(damage)

    def open(self, edges: Longs, readers: int) -> list[TileReader]:
        """See `TiledSeries`."""
        head, rows = self._head, self._head_rows
        biggest = int(np.diff(self.most_at[edges]).max(initial=0))
        behind: list[_Behind] = [_no_head(biggest) for _ in range(readers)]
        if isinstance(head, HeadTiles):
            order = np.full(self._labels.n, -1, np.int64)
            order[rows] = np.arange(len(rows))
            found = head.open_in_order(order, self.most_at, edges, readers)
            behind = [reader.read_behind for reader in found]
        elif head is not None and head.labels.n:
            return [_nothing] * readers
        rows_of = BlockRows(self._gathering, self._labels.n, edges)
        if not _are_numbers(rows_of.scales):
            return [_nothing] * readers
        return [
            _Reader(rows_of, edges, biggest, read_behind, backwards=number % 2 > 0).read
            for number, read_behind in enumerate(behind)
        ]


def _no_head(biggest: int) -> _Behind:
    """A head without samples: nothing but room for those of the blocks."""
    values, none = np.empty(biggest), np.zeros(0, np.int64)

    def read_behind(_number: int, rooms: Longs) -> Tile:
        offsets = np.zeros(len(rooms) + 1, np.int64)
        np.cumsum(rooms, out=offsets[1:])
        return Tile(offsets, np.zeros(len(rooms), np.int64), none, values, markers=False)

    return read_behind


def _nothing(_number: int) -> Tile | None:
    return None


def _are_numbers(scales: Longs) -> bool:
    """Whether rows of these scales are doubles, or integers with a scale that is known."""
    known = (scales == FLOATS) | (scales >= SHIFTED) | ((scales >= 0) & (scales < len(POWERS)))
    return bool(known.all())


class _Where(NamedTuple):
    """Pieces of a tile, in what order pages are gone through, and where their values go."""

    order: Longs
    from_at: Longs
    counts: Longs
    scales: Longs
    to_at: Longs
    bits: Longs


class _Reader:
    """Puts tiles together, each in the memory of the one before."""

    def __init__(
        self,
        rows: BlockRows,
        edges: Longs,
        biggest: int,
        read_behind: _Behind,
        *,
        backwards: bool,
    ) -> None:
        self._rows, self._edges, self._read_behind = rows, edges, read_behind
        self._backwards = backwards
        self._t_ms = np.empty(biggest, np.int64)
        self._items = np.empty(0, np.int64)  # of one page

    def read(self, number: int) -> Tile | None:
        """The tile of this number; None if it is not a usual one."""
        rows, first, last = self._rows, int(self._edges[number]), int(self._edges[number + 1])
        begins = rows.pieces_at[first : last + 1]
        low, high = int(begins[0]), int(begins[-1])
        head = self._read_behind(number, np.diff(rows.before[begins]))
        if head is None:
            return None
        times_at = np.empty(last - first, np.int64)
        times = k.join_neighbours(
            begins - low, rows.pieces.t_at[low:high], rows.pieces.samples[low:high], rows.times,
            head.offsets, head.times_at, head.t_ms, times_at, self._t_ms,
        )  # fmt: skip
        to_at = rows.before[low:high] + np.repeat(
            head.offsets[:-1] - rows.before[begins[:-1]], np.diff(begins)
        )
        if times < 0 or not self._fill(low, high, to_at, head.values.view(np.int64)):
            return None
        markers = head.markers or bool((rows.scales[low:high] < 0).any())
        return Tile(head.offsets, times_at, self._t_ms[:times], head.values, markers)

    def _fill(self, low: int, high: int, to_at: Longs, bits: Longs) -> bool:
        """Values of the blocks' pieces to their places; False if a page is damaged."""
        page = self._rows.page[low:high]
        order = np.argsort(page, kind="stable")
        numbers, begins = np.unique(page[order], return_index=True)
        edges = np.append(begins, len(order)).astype(np.int64)
        where = _Where(
            order, self._rows.from_at[low:high], self._rows.pieces.samples[low:high],
            self._rows.scales[low:high], to_at, bits,
        )  # fmt: skip
        put = self._put_shared if self._rows.scattered else self._put_own
        parts = [slice(at, at + _PAGES_AT_ONCE) for at in range(0, len(numbers), _PAGES_AT_ONCE)]
        # Two readers at the same pages begin at both ends, and meet.
        way = -1 if self._backwards else 1
        try:
            return all(
                put(numbers[part].tolist(), edges[part.start : part.stop + 1], where)
                for part in parts[::way]
            )
        except StorageError:
            return False

    def _put_own(self, numbers: list[int], begins: Longs, where: _Where) -> bool:
        """Values from pages that are, but for a few, in no other tile."""
        pages = decompressed(self._rows.packed(numbers))
        most = int(pages.most.max())
        if len(self._items) < most:
            self._items = np.empty(most, np.int64)
        return bool(k.place_packed(*pages[:4], self._items, begins, *where) < 0)

    def _put_shared(self, numbers: list[int], begins: Longs, where: _Where) -> bool:
        """Values from pages that other tiles have rows in too."""
        way = -1 if self._backwards else 1
        found = self._rows.unpacked(numbers[::way])
        pages = [found[number] for number in numbers]
        addresses = np.array([each.address for each in pages], np.uint64)
        sizes = np.array([each.size for each in pages], np.int64)
        return bool(k.place_pages(addresses, sizes, begins, *where) < 0)
