"""Series a few at a time: for queries that look at every sample once and keep none.

A selection of many series is cut into tiles, runs of neighbouring series. Each tile is read
into memory that the processor has at hand, and that the next one takes over. Only samples
that are plain numbers come this way: whoever meets histograms is told to take them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch, Times, Values
from promlab.model.storage import NO_HINTS, SelectHints

Longs = npt.NDArray[np.int64]


class Tile(NamedTuple):
    """Samples of n neighbouring series, in the columns of a `SeriesBatch`.

    Some may have none. Without `markers` there is no staleness marker among them for sure.
    Valid until its reader reads the next tile.
    """

    offsets: Longs  # i64[n + 1]
    times_at: Longs  # i64[n]
    t_ms: Times
    values: Values
    markers: bool = True

    @property
    def n(self) -> int:
        """Number of series."""
        return len(self.times_at)

    @property
    def sample_count(self) -> int:
        """Number of samples."""
        return int(self.offsets[-1] - self.offsets[0])


# Reads a tile by its number; None: it holds more than plain numbers, take the series whole.
TileReader = Callable[[int], Tile | None]


class TiledSeries(Protocol):
    """All series that pass some matchers, none of their samples read yet."""

    @property
    def labels(self) -> LabelTable:
        """Labels of the series: the same table for the same selection, where that is possible."""

    @property
    def most_at(self) -> Longs:
        """The most samples that there can be of all series before each one. i64[n + 1]."""

    def open(self, edges: Longs, readers: int) -> list[TileReader]:
        """Readers of the tiles [edges[k], edges[k + 1]), one for each thread."""

    def whole(self) -> SeriesBatch:
        """All samples at once. Raises TooManySamples, StorageError."""


@runtime_checkable
class TiledQuerier(Protocol):
    """A `Querier` that reads series a few at a time."""

    def tiles(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> TiledSeries:
        """What `Querier.select` gives, to be read later. Raises StorageError."""


class BatchTiles:
    """Tiles of a batch that is there already."""

    def __init__(self, batch: SeriesBatch) -> None:
        self._batch = batch

    @property
    def labels(self) -> LabelTable:
        """See `TiledSeries`."""
        return self._batch.labels

    @property
    def most_at(self) -> Longs:
        """See `TiledSeries`."""
        return self._batch.offsets

    def open(self, edges: Longs, readers: int) -> list[TileReader]:
        """See `TiledSeries`."""
        batch = self._batch

        def read(number: int) -> Tile | None:
            if batch.histograms is not None:
                return None
            first, last = int(edges[number]), int(edges[number + 1])
            offsets = batch.offsets[first : last + 1]
            return Tile(offsets, batch.times_at[first:last], batch.t_ms, batch.values)

        return [read] * readers

    def whole(self) -> SeriesBatch:
        """See `TiledSeries`."""
        return self._batch


def tile_edges(most_at: Longs, cells: int, count: int) -> Longs:
    """Edges of so many tiles of equal work: their samples, and `cells` more a series.

    A tile has one series at least, so there may be fewer.
    """
    work = most_at + cells * np.arange(len(most_at))
    equal = work[-1] * np.arange(1, count) / count
    inner = np.searchsorted((work[:-1] + work[1:]) / 2, equal)  # the nearest edge to each
    return np.unique(np.concatenate([[0], inner, [len(most_at) - 1]])).astype(np.int64)
