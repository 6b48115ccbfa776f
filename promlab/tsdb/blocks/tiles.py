"""`BlockTiles`: series of blocks and head together, a few at a time or all at once.

Which rows of the blocks are wanted is known, none of their pages has been read. Tiles are for
what is usual: numbers, no two samples of a series at one time. Anything else, a page that
turns out to be damaged included, is left to the way that reads all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.model.tiles import BatchTiles, Tile, TileReader
from promlab.tsdb.blocks import block_kernels
from promlab.tsdb.blocks.block import DamagedBlock, blaming
from promlab.tsdb.blocks.layout import HISTOGRAM_ROW
from promlab.tsdb.blocks.merge import (
    Gathering,
    HeadPart,
    Pieces,
    decode_rows,
    head_pieces,
    in_order,
    join,
    meets_twice,
)
from promlab.tsdb.head_tiles import HeadTiles

Longs = npt.NDArray[np.int64]


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
        most += np.diff(self._head_most)
        return np.concatenate([[0], np.cumsum(most)]).astype(np.int64)

    @cached_property
    def _head_most(self) -> Longs:
        """The most samples in the head of all series before each one."""
        most = np.zeros(self._labels.n + 1, np.int64)
        if self._head is not None:
            most[1 + self._head_rows] = np.diff(self._head.most_at)
        return np.cumsum(most)

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
        times = self._gathering.times()
        heads: list[TileReader] = [_nothing] * readers
        if isinstance(self._head, HeadTiles):
            rows = np.full(self._labels.n, -1, np.int64)
            rows[self._head_rows] = np.arange(len(self._head_rows))
            heads = self._head.open_in_order(rows, self._head_most, edges, readers, times)
        elif self._head is not None and self._head.labels.n:
            return [_nothing] * readers
        pieces, _ = in_order(self._gathering.pieces(), times)
        biggest = int(np.diff(self.most_at[edges]).max(initial=0))
        joined = _Joined(
            self._gathering, pieces, times, edges, np.searchsorted(pieces.series, edges)
        )
        has_head = isinstance(self._head, HeadTiles)
        return [_Reader(joined, head if has_head else None, biggest).read for head in heads]


def _nothing(_number: int) -> Tile | None:
    return None


class _Joined:
    """What all readers share."""

    def __init__(
        self, gathering: Gathering, pieces: Pieces, times: Longs, edges: Longs, pieces_at: Longs
    ) -> None:
        self.sources, self.pieces, self.times = gathering.sources, pieces, times
        self.edges, self.pieces_at = edges, pieces_at


class _Reader:
    """Puts tiles together, each in the memory of the one before."""

    def __init__(self, joined: _Joined, head: TileReader | None, biggest: int) -> None:
        self._joined, self._head = joined, head
        self._bits = np.empty(biggest, np.int64)

    def read(self, number: int) -> Tile | None:
        """The tile of this number; None if it is not a usual one."""
        joined = self._joined
        first, last = int(joined.edges[number]), int(joined.edges[number + 1])
        low, high = joined.pieces_at[number : number + 2].tolist()
        pieces, times = joined.pieces.take(slice(low, high)), joined.times
        begins = times[pieces.t_at]
        head = None
        if self._head is not None:
            head = self._head(number)
            if head is None:
                return None
            times = head.t_ms
            to = np.arange(first, last)
            own = head_pieces(to, len(joined.sources), head.offsets, head.times_at)
            both = zip(pieces, own.take(own.samples > 0), strict=True)
            pieces, begins = in_order(Pieces(*(np.concatenate(columns) for columns in both)), times)
        if meets_twice(pieces, begins, times).any():
            return None
        to_at = np.cumsum(pieces.samples) - pieces.samples
        try:
            if not self._decode(pieces, to_at, head):
                return None
        except DamagedBlock:
            return None
        return self._tile(pieces, to_at, times, first, last)

    def _decode(self, pieces: Pieces, to_at: Longs, head: Tile | None) -> bool:
        """Values of all pieces; False if there are histograms among them."""
        for number in np.unique(pieces.source).tolist():
            mine = np.flatnonzero(pieces.source == number)
            part, at = pieces.take(mine), to_at[mine]
            if number == len(self._joined.sources):
                assert head is not None
                bits = head.values.view(np.int64)
                block_kernels.copy_pieces(bits, part.low, part.samples, at, self._bits)
                continue
            source = self._joined.sources[number]
            assert source.block is not None
            assert source.rows is not None
            if (source.rows.scale[part.row] == HISTOGRAM_ROW).any():
                return False
            with blaming(source.block):
                decode_rows(source.block, source.rows, part, at, self._bits, None)
        return True

    def _tile(self, pieces: Pieces, to_at: Longs, times: Longs, first: int, last: int) -> Tile:
        total = int(pieces.samples.sum())
        pieces_at = np.searchsorted(pieces.series, np.arange(first, last + 1))
        offsets = np.append(to_at, total)[pieces_at]
        there = np.flatnonzero(pieces_at[1:] > pieces_at[:-1])
        ends = np.append(pieces_at[there], len(pieces.series))
        times_at = np.zeros(last - first, np.int64)
        times_at[there], t_ms = join(pieces, ends, times)
        return Tile(offsets, times_at, t_ms, self._bits.view(np.float64))
