"""Selectors: from storage's samples to values at steps, or to the windows of functions.

An instant selector takes the newest sample in (t - lookback, t]; one that is a staleness
marker means the series has ended. A range selector sees (t - range, t] without markers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np

from promlab.model.histograms import HistogramColumn
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch, Times, Values, is_stale
from promlab.model.storage import SelectHints
from promlab.model.tiles import BatchTiles, Tile, TiledQuerier, TiledSeries
from promlab.promql.ast import At, AtBound, Duration, MatrixSelector, VectorSelector
from promlab.promql.context import QueryContext
from promlab.promql.durations import duration_ms
from promlab.promql.step_counts import Stored
from promlab.promql.steps import Steps
from promlab.promql.vector import Mask, Rows, Vector

WindowKernel = Callable[..., None]
NO_PARAMS = np.zeros((0, 0))


class Window(NamedTuple):
    """What a range function sees: samples without staleness markers, and where its windows end.

    `ends` are the right edges, at the selector's offset or fixed moment; `unnamed` marks
    series whose name is to be dropped (see `Vector`). The samples of `anchored` and `smoothed`
    windows reach beyond their edges by `lookback_ms`.
    """

    batch: SeriesBatch
    ends: Steps
    range_ms: int
    unnamed: Mask | None = None
    anchored: bool = False
    smoothed: bool = False
    lookback_ms: int = 0

    @property
    def plain(self) -> bool:
        """Whether there are only floats, in windows that end at their edges."""
        return not (self.anchored or self.smoothed) and self.batch.histograms is None


def select_instant(
    ctx: QueryContext, node: VectorSelector, steps: Steps, *, timestamps: bool = False
) -> Vector:
    """Values of an instant selector, or the times of its samples in seconds."""
    from promlab.promql import window_kernels as kernels

    ends = steps.moved(offset_ms(ctx, node.offset), at_ms(ctx, node.at))
    newest = ends.count == 1 and not node.smoothed
    batch = select(ctx, node, ends, newest=newest)
    if node.smoothed:
        from promlab.promql.smoothed_selector import smoothed_vector

        found = smoothed_vector(ctx, node, without_stale(batch), ends, timestamps=timestamps)
        return _counted(ctx, found)
    window = Window(batch, ends, ctx.lookback_ms)
    mode = kernels.LAST_TIME if timestamps else kernels.LAST
    values, present = run(ctx, kernels.edges, window, mode)
    vector = Vector(batch.labels, values, present)
    if batch.histograms is None or timestamps:
        return _counted(ctx, vector)
    from promlab.promql.sample_windows import SampleClock, pick

    # The newest sample of each window, as the kernel found it.
    at = SampleClock(batch).windows(ends, ctx.lookback_ms).end - 1
    index = np.where(present, pick(batch.histograms.index, at), -1)
    column = HistogramColumn(batch.histograms.table, index)
    return _counted(ctx, vector.with_histograms(column))


def _counted(ctx: QueryContext, vector: Vector) -> Vector:
    if ctx.counts is not None:
        ctx.counts.add_values(vector.present, vector.histograms)
    return vector


def select_window(ctx: QueryContext, node: MatrixSelector, steps: Steps) -> Window:
    """Samples of a range selector."""
    return RangeSelection.of(ctx, node, steps).window()


class RangeSelection(NamedTuple):
    """Series of a range selector whose samples are still to be read; see `Window`."""

    ctx: QueryContext
    series: TiledSeries
    ends: Steps
    range_ms: int
    anchored: bool
    smoothed: bool

    @staticmethod
    def of(ctx: QueryContext, node: MatrixSelector, steps: Steps) -> RangeSelection:
        """Look up the series of a selector. Raises QueryError, StorageError."""
        selector = node.selector
        ends = steps.moved(offset_ms(ctx, selector.offset), at_ms(ctx, selector.at))
        range_ms = length_ms(ctx, node.range)
        back_ms = range_ms + (ctx.lookback_ms if selector.anchored or selector.smoothed else 0)
        series = tiles(ctx, selector, ends, back_ms, range_ms=back_ms)
        return RangeSelection(ctx, series, ends, range_ms, selector.anchored, selector.smoothed)

    def window(self) -> Window:
        """All samples at once."""
        batch = without_stale(accounted(self.ctx, self.series.whole()))
        if self.ctx.counts is not None:
            self.ctx.counts.add_windows(Stored.of(batch), self.ends, self.range_ms)
        kind = (self.anchored, self.smoothed, self.ctx.lookback_ms)
        return Window(batch, self.ends, self.range_ms, None, *kind)


def select(
    ctx: QueryContext, node: VectorSelector, ends: Steps, *, newest: bool = False
) -> SeriesBatch:
    """Samples of an instant selector."""
    return accounted(ctx, tiles(ctx, node, ends, ctx.lookback_ms, newest=newest).whole())


def tiles(
    ctx: QueryContext,
    node: VectorSelector,
    ends: Steps,
    back_ms: int,
    *,
    range_ms: int = 0,
    newest: bool = False,
) -> TiledSeries:
    """All series that match, from the first step's window to the last step.

    A smoothed selector also gets what follows within the lookback delta. See `SelectHints` for
    `range_ms` and `newest`.
    """
    ctx.check()
    hints = SelectHints(ctx.step_ms, range_ms, "", ctx.max_samples, newest)
    first = ends.start_ms - back_ms + 1
    last = ends.end_ms + (ctx.lookback_ms if node.smoothed else 0)
    querier = ctx.querier
    if _is_tiled(type(querier)):
        return cast(TiledQuerier, querier).tiles(node.matchers, first, last, hints)
    return BatchTiles(querier.select(node.matchers, first, last, hints))


@lru_cache(maxsize=64)
def _is_tiled(querier: type) -> bool:
    return issubclass(querier, TiledQuerier)


def accounted(ctx: QueryContext, batch: SeriesBatch) -> SeriesBatch:
    """Samples that were read, counted. Raises TooManySamples."""
    ctx.read(batch.sample_count)
    if batch.histograms is not None:
        ctx.read(batch.histograms.table.bucket_count)
        if ctx.statistics:
            from promlab.promql.histogram_windows import with_found_resets

            return with_found_resets(batch)
    return batch


def select_range(
    ctx: QueryContext, matchers: tuple[Matcher, ...], ends: Steps, back_ms: int
) -> SeriesBatch:
    """Samples of series that no selector of the query names."""
    hints = SelectHints(step_ms=ctx.step_ms, max_samples=ctx.max_samples)
    batch = ctx.querier.select(matchers, ends.start_ms - back_ms + 1, ends.end_ms, hints)
    ctx.read(batch.sample_count)
    return batch


def run(
    ctx: QueryContext,
    kernel: WindowKernel,
    window: Window,
    mode: int,
    params: Values = NO_PARAMS,
) -> tuple[Values, Mask]:
    """Run a window kernel over all series: values and presence, [n, steps]."""
    batch, ends = window.batch, window.ends
    n, count = batch.n, ends.count
    ctx.hold(n * count)
    out = np.empty((n, count))
    present = np.empty((n, count), np.bool_)
    order = work_order(batch.times_at)

    def part(a: int, b: int) -> None:
        kernel(
            order, a, b, batch.offsets, batch.times_at, batch.t_ms, batch.values,
            ends.start_ms, ends.step_ms, window.range_ms, mode, params, out, present,
        )  # fmt: skip

    ctx.split(batch.sample_count + out.size, n, part)
    return out, present


def work_order(times_at: Rows) -> Rows:
    """Rows so ordered that those of equal times follow each other."""
    if len(times_at) < 2 or not np.count_nonzero(times_at[1:] < times_at[:-1]):
        return np.arange(len(times_at))
    return np.argsort(times_at, kind="stable")


def without_stale(batch: SeriesBatch) -> SeriesBatch:
    """The batch without its staleness markers; the very same one if it has none."""
    columns = Tile(batch.offsets, batch.times_at, batch.t_ms, batch.values)
    stale = _count_stale(columns)
    if stale is None:
        return batch
    if batch.histograms is not None or batch.start_ms is not None:
        return chosen_samples(batch, ~is_stale(batch.values))
    fresh = _drop_stale(columns, stale)
    return SeriesBatch(batch.labels, fresh.offsets, fresh.times_at, fresh.t_ms, fresh.values)


def fresh_tile(tile: Tile) -> Tile:
    """The tile without its staleness markers; the very same one if it has none."""
    stale = _count_stale(tile) if tile.markers else None
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


def _count_stale(columns: Tile) -> Rows | None:
    """Number of staleness markers of each series; None if there are none."""
    from promlab.promql import window_kernels as kernels

    stale = np.empty(columns.n, np.int64)
    return stale if kernels.count_stale(columns.offsets, columns.values, stale) else None


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


def offset_ms(ctx: QueryContext, offset: Duration) -> int:
    """How far a selector looks back from each step."""
    return _duration_ms(ctx, offset, positive=False)


def length_ms(ctx: QueryContext, duration: Duration) -> int:
    """Length of a range, or a subquery's step."""
    return _duration_ms(ctx, duration, positive=True)


def at_ms(ctx: QueryContext, at: At) -> int | None:
    """The moment a selector is fixed at, if it is."""
    if isinstance(at, AtBound):
        return ctx.steps.start_ms if at is AtBound.START else ctx.steps.end_ms
    return at


def _duration_ms(ctx: QueryContext, duration: Any, *, positive: bool) -> int:
    if isinstance(duration, int):
        return duration
    return duration_ms(
        duration,
        step_ms=ctx.step_ms,
        range_ms=ctx.range_ms,
        positive=positive,
        query=ctx.plan.text,
    )
