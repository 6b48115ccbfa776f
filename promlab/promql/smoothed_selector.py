"""`selector smoothed`: values on the lines between samples, by the lookback delta both ways."""

from __future__ import annotations

import numpy as np

from promlab.model.histograms import CUSTOM_SCHEMA, GAUGE
from promlab.model.samples import SeriesBatch
from promlab.promql import annotation_texts as texts
from promlab.promql.ast import VectorSelector
from promlab.promql.context import QueryContext
from promlab.promql.extended_histograms import histograms_between
from promlab.promql.extended_windows import interpolated
from promlab.promql.histogram_windows import note_combined, warn_of, with_cells
from promlab.promql.sample_windows import Index, SampleClock, counted, pick
from promlab.promql.steps import Steps
from promlab.promql.vector import Mask, Vector


def smoothed_vector(
    ctx: QueryContext, node: VectorSelector, batch: SeriesBatch, ends: Steps, *, timestamps: bool
) -> Vector:
    """The value at each step between the samples around it; after the last, that one's."""
    ctx.hold(4 * batch.n * ends.count)
    clock = SampleClock(batch)
    times, first, end = clock.windows(ends, ctx.lookback_ms, ctx.lookback_ms)
    at = clock.after(ends.times) - 1
    present = at >= first
    moment = np.broadcast_to(ends.times, at.shape)
    between = present & (at + 1 < end) & (pick(times, at) < moment)
    values = pick(batch.values, at)
    if timestamps:
        values = np.where(between, moment, pick(times, at)) / 1000.0
    else:
        made = interpolated(batch.values, times, at, at + 1, moment, counter=False)
        values = np.where(between, made, values)
    vector = Vector(batch.labels, np.where(present, values, 0.0), present)
    if batch.histograms is None or timestamps:
        return vector
    before = counted(batch.histograms.index >= 0)
    inside = before[end] - before[first]
    clash = (inside > 0) & (inside < end - first)
    warn_of(ctx, texts.MIXED_RANGE, batch.labels, clash, node)
    return _with_histograms(ctx, node, vector.where(present & ~clash), batch, at, between, moment)


def _with_histograms(
    ctx: QueryContext,
    node: VectorSelector,
    vector: Vector,
    batch: SeriesBatch,
    at: Index,
    between: Mask,
    moment: Index,
) -> Vector:
    """The same with the histograms on the lines between samples that are histograms."""
    column = batch.histograms
    assert column is not None
    row, step = np.nonzero(vector.present & (pick(column.index, at) >= 0))
    a = at[row, step]
    b = np.where(between[row, step], a + 1, a)
    times = SampleClock(batch).times
    with np.errstate(all="ignore"):
        share = np.where(b > a, (moment[row, step] - times[a]) / (times[b] - times[a]), 0.0)
    rows, next_rows = column.index[a], column.index[b]
    kinds = (
        column.table.schema[rows] == CUSTOM_SCHEMA,
        column.table.schema[next_rows] == CUSTOM_SCHEMA,
    )
    differ = np.zeros(vector.present.shape, np.bool_)
    differ[row, step] = kinds[0] != kinds[1]
    warn_of(ctx, texts.MIXED_BUCKETS, batch.labels, differ, node)
    counter = column.table.hint[rows] != GAUGE
    made = histograms_between(column.table, rows, next_rows, share, counter=counter)
    good = note_combined(ctx, made.combined, batch.labels, row, node, "subtraction")
    good &= ~differ[row, step]
    present = vector.present.copy()
    present[row[~good], step[~good]] = False
    return with_cells(vector.where(present), made.combined.table, (row, step), good)
