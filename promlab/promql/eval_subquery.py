"""Subqueries: an expression evaluated on a grid of its own, seen as samples.

The grid are the multiples of the subquery's step since 1970; windows are left-open on it as
on samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promlab.model.histograms import GAUGE, UNKNOWN, HistogramColumn
from promlab.model.samples import SeriesBatch
from promlab.promql.ast import Subquery
from promlab.promql.eval_selector import Window, length_ms, seen_from
from promlab.promql.step_counts import StepCounts, Stored, counted_apart
from promlab.promql.steps import Steps
from promlab.promql.vector import Vector, single_vector

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator


def subquery_window(ev: Evaluator, node: Subquery, steps: Steps) -> Window:
    """Samples that the windows of a subquery see."""
    ctx = ev.ctx
    ends = seen_from(ctx, node, steps)
    range_ms = length_ms(ctx, node.range)
    step_ms = ctx.options.subquery_step_ms if node.step is None else length_ms(ctx, node.step)
    first = ((ends.start_ms - range_ms) // step_ms + 1) * step_ms
    count = max(0, (ends.end_ms - first) // step_ms + 1)
    if count == 0:
        return Window(SeriesBatch.empty(ctx.base), ends, range_ms)
    ctx.hold(count)
    grid = Steps(first, step_ms, count)
    counts = ctx.counts
    if counts is None:
        value = ev.value(node.expr, grid)
    else:
        with counted_apart(ctx, grid.count) as inner:
            value = ev.value(node.expr, grid)
        counts.add_subquery(inner, grid, ends)
    assert not isinstance(value, str)
    vector = value if isinstance(value, Vector) else single_vector(value, ctx.base)
    batch = as_batch(vector, grid)
    if counts is not None:
        # The windows look at the subquery's values: nothing more is read.
        seen = StepCounts.none(len(counts.read))
        seen.add_windows(Stored.of(batch), ends, range_ms)
        counts.queryable += seen.queryable
    return Window(batch, ends, range_ms, vector.unnamed)


def as_batch(vector: Vector, grid: Steps) -> SeriesBatch:
    """Values at steps as samples; series that are there at every step share their times."""
    present, times, column = vector.present, grid.times, vector.histograms
    if column is not None:
        # Between the steps samples are left out: their hints say nothing about these.
        hint = np.where(column.table.hint == GAUGE, GAUGE, UNKNOWN)
        column = HistogramColumn(column.table.hinted(hint), column.index)
    counts = present.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    full = counts == grid.count
    if full.all():
        flat = np.ascontiguousarray(vector.values).reshape(-1)
        if column is not None:
            column = HistogramColumn(column.table, column.index.reshape(-1))
        at = np.zeros(vector.n, np.int64)
        return SeriesBatch(vector.labels, offsets, at, times, flat, column)
    own = np.broadcast_to(times, present.shape)[present]
    times_at = np.where(full, 0, grid.count + offsets[:-1])
    t_ms = np.concatenate([times, own])
    column = None if column is None else column.take(present)
    return SeriesBatch(vector.labels, offsets, times_at, t_ms, vector.values[present], column)
