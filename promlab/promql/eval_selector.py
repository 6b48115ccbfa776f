"""Selectors: from storage's samples to values at steps, or to the windows of functions.

An instant selector takes the newest sample in (t - lookback, t]; one that is a staleness
marker means the series has ended. A range selector sees (t - range, t] without markers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from promlab.model.histograms import HistogramColumn
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch, Values, is_stale
from promlab.model.storage import SelectHints
from promlab.model.tiles import BatchTiles, TiledQuerier, TiledSeries
from promlab.promql.ast import (
    At,
    AtBound,
    Duration,
    DurationExpr,
    MatrixSelector,
    Subquery,
    VectorSelector,
)
from promlab.promql.context import QueryContext
from promlab.promql.durations import duration_ms
from promlab.promql.sample_choice import has_stale, without_stale
from promlab.promql.step_counts import Stored
from promlab.promql.steps import Steps
from promlab.promql.vector import Mask, Rows, Vector

WindowKernel = Callable[..., None]
NO_PARAMS = np.zeros((0, 0))
_ONLY = np.zeros(1, np.int64)
_ONES = np.ones((1024, 1), np.bool_)  # every series is there; vectors are never written to


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
    ends = seen_from(ctx, node, steps)
    newest = ends.count == 1 and not node.smoothed
    batch = select(ctx, node, ends, ctx.lookback_ms, newest=newest)
    if node.smoothed:
        from promlab.promql.smoothed_selector import smoothed_vector

        vector = smoothed_vector(ctx, node, without_stale(batch), ends, timestamps=timestamps)
    elif newest and len(batch.values) == batch.n:
        vector = _sole_values(ctx, batch, timestamps=timestamps)
    else:
        vector = _newest_values(ctx, batch, ends, timestamps=timestamps)
    if ctx.counts is not None:
        ctx.counts.add_values(vector.present, vector.histograms)
    return vector


def _newest_values(
    ctx: QueryContext, batch: SeriesBatch, ends: Steps, *, timestamps: bool
) -> Vector:
    """The newest sample of each series in the window that ends at each step."""
    from promlab.promql import window_kernels as kernels

    window = Window(batch, ends, ctx.lookback_ms)
    mode = kernels.LAST_TIME if timestamps else kernels.LAST
    values, present = run(ctx, kernels.edges, window, mode)
    vector = Vector(batch.labels, values, present)
    if batch.histograms is None or timestamps:
        return vector
    from promlab.promql.sample_windows import SampleClock, pick

    # The newest sample of each window, as the kernel found it.
    at = SampleClock(batch).windows(ends, ctx.lookback_ms).end - 1
    index = np.where(present, pick(batch.histograms.index, at), -1)
    return vector.with_histograms(HistogramColumn(batch.histograms.table, index))


def _sole_values(ctx: QueryContext, batch: SeriesBatch, *, timestamps: bool) -> Vector:
    """The same at one step, where storage gave just the newest sample of each series."""
    ctx.check()
    n = batch.n
    ctx.hold(n)
    present = _ONES[:n] if n <= len(_ONES) else np.ones((n, 1), np.bool_)
    values = batch.t_ms[batch.times_at] / 1000.0 if timestamps else batch.values
    if batch.markers and has_stale(batch):
        stale = is_stale(batch.values)
        present, values = ~stale[:, None], np.where(stale, 0.0, values)
    vector = Vector(batch.labels, values[:, None], present)
    if batch.histograms is None or timestamps:
        return vector
    index = np.where(present, batch.histograms.index[:, None], -1)
    return vector.with_histograms(HistogramColumn(batch.histograms.table, index))


def select_window(ctx: QueryContext, node: MatrixSelector, steps: Steps) -> Window:
    """Samples of a range selector."""
    selector, range_ms = node.selector, length_ms(ctx, node.range)
    ends, back_ms = seen_from(ctx, selector, steps), _reach_ms(ctx, selector, range_ms)
    batch = select(ctx, selector, ends, back_ms, range_ms=back_ms)
    return _window(ctx, batch, ends, range_ms, selector)


def _reach_ms(ctx: QueryContext, selector: VectorSelector, range_ms: int) -> int:
    """How far back of each step samples are needed."""
    return range_ms + (ctx.lookback_ms if selector.anchored or selector.smoothed else 0)


def _window(
    ctx: QueryContext, batch: SeriesBatch, ends: Steps, range_ms: int, selector: VectorSelector
) -> Window:
    batch = without_stale(batch)
    if ctx.counts is not None:
        ctx.counts.add_windows(Stored.of(batch), ends, range_ms)
    kind = selector.anchored, selector.smoothed, ctx.lookback_ms
    return Window(batch, ends, range_ms, None, *kind)


class RangeSelection(NamedTuple):
    """Series of a range selector whose samples are still to be read; see `Window`."""

    ctx: QueryContext
    series: TiledSeries
    ends: Steps
    range_ms: int
    selector: VectorSelector

    @staticmethod
    def of(ctx: QueryContext, node: MatrixSelector, steps: Steps) -> RangeSelection:
        """Look up the series of a selector. Raises QueryError, StorageError."""
        selector, range_ms = node.selector, length_ms(ctx, node.range)
        ends, back_ms = seen_from(ctx, selector, steps), _reach_ms(ctx, selector, range_ms)
        series = tiles(ctx, selector, ends, back_ms, range_ms=back_ms)
        return RangeSelection(ctx, series, ends, range_ms, selector)

    def window(self) -> Window:
        """All samples at once."""
        batch = accounted(self.ctx, self.series.whole())
        return _window(self.ctx, batch, self.ends, self.range_ms, self.selector)


def select(
    ctx: QueryContext,
    node: VectorSelector,
    ends: Steps,
    back_ms: int,
    *,
    range_ms: int = 0,
    newest: bool = False,
) -> SeriesBatch:
    """Samples of all series that match, from the first step's window to the last step.

    A smoothed selector also gets what follows within the lookback delta. See `SelectHints` for
    `range_ms` and `newest`.
    """
    asked = _asked(ctx, node, ends, back_ms, range_ms, newest=newest)
    return accounted(ctx, ctx.querier.select(*asked))


def tiles(
    ctx: QueryContext, node: VectorSelector, ends: Steps, back_ms: int, *, range_ms: int
) -> TiledSeries:
    """The same series, to be read a few at a time."""
    asked = _asked(ctx, node, ends, back_ms, range_ms)
    if _is_tiled(type(ctx.querier)):
        querier: Any = ctx.querier  # a TiledQuerier, which is dear to ask of each object
        found: TiledSeries = querier.tiles(*asked)
        return found
    return BatchTiles(ctx.querier.select(*asked))


def _asked(
    ctx: QueryContext,
    node: VectorSelector,
    ends: Steps,
    back_ms: int,
    range_ms: int,
    *,
    newest: bool = False,
) -> tuple[tuple[Matcher, ...], int, int, SelectHints]:
    """What storage is asked: matchers, first and last time, hints."""
    ctx.check()
    hints = SelectHints(ctx.step_ms, range_ms, "", ctx.max_samples, newest)
    last = ends.end_ms + (ctx.lookback_ms if node.smoothed else 0)
    return node.matchers, ends.start_ms - back_ms + 1, last, hints


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
    if len(times_at) == 1:
        return _ONLY
    if not np.count_nonzero(times_at[1:] < times_at[:-1]):
        return np.arange(len(times_at))
    return np.argsort(times_at, kind="stable")


def seen_from(ctx: QueryContext, node: VectorSelector | Subquery, steps: Steps) -> Steps:
    """Where a selector or a subquery looks from at each step: its offset, its fixed moment."""
    if not node.offset and node.at is None:
        return steps
    return steps.moved(_offset_ms(ctx, node.offset), _at_ms(ctx, node.at))


def _offset_ms(ctx: QueryContext, offset: Duration) -> int:
    return offset if isinstance(offset, int) else _computed_ms(ctx, offset, positive=False)


def length_ms(ctx: QueryContext, duration: Duration) -> int:
    """Length of a range, or a subquery's step."""
    return duration if isinstance(duration, int) else _computed_ms(ctx, duration, positive=True)


def _at_ms(ctx: QueryContext, at: At) -> int | None:
    if isinstance(at, AtBound):
        return ctx.steps.start_ms if at is AtBound.START else ctx.end_ms
    return at


def _computed_ms(ctx: QueryContext, duration: DurationExpr, *, positive: bool) -> int:
    return duration_ms(
        duration,
        step_ms=ctx.step_ms,
        range_ms=ctx.range_ms,
        positive=positive,
        query=ctx.plan.text,
    )
