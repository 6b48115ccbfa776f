"""What a query's expression has come to, as the result has it.

Names that were kept back are dropped, series without a value are left out, and those of a range
query are in the order of their labels. Nothing is evaluated here but the expression as a whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.promql.ast import Subquery
from promlab.promql.context import QueryContext
from promlab.promql.eval_selector import Window
from promlab.promql.evaluator import Evaluator, bare
from promlab.promql.label_order import label_order
from promlab.promql.naming import drop_marked
from promlab.promql.result import InstantVector, Matrix, RawMatrix, Scalar, String, Value
from promlab.promql.sample_choice import chosen_samples, series_taken
from promlab.promql.sample_windows import SampleClock
from promlab.promql.valuetype import ValueType
from promlab.promql.vector import Mask, Rows, Vector, single_vector

_FIRST_STEP = slice(None), 0
_NO_VALUES = np.zeros(0)


def instant_value(ctx: QueryContext) -> Value:
    """The value at the one step of an instant query. Raises QueryError and its kin."""
    expr, steps = ctx.plan.expr, ctx.steps
    ev = Evaluator(ctx)
    if expr.value_type is ValueType.MATRIX:
        node = bare(expr)
        window = ev.window(node, steps)
        if window.anchored or window.smoothed:
            word = "anchored" if window.anchored else "smoothed"
            raise ctx.error(f"{word} windows are for rates: there is no value of their own", expr)
        # Samples of a selector come as storage has them, those of a subquery in order.
        return RawMatrix(_raw(window, sort=isinstance(node, Subquery)))
    value = ev.value(expr, steps)
    if isinstance(value, str):
        return String(steps.start_ms, value)
    if not isinstance(value, Vector):
        return Scalar(steps.start_ms, float(value[0]))
    value = drop_marked(ctx, value)
    if _all(value.present):
        return InstantVector(
            value.labels, steps.start_ms, value.values[:, 0], _histograms(value, _FIRST_STEP)
        )
    rows = np.flatnonzero(value.present)
    if not len(rows):  # as most alerts have it
        return InstantVector(LabelTable(0, {}, value.labels.symbols), steps.start_ms, _NO_VALUES)
    return InstantVector(
        value.labels.take(rows),
        steps.start_ms,
        value.values[rows, 0],
        _histograms(value, (rows, 0)),
    )


def range_value(ctx: QueryContext) -> Matrix:
    """The values at the steps of a range query. Raises QueryError and its kin."""
    expr, steps = ctx.plan.expr, ctx.steps
    if expr.value_type not in (ValueType.VECTOR, ValueType.SCALAR):
        raise ctx.error(
            f'invalid expression type "{expr.value_type.documented}" for range query, '
            "must be Scalar or instant Vector",
            expr,
        )
    value = Evaluator(ctx).value(expr, steps)
    assert not isinstance(value, str)
    vector = value if isinstance(value, Vector) else single_vector(value, ctx.base)
    vector = drop_marked(ctx, vector)
    order, in_order = ctx.remember((vector.labels,), "order", lambda: _order(vector.labels))
    if not _all(vector.present):
        kept: Mask = np.logical_or.reduce(vector.present, axis=1)
        order = order[kept[order]]
    if len(order) != vector.n or not in_order:
        ctx.hold(len(order) * steps.count)
        labels = _taken(ctx, vector.labels, order)
        return Matrix(
            labels,
            steps.times,
            vector.values[order],
            vector.present[order],
            _histograms(vector, order),
        )
    return Matrix(
        vector.labels,
        steps.times,
        np.ascontiguousarray(vector.values),
        np.ascontiguousarray(vector.present),
        vector.histograms,
    )


def _order(labels: LabelTable) -> tuple[Rows, bool]:
    """Rows in the order of their labels, and whether they are as they stand."""
    order = label_order(labels)
    return order, bool((order == np.arange(labels.n)).all())


def _all(present: Mask) -> bool:
    """Whether there is a value everywhere: as `all`, without numpy's Python around it."""
    return bool(np.logical_and.reduce(present, axis=None))


def _histograms(vector: Vector, selection: Any) -> HistogramColumn | None:
    return None if vector.histograms is None else vector.histograms.take(selection)


def _taken(ctx: QueryContext, labels: LabelTable, order: Rows) -> LabelTable:
    """Rows of a table; the same object for the same whole table, for those who remember it."""
    if len(order) == labels.n:
        return ctx.remember((labels,), "ordered", lambda: labels.take(order))
    return labels.take(order)


def _raw(window: Window, *, sort: bool) -> SeriesBatch:
    """The samples inside the one window of an instant query, series without any left out."""
    batch, right = window.batch, window.ends.start_ms
    if not _all_within(batch, right - window.range_ms + 1, right):  # a subquery reaches further
        times = SampleClock(batch).times
        inside = (times > right - window.range_ms) & (times <= right)
        batch = chosen_samples(batch, inside)
    rows = np.flatnonzero(np.diff(batch.offsets))
    if sort and len(rows):
        rows = rows[label_order(batch.labels.take(rows))]
    elif len(rows) == batch.n:
        return batch
    return series_taken(batch, rows)


def _all_within(batch: SeriesBatch, first_ms: int, last_ms: int) -> bool:
    """Whether all times of a batch are so, even those of no sample."""
    t_ms = batch.t_ms
    return not len(t_ms) or bool(
        np.minimum.reduce(t_ms) >= first_ms and np.maximum.reduce(t_ms) <= last_ms
    )
