"""Dropping metric names, and what follows from it: series that become the same.

Without delayed name removal a name goes at once; with it, series are only marked, and the
names go at the end of the query.
"""

from __future__ import annotations

import numpy as np

from promlab.errors import QueryError
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.promql.ast import Node
from promlab.promql.context import QueryContext
from promlab.promql.grouping import groups_equal
from promlab.promql.texts import label_set_text
from promlab.promql.vector import Mask, Vector

# What says what a value is, and goes where a function changes that.
NAME_LABELS = (METRIC_NAME, "__type__", "__unit__")
_NONE = np.uint32(0)
SAME_LABELS = "vector cannot contain metrics with the same labelset"


def without_name(ctx: QueryContext, labels: LabelTable) -> LabelTable:
    """The table without the columns that say what its values are."""
    if labels.columns.keys().isdisjoint(NAME_LABELS):
        return labels
    return ctx.remember((labels,), "unnamed", lambda: labels.drop(NAME_LABELS))


def drop_name(ctx: QueryContext, vector: Vector, node: Node, *, strict: bool = False) -> Vector:
    """The vector as a function leaves it that gives values of another meaning.

    Series that become the same are one, if they have no step in common; with `strict` they
    must not become the same at all. Raises QueryError otherwise.
    """
    if ctx.options.delayed_name_removal:
        marked = np.ones(vector.n, np.bool_)
        return vector._replace(unnamed=marked)
    return drop_name_now(ctx, vector, node, strict=strict)


def drop_name_now(ctx: QueryContext, vector: Vector, node: Node, *, strict: bool = False) -> Vector:
    """The same at once, whatever the option says."""
    labels = without_name(ctx, vector.labels)
    if labels is vector.labels:
        return vector
    bare = Vector(labels, *vector[1:])
    if keeps_apart(ctx, vector.labels):
        return bare
    return merge_same(ctx, bare, node, strict=strict)


def drop_marked(ctx: QueryContext, vector: Vector) -> Vector:
    """The end of a query: names go where they are marked."""
    if vector.unnamed is None or not vector.unnamed.any():
        return vector
    labels = vector.labels
    for name in NAME_LABELS:
        if name in labels.columns:
            labels = labels.replace(name, np.where(vector.unnamed, _NONE, labels.columns[name]))
    return merge_same(ctx, vector._replace(labels=labels, unnamed=None), ctx.plan.expr)


def merge_same(ctx: QueryContext, vector: Vector, node: Node, *, strict: bool = False) -> Vector:
    """Series of equal labels as one. Raises QueryError if they share a step (or `strict`)."""
    groups = groups_equal(ctx, vector.labels)
    if groups.count == vector.n:
        return vector
    from promlab.promql import label_kernels

    steps = vector.values.shape[1]
    present = vector.present
    if strict:
        ever = np.logical_or.reduce(present, axis=1, keepdims=True)
        present = np.ascontiguousarray(np.broadcast_to(ever, present.shape))
    clash = find_overlap(present, groups.of_row, groups.count)
    if clash is not None:
        raise same_labels(ctx, vector.labels, clash[0], node)
    ctx.hold(groups.count * steps)
    values = np.zeros((groups.count, steps))
    seen = np.zeros((groups.count, steps), np.bool_)
    label_kernels.merge_rows(vector.values, vector.present, groups.of_row, values, seen)
    unnamed = None if vector.unnamed is None else vector.unnamed[groups.first]
    merged = Vector(groups.labels, values, seen, unnamed)
    if vector.histograms is None:
        return merged
    index = np.full(seen.shape, -1, np.int64)
    row, step = np.nonzero(vector.is_histogram)
    index[groups.of_row[row], step] = vector.histograms.index[row, step]
    return merged.with_histograms(HistogramColumn(vector.histograms.table, index))


def find_overlap(
    present: Mask,
    group: np.ndarray[tuple[int], np.dtype[np.int64]],
    count: int,
    steps: Mask | None = None,
) -> tuple[int, int, int] | None:
    """Two rows of one group that have a value at one step, and that step; None if none have.

    Looks only at steps where `steps` (bool[steps]) is True.
    """
    from promlab.promql.label_kernels import overlap

    clash = np.zeros(2, np.int64)
    wanted = np.ones((1, present.shape[1]), np.bool_) if steps is None else steps[None, :]
    row = overlap(present, group, count, np.ascontiguousarray(wanted), clash)
    return None if row < 0 else (int(row), int(clash[0]), int(clash[1]))


def same_labels(ctx: QueryContext, labels: LabelTable, row: int, node: Node) -> QueryError:
    """The error for two series that have become the same."""
    return ctx.error(
        SAME_LABELS,
        node,
        hint=f"More than one series has become {label_set_text(labels.row(row))}: aggregate them, "
        "or keep a label that tells them apart.",
    )


def keeps_apart(ctx: QueryContext, labels: LabelTable) -> bool:
    """Whether series stay different without their names."""
    return labels.n < 2 or ctx.remember((labels,), "one name", lambda: _one_name(labels))


def _one_name(labels: LabelTable) -> bool:
    """Whether all rows have the same labels of those that go: then none become the same."""
    columns = [labels.columns[name] for name in NAME_LABELS if name in labels.columns]
    return all(bool((codes == codes[0]).all()) for codes in columns)
