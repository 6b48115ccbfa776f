"""Functions of histograms: quantiles and fractions of classic ones, made of `le` series.

The functions that take native histograms alone leave float samples out, so on floats they
have no result.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.samples import Values
from promlab.promql.annotation_texts import MONOTONICITY
from promlab.promql.ast import Call, Expr, VectorSelector
from promlab.promql.context import QueryContext
from promlab.promql.eval_aggregation import warn_of_quantiles
from promlab.promql.functions.attach import implements
from promlab.promql.grouping import Members, code_matrix, group_matrix
from promlab.promql.naming import drop_name, merge_same
from promlab.promql.native_positions import native_positions, statistic, without_mixes
from promlab.promql.steps import Steps
from promlab.promql.texts import quantile_text
from promlab.promql.vector import Rows, Vector, empty_vector

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator

BUCKET = "le"


class Buckets(NamedTuple):
    """Bucket series by histogram, in the order of their upper bounds.

    `labels` are those of the histograms, `upper` the bound of each of `members.rows`, `bad`
    the rows whose `le` is no number.
    """

    members: Members
    upper: Values
    labels: LabelTable
    bad: Rows


@implements("histogram_quantile")
def histogram_quantile(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """The value below which a share φ of the observations lies."""
    q = ev.scalar(node.args[0], steps)
    vector = ev.vector(node.args[1], steps)
    warn_of_quantiles(ev.ctx, q, node.args[0])
    result = _of_any(ev, node, vector, q.reshape(1, -1), node.args[1])
    return drop_name(ev.ctx, result, node)


@implements("histogram_fraction")
def histogram_fraction(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """The share of the observations between two values."""
    bounds = np.stack([ev.scalar(argument, steps) for argument in node.args[:2]])
    result = _of_any(ev, node, ev.vector(node.args[2], steps), bounds, node.args[2])
    return drop_name(ev.ctx, result, node)


@implements("histogram_quantiles")
def histogram_quantiles(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Several quantiles at once, told apart by a label."""
    ctx = ev.ctx
    vector = ev.vector(node.args[0], steps)
    label = ev.label_name(node.args[1], "invalid label name in histogram_quantiles(): {name}")
    parts = []
    for argument in node.args[2:]:
        q = ev.scalar(argument, steps)
        warn_of_quantiles(ctx, q, argument)
        result = _of_any(ev, node, vector, q.reshape(1, -1), node.args[0])
        code = ctx.symbols.code(quantile_text(float(q[0])))
        columns = {**result.labels.columns, label: np.full(result.n, code, np.uint32)}
        parts.append((LabelTable(result.n, columns, ctx.symbols), result))
    names = dict.fromkeys(name for labels, _ in parts for name in labels.columns)
    columns = {name: np.concatenate([t.column(name) for t, _ in parts]) for name in names}
    labels = LabelTable(sum(table.n for table, _ in parts), columns, ctx.symbols)
    unnamed = None
    if vector.unnamed is not None:
        unnamed = np.concatenate(
            [result.unnamed for _, result in parts if result.unnamed is not None]
        )
    whole = Vector(
        labels,
        np.concatenate([result.values for _, result in parts]),
        np.concatenate([result.present for _, result in parts]),
        unnamed,
    )
    return drop_name(ctx, merge_same(ctx, whole, node), node)


@implements(
    "histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar"
)
def of_native(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """A number of each native histogram; float samples are left out."""
    spread = node.function in ("histogram_stddev", "histogram_stdvar")
    if spread or isinstance(node.args[0], VectorSelector):
        vector = ev.vector(node.args[0], steps)
    else:
        with ev.ctx.only_statistics():
            vector = ev.vector(node.args[0], steps)
    column = vector.histograms
    if column is None:
        return empty_vector(ev.ctx.base, steps.count)
    numbers = statistic(node.function, column.table)
    present = vector.is_histogram
    values = np.where(present, numbers[np.maximum(column.index, 0)], 0.0)
    return drop_name(ev.ctx, vector.with_values(values, present), node)


def _of_any(ev: Evaluator, node: Call, vector: Vector, params: Values, argument: Expr) -> Vector:
    """Quantiles or fractions of classic and of native histograms."""
    classic, _ = _classic(ev, node, vector.floats(), params, argument)
    if vector.histograms is None:
        return classic
    native = native_positions(ev.ctx, node.function, vector, params, argument)
    return merge_same(ev.ctx, without_mixes(ev.ctx, classic, native, argument), node)


def _classic(
    ev: Evaluator, node: Call, vector: Vector, params: Values, argument: Expr
) -> tuple[Vector, Buckets]:
    from promlab.promql import histogram_kernels as kernels

    ctx = ev.ctx
    buckets = ctx.remember((vector.labels,), "buckets", lambda: _buckets(vector.labels))
    _warn_of_bad(ctx, vector, buckets.bad, argument)
    n, steps = buckets.labels.n, vector.values.shape[1]
    ctx.hold(n * steps)
    out = np.empty((n, steps))
    seen = np.empty((n, steps), np.bool_)
    forced = np.zeros(n, np.bool_)
    mode = kernels.FRACTION if node.function == "histogram_fraction" else kernels.QUANTILE
    params = np.ascontiguousarray(params)

    def part(t0: int, t1: int) -> None:
        kernels.classic(
            vector.values, vector.present, *buckets.members, buckets.upper, params, t0, t1, mode,
            out, seen, forced,
        )  # fmt: skip

    ctx.split(vector.values.size, steps, part)
    _inform_of_forced(ctx, node, buckets, np.flatnonzero(forced), argument)
    unnamed = None
    if vector.unnamed is not None and n:
        unnamed = vector.unnamed[buckets.members.rows[buckets.members.starts[:-1]]]
    return Vector(buckets.labels, out, seen, unnamed), buckets


def _buckets(labels: LabelTable) -> Buckets:
    """Group bucket series by all their labels but `le`, sort them by its value."""
    distinct, inverse = np.unique(labels.column(BUCKET), return_inverse=True)
    bounds = np.array([bound_of(text) for text in labels.symbols.texts(distinct)], np.float64)
    upper = bounds[inverse] if labels.n else np.zeros(0)
    good = np.flatnonzero(~np.isnan(upper))
    rest = labels.drop((BUCKET,)).take(good)
    of_row, first = group_matrix(code_matrix(rest, rest.columns))
    order = np.lexsort((upper[good], of_row))
    counts = np.bincount(of_row, minlength=len(first))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    members = Members(good[order], starts)
    bad = np.flatnonzero(np.isnan(upper))
    return Buckets(members, upper[good][order], rest.take(first), bad)


def bound_of(text: str) -> float:
    """The upper bound that a value of `le` names; NaN for what is no number."""
    if not text or "_" in text or text != text.strip():
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _warn_of_bad(ctx: QueryContext, vector: Vector, bad: Rows, argument: Expr) -> None:
    for row in bad.tolist():
        if not vector.present[row].any():
            continue
        labels = vector.labels.row(row)
        ctx.annotations.warn(
            f'bucket label "{BUCKET}" is missing or has a malformed value of '
            f'"{labels.get(BUCKET, "")}" for metric name "{labels.get(METRIC_NAME, "")}"',
            argument,
        )


def _inform_of_forced(
    ctx: QueryContext, node: Call, buckets: Buckets, forced: Rows, argument: Expr
) -> None:
    names = buckets.labels.column(METRIC_NAME)
    for code in np.unique(names[forced]).tolist():
        message = MONOTONICITY.format(name=buckets.labels.symbols.text(code))
        ctx.annotations.inform(message, argument)
