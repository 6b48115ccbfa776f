"""Sums and averages of native histograms over series."""

from __future__ import annotations

import numpy as np

from promlab.promql import annotation_texts as texts
from promlab.promql.ast import Aggregation
from promlab.promql.context import QueryContext
from promlab.promql.grouping import Groups
from promlab.promql.histogram_windows import note_combined, with_cells
from promlab.promql.native_histograms import Terms, averages, combine
from promlab.promql.vector import Vector


def with_histogram_sums(
    ctx: QueryContext, node: Aggregation, vector: Vector, groups: Groups, floats: Vector
) -> Vector:
    """The groups' floats, and the sums of their histograms; a group with both has neither."""
    assert vector.histograms is not None
    steps = vector.values.shape[1]
    row, step = np.nonzero(vector.is_histogram)
    cell = groups.of_row[row] * steps + step
    order = np.argsort(cell, kind="stable")
    cells, counts = np.unique(cell, return_counts=True)
    mixed = floats.present.reshape(-1)[cells]
    if mixed.any():
        ctx.annotations.warn(texts.MIXED_AGGREGATION, node.expr, inside=False)
        neither = floats.present.copy()
        neither.reshape(-1)[cells[mixed]] = False
        floats = floats.where(neither)
    ctx.hold(len(cell))
    terms = Terms.of(counts, vector.histograms.index[row, step][order])
    combined = (averages if node.op == "avg" else combine)(vector.histograms.table, terms)
    ctx.hold(combined.table.bucket_count)
    group, at = cells // steps, cells % steps
    good = ~mixed
    if good.any():
        labels = floats.labels
        good &= note_combined(ctx, combined, labels, group, node.expr, "aggregation")
        if (combined.conflict & good).any():
            ctx.annotations.warn(texts.CONFLICT.format(verb="aggregation"), node.expr, inside=False)
    return with_cells(floats, combined.table, (group, at), good)
