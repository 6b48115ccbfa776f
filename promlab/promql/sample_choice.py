"""Some of the samples: those that are no staleness markers, or those that somebody chose."""

from __future__ import annotations

import numpy as np

from promlab.model.samples import SeriesBatch, Times, is_stale
from promlab.model.tiles import Tile
from promlab.promql.vector import Mask, Rows


def without_stale(batch: SeriesBatch) -> SeriesBatch:
    """The batch without its staleness markers; the very same one if it has none."""
    stale = _count_stale(batch)
    if stale is None:
        return batch
    if batch.histograms is not None or batch.start_ms is not None:
        return chosen_samples(batch, ~is_stale(batch.values))
    columns = Tile(batch.offsets, batch.times_at, batch.t_ms, batch.values)
    fresh = _drop_stale(columns, stale)
    return SeriesBatch(batch.labels, fresh.offsets, fresh.times_at, fresh.t_ms, fresh.values)


def has_stale(batch: SeriesBatch) -> bool:
    """Whether there is any staleness marker."""
    return _count_stale(batch) is not None


def fresh_tile(tile: Tile) -> Tile:
    """The tile without its staleness markers; the very same one if it has none."""
    stale = _count_stale(tile)
    return tile if stale is None else _drop_stale(_with_own_times(tile), stale)


def _with_own_times(tile: Tile) -> Tile:
    """The tile with no more times than it needs: those of all tiles may be many."""
    order = np.argsort(tile.times_at, kind="stable")
    at, first = np.unique(tile.times_at[order], return_index=True)
    longest = np.maximum.reduceat(np.diff(tile.offsets)[order], first)
    spans = zip(at.tolist(), longest.tolist(), strict=True)
    t_ms = np.concatenate([tile.t_ms[begin : begin + count] for begin, count in spans])
    moved = (np.cumsum(longest) - longest)[np.searchsorted(at, tile.times_at)]
    return tile._replace(times_at=moved.astype(np.int64), t_ms=t_ms)


def _count_stale(columns: Tile | SeriesBatch) -> Rows | None:
    """Number of staleness markers of each series; None if there are none."""
    if not columns.markers:
        return None
    from promlab.promql.window_kernels import count_stale

    stale = np.empty(len(columns.times_at), np.int64)
    return stale if count_stale(columns.offsets, columns.values, stale) else None


def _drop_stale(columns: Tile, stale: Rows) -> Tile:
    from promlab.promql import window_kernels as kernels

    counts = np.diff(columns.offsets) - stale
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    values = np.empty(int(offsets[-1]))
    times_at = np.empty(columns.n, np.int64)
    extra: Times = np.empty(int(counts[stale > 0].sum()), np.int64)
    kernels.drop_stale(*columns[:4], offsets, values, times_at, extra)
    return Tile(offsets, times_at, np.concatenate([columns.t_ms, extra]), values)


def chosen_samples(batch: SeriesBatch, kept: Mask) -> SeriesBatch:
    """Some of the samples of each series, with all that belongs to them."""
    offsets, rows = batch.offsets, np.flatnonzero(kept)
    times_at = np.concatenate([[0], np.cumsum(kept)])[offsets].astype(np.int64)
    shift = np.repeat(batch.times_at - offsets[:-1], np.diff(offsets))
    times = batch.t_ms[(shift + np.arange(len(shift)))[rows]]
    return SeriesBatch(
        batch.labels,
        times_at,
        times_at[:-1].copy(),
        times,
        batch.values[rows],
        None if batch.histograms is None else batch.histograms.take(rows),
        None if batch.start_ms is None else batch.start_ms[rows],
    )


def series_taken(batch: SeriesBatch, rows: Rows) -> SeriesBatch:
    """Some of the series, in this order."""
    counts = np.diff(batch.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    at = np.repeat(batch.offsets[rows] - offsets[:-1], counts) + np.arange(int(offsets[-1]))
    return SeriesBatch(
        batch.labels.take(rows),
        offsets,
        batch.times_at[rows],
        batch.t_ms,
        batch.values[at],
        None if batch.histograms is None else batch.histograms.take(at),
        None if batch.start_ms is None else batch.start_ms[at],
    )
