"""Windows of series that hold native histograms, or histograms and floats.

A batch is taken apart into one of floats and one of histograms; what mixes both in one window
has no rate and no sum.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from promlab.model.histograms import (
    GAUGE,
    NOT_RESET,
    RESET,
    UNKNOWN,
    HistogramColumn,
    HistogramTable,
    Index,
)
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.samples import SeriesBatch
from promlab.promql import annotation_texts as texts
from promlab.promql.ast import Node
from promlab.promql.context import QueryContext
from promlab.promql.eval_selector import Window
from promlab.promql.native_histograms import Combined, detect_resets
from promlab.promql.sample_choice import chosen_samples
from promlab.promql.sample_windows import SampleClock, SampleWindows, within_series
from promlab.promql.vector import Mask, Vector


class Parts(NamedTuple):
    """The floats and the histograms of a window, and which steps have how many of them.

    `table` and `rows` (one a sample) are those of the histogram samples.
    """

    floats: Window
    histograms: Window
    table: HistogramTable
    rows: Index
    clock: SampleClock
    at: SampleWindows
    float_count: Index

    @property
    def mixed(self) -> Mask:
        """Where a window has both."""
        found: Mask = (self.float_count > 0) & (self.at.size > 0)
        return found


def parts(ctx: QueryContext, window: Window) -> Parts:
    """A window of a batch with histograms, taken apart."""
    batch = window.batch
    assert batch.histograms is not None
    ctx.hold(4 * batch.n * window.ends.count)
    is_histogram = batch.histograms.index >= 0
    floats = window._replace(batch=chosen_samples(batch, ~is_histogram)._replace(histograms=None))
    histograms = window._replace(batch=chosen_samples(batch, is_histogram))
    back_ms, ahead_ms = reach(window)
    clock = SampleClock(histograms.batch)
    at = clock.windows(window.ends, back_ms, ahead_ms)
    float_at = SampleClock(floats.batch).windows(window.ends, back_ms, ahead_ms)
    column = histograms.batch.histograms
    assert column is not None
    return Parts(floats, histograms, column.table, column.index, clock, at, float_at.size)


def reach(window: Window) -> tuple[int, int]:
    """How far a window's samples reach back and ahead of its right edge."""
    extended = window.lookback_ms if window.anchored or window.smoothed else 0
    return window.range_ms + extended, window.lookback_ms if window.smoothed else 0


def sample_resets(batch: SeriesBatch, table: HistogramTable, rows: Index) -> Mask:
    """Which histogram samples follow a reset of their series."""
    flags = np.zeros(len(rows), np.bool_)
    if len(rows) > 1:
        flags[1:] = detect_resets(table, rows[:-1], rows[1:])
    return within_series(batch, flags)


def with_found_resets(batch: SeriesBatch) -> SeriesBatch:
    """The batch with hints for all counters: whether each sample follows a reset."""
    column = batch.histograms
    assert column is not None
    samples = np.flatnonzero(column.index >= 0)
    only = chosen_samples(batch, column.index >= 0)
    rows = column.index[samples]
    hint = column.table.hint[rows].copy()
    unsure = replace(column.table, hint=np.where(column.table.hint == GAUGE, GAUGE, UNKNOWN))
    resets = sample_resets(only, unsure, rows)
    first = np.zeros(len(rows), np.bool_)
    starts = only.offsets[:-1]
    first[starts[starts < len(rows)]] = True
    found = np.where(resets, RESET, NOT_RESET).astype(np.int8)
    hint = np.where((hint == GAUGE) | first, hint, found).astype(np.int8)
    index = column.index.copy()
    index[samples] = np.arange(len(samples))
    made = HistogramColumn(column.table.take(rows).hinted(hint), index)
    return batch._replace(histograms=made)


def floats_of(ctx: QueryContext, window: Window, node: Node) -> Window:
    """The window without its histograms; says where both were in one window."""
    if window.batch.histograms is None:
        return window
    apart = parts(ctx, window)
    inform_of_ignored(ctx, window.batch.labels, apart.mixed, node)
    return apart.floats


def inform_of_ignored(ctx: QueryContext, labels: LabelTable, where: Mask, node: Node) -> None:
    """Say which metrics had histograms among the floats that a function takes."""
    for name in names_of(labels, where):
        ctx.annotations.inform(texts.for_metric(texts.IGNORED_IN_RANGE, name), node)


def warn_of(ctx: QueryContext, message: str, labels: LabelTable, where: Mask, node: Node) -> None:
    """A warning about each metric that has a step where `where` is set."""
    for name in names_of(labels, where):
        ctx.annotations.warn(texts.for_metric(message, name), node)


def names_of(labels: LabelTable, where: Mask) -> list[str]:
    """Names of the metrics of rows that have something set."""
    rows = np.flatnonzero(where.any(axis=1))
    codes = np.unique(labels.column(METRIC_NAME)[rows])
    return labels.symbols.texts(codes)


def with_cells(
    vector: Vector, table: HistogramTable, cells: tuple[Index, Index], kept: Mask | None = None
) -> Vector:
    """The vector with these histograms at the cells (row, step), in the table's order."""
    row, step = cells
    index = np.full(vector.present.shape, -1, np.int64)
    present = vector.present.copy()
    numbers = np.arange(len(row))
    if kept is not None:
        row, step, numbers = row[kept], step[kept], numbers[kept]
    index[row, step] = numbers
    present[row, step] = True
    return vector._replace(present=present).with_histograms(HistogramColumn(table, index))


def note_combined(
    ctx: QueryContext, combined: Combined, labels: LabelTable, row: Index, node: Node, verb: str
) -> Mask:
    """Say what is to be said of combined histograms; returns which of them have a meaning."""
    ctx.check()
    if combined.mixed.any():
        names = np.unique(labels.column(METRIC_NAME)[row[combined.mixed]])
        for name in labels.symbols.texts(names):
            ctx.annotations.warn(texts.for_metric(texts.MIXED_BUCKETS, name), node)
    if combined.reconciled.any():
        ctx.annotations.inform(texts.RECONCILED.format(verb=verb), node)
    good: Mask = ~combined.mixed
    return good


def any_gauge(table: HistogramTable, rows: Index) -> Mask:
    """Which of these rows say that they are gauges."""
    found: Mask = table.hint[rows] == GAUGE
    return found
