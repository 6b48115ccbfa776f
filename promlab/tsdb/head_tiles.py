"""`HeadTiles`: located series of the head, to be decoded a few at a time or all at once.

Where the samples are has been found, and what was not sealed has been copied: chunk files do
not change, so it does not matter when the rest is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.model.tiles import Tile, TileReader
from promlab.tsdb import select_kernels as k
from promlab.tsdb.decoded import Decoded
from promlab.tsdb.decoding import Layout, Located, decode, lay_out, most_rows
from promlab.tsdb.histogram_files import HistogramFiles
from promlab.tsdb.selections import Selection

Longs = npt.NDArray[np.int64]


class HeadTiles:
    """Located series of the head. Implements `promlab.model.tiles.TiledSeries`."""

    def __init__(
        self,
        selection: Selection,
        located: Located,
        end_ms: int,
        files: HistogramFiles,
        max_samples: int,
        finish: Callable[[Decoded], Decoded],
    ) -> None:
        """`finish` adds to a whole batch what tiles do without."""
        self._selection, self._located, self._end_ms = selection, located, end_ms
        self._files, self._max_samples, self._finish = files, max_samples, finish

    @property
    def labels(self) -> LabelTable:
        """Labels of all series of the selection, whether they have samples here or not."""
        assert self._selection.labels is not None
        return self._selection.labels

    @property
    def series(self) -> Longs:
        """Their numbers."""
        return self._selection.series

    @cached_property
    def most_at(self) -> Longs:
        """See `TiledSeries`."""
        plan = self._located.plan
        before = np.zeros(len(plan.slots) + 1, np.int64)
        np.cumsum(self._rows[plan.sources], out=before[1:])
        return before[plan.places_at]

    @cached_property
    def _rows(self) -> Longs:
        return most_rows(self._located)

    def whole(self) -> SeriesBatch:
        """See `TiledSeries`."""
        return self.decoded().batch

    def decoded(self) -> Decoded:
        """All samples at once, and which of the series have any."""
        located, files = self._located, self._files
        return self._finish(
            decode(self._selection, located, self._end_ms, files, self._max_samples)
        )

    def open(self, edges: Longs, readers: int) -> list[TileReader]:
        """See `TiledSeries`."""
        found = self.open_in_order(np.arange(self.labels.n), self.most_at, edges, readers)
        return [reader.read for reader in found]

    def open_in_order(
        self, rows: Longs, most_at: Longs, edges: Longs, readers: int
    ) -> list[HeadReader]:
        """The same of series `rows` of the selection (-1: none, an empty series).

        `most_at` goes with `rows`, and counts what else is to be in the tiles.
        """
        biggest = int(np.diff(most_at[edges]).max(initial=0))
        layout = lay_out(self._located, self._end_ms, self._rows.copy(), biggest * readers)
        places = _Places(self._located, rows)
        first_free = layout.used
        return [
            HeadReader(self._located, layout, places, edges, biggest, first_free + i * biggest)
            for i in range(readers)
        ]


class _Places:
    """Places of series in an order of their own."""

    def __init__(self, located: Located, rows: Longs) -> None:
        plan, tails = located.plan, located.tails
        counts = np.diff(plan.places_at)
        counts = np.where(rows >= 0, counts[rows] if len(counts) else 0, 0)
        self.places_at = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        begin = plan.places_at[np.maximum(rows, 0)] - self.places_at[:-1]
        at = np.repeat(begin, counts) + np.arange(int(self.places_at[-1]))
        self.sources, self.slots = plan.sources[at], plan.slots[at]
        self.tails_at = tails.values_at[at]


class HeadReader:
    """Decodes tiles, each into the memory of the one before."""

    def __init__(
        self,
        located: Located,
        layout: Layout,
        places: _Places,
        edges: Longs,
        biggest: int,
        free_at: int,
    ) -> None:
        self._located, self._layout, self._places = located, layout, places
        self._edges, self._free_at = edges, free_at
        rows = int(np.diff(edges).max(initial=0))
        self._values = np.empty(biggest, np.int64)
        self._offsets, self._times_at = np.empty(rows + 1, np.int64), np.empty(rows, np.int64)
        self._scratch = np.empty(layout.longest, np.int64)
        self._no_rooms = np.zeros(rows, np.int64)

    def read(self, number: int) -> Tile | None:
        """The tile of this number; None if there are histograms in it."""
        return self.read_behind(number, self._no_rooms)

    def read_behind(self, number: int, rooms: Longs) -> Tile | None:
        """The same, with room for so many older values in front of those of each series.

        They count as the series' values; their times are left to the caller.
        """
        first, last = int(self._edges[number]), int(self._edges[number + 1])
        n = last - first
        layout, places = self._layout, self._places
        plan, tails, pieces, view = self._located
        offsets, times_at = self._offsets[: n + 1], self._times_at[:n]
        times_at[:] = 0
        end, t_end, histograms, specials = k.decode_series(
            0, n, view.datas, layout.pieces, pieces.at, plan.loose, layout.times_at,
            tails.counts, places.tails_at, tails.bits, places.places_at[first : last + 1],
            places.sources, places.slots, layout.t_ms, self._values, 0, self._free_at, offsets,
            times_at, self._scratch, rooms,
        )  # fmt: skip
        if end < 0:
            raise StorageError("a chunk is damaged: its values can't be read")
        offsets[n] = end
        if histograms:
            return None
        values = self._values.view(np.float64)
        return Tile(offsets, times_at, layout.t_ms[:t_end], values, specials > 0)
