"""Aggregations: sum, avg, min, max, count, group, stddev, stdvar, quantile, count_values,
and those that choose series instead of reducing them: topk, bottomk, limitk, limit_ratio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.samples import Values
from promlab.promql.aggregated_histograms import with_histogram_sums
from promlab.promql.annotation_texts import IGNORED_IN_AGGREGATION
from promlab.promql.ast import Aggregation
from promlab.promql.context import QueryContext
from promlab.promql.fused import fused
from promlab.promql.grouping import Groups, Members, grouped, members
from promlab.promql.native_histograms import texts as histogram_texts
from promlab.promql.reductions import Reduction
from promlab.promql.series_hash import label_set_hash
from promlab.promql.steps import Steps
from promlab.promql.texts import float_text, short_float_text
from promlab.promql.vector import Mask, Vector, empty_vector

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator


def aggregate(ev: Evaluator, node: Aggregation, steps: Steps) -> Vector:
    """Value of an aggregation."""
    if node.op == "count_values":
        return _count_values(ev, node, steps)
    made = fused(ev, node, steps)
    if made is not None:
        return made
    vector = ev.vector(node.expr, steps)
    groups = grouped(ev.ctx, node, vector.labels, node.grouping)
    match node.op:
        case "quantile":
            result = _quantile(ev, node, vector, groups, steps)
        case "topk" | "bottomk" | "limitk":
            result = _best(ev, node, vector, groups, steps)
        case "limit_ratio":
            result = _limit_ratio(ev, node, vector, steps)
        case _:
            result = _reduce(ev.ctx, node, vector, groups)
    ev.ctx.cells -= vector.values.size
    return result


def _floats(ctx: QueryContext, node: Aggregation, vector: Vector) -> Vector:
    """The vector without histograms, which this aggregation ignores."""
    if vector.histograms is None:
        return vector
    if vector.is_histogram.any():
        place = node if node.op in ("topk", "bottomk") else node.expr
        ctx.annotations.inform(IGNORED_IN_AGGREGATION.format(op=node.op), place, inside=False)
    return vector.floats()


def _reduce(ctx: QueryContext, node: Aggregation, vector: Vector, groups: Groups) -> Vector:
    op = node.op
    found = vector if op in ("sum", "avg", "count", "group") else _floats(ctx, node, vector)
    vector = found.floats() if op in ("sum", "avg") else found
    steps = vector.values.shape[1]
    ctx.hold(groups.count * steps)
    reduction = Reduction(op, groups.count, steps)

    def part(t0: int, t1: int) -> None:
        reduction.add_at(vector.values, vector.present, groups.of_row, vector.n, t0, t1)

    ctx.split(vector.values.size, steps, part)
    result = _grouped(vector, groups, reduction.result(), reduction.seen)
    if op in ("sum", "avg") and found.histograms is not None:
        return with_histogram_sums(ctx, node, found, groups, result)
    return result


def _grouped(vector: Vector, groups: Groups, values: Values, present: Mask) -> Vector:
    """Rows of groups; a group that kept its name drops it if one of its series has to."""
    unnamed = None
    if vector.unnamed is not None and METRIC_NAME in groups.labels.columns:
        unnamed = np.zeros(groups.count, np.bool_)
        unnamed[groups.of_row[vector.unnamed]] = True
    return Vector(groups.labels, values, present, unnamed)


def _quantile(
    ev: Evaluator, node: Aggregation, vector: Vector, groups: Groups, steps: Steps
) -> Vector:
    from promlab.promql import aggregate_kernels as kernels

    assert node.param is not None
    q = ev.scalar(node.param, steps)
    warn_of_quantiles(ev.ctx, q, node.param, inside=True)
    vector = _floats(ev.ctx, node, vector)
    at = members(groups)
    ev.ctx.hold(groups.count * steps.count)
    out = np.empty((groups.count, steps.count))
    seen = np.empty((groups.count, steps.count), np.bool_)

    def part(t0: int, t1: int) -> None:
        kernels.quantiles(vector.values, vector.present, *at, q, t0, t1, 0, out, seen)

    ev.ctx.split(vector.values.size, steps.count, part)
    return _grouped(vector, groups, out, seen)


def warn_of_quantiles(ctx: QueryContext, q: Values, node: Any, *, inside: bool = False) -> None:
    """Warn of every φ that is not between 0 and 1; `inside`: see `Annotations`."""
    for bad in dict.fromkeys(map(short_float_text, q[~((q >= 0) & (q <= 1))].tolist())):
        message = f"quantile value should be between 0 and 1, got {bad}"
        ctx.annotations.warn(message, node, inside=inside)


def _best(ev: Evaluator, node: Aggregation, vector: Vector, groups: Groups, steps: Steps) -> Vector:
    """Rows that are among the first, largest or smallest k of their group."""
    from promlab.promql import aggregate_kernels as kernels

    assert node.param is not None
    k = ev.scalar(node.param, steps)
    _check_whole(ev.ctx, k, node)
    if node.op != "limitk" and vector.histograms is not None:
        asked = k.max(initial=0.0) >= 1
        vector = _floats(ev.ctx, node, vector) if asked else vector.floats()
    at = members(groups)
    mode = {"topk": 1, "bottomk": -1, "limitk": 0}[node.op]
    kept = np.zeros(vector.present.shape, np.bool_)

    def part(t0: int, t1: int) -> None:
        kernels.best(vector.values, vector.present, *at, k, t0, t1, mode, kept)

    ev.ctx.split(vector.values.size, steps.count, part)
    return _chosen(vector, kept, at if mode and steps.count == 1 else None, mode)


def _chosen(vector: Vector, kept: Mask, at: Members | None, mode: int) -> Vector:
    """The rows that have something left; best first within their groups, if asked."""
    rows = np.flatnonzero(kept.any(axis=1))
    if at is not None:
        group = np.empty(vector.n, np.int64)
        group[at.rows] = np.repeat(np.arange(len(at.starts) - 1), np.diff(at.starts))
        # NaN sorts last, whichever way the values go.
        rows = rows[np.lexsort((-mode * vector.values[rows, 0], group[rows]))]
    return vector.where(kept).take(rows)


def _check_whole(ctx: QueryContext, k: Values, node: Aggregation) -> None:
    """k has to be a number that fits in 64 bits, unless nothing is asked for at all."""
    assert node.param is not None
    if np.isnan(k).any():
        raise ctx.error("Parameter value is NaN", node.param)
    least, most = k.min(initial=0.0), k.max(initial=0.0)
    if most >= 1 and (least < -(2.0**63) or most >= 2.0**63):
        text = short_float_text(float(least if most < 2.0**63 else most))
        raise ctx.error(f"Scalar value {text} overflows int64", node.param)


def _limit_ratio(ev: Evaluator, node: Aggregation, vector: Vector, steps: Steps) -> Vector:
    """Rows whose place in [0, 1), which their labels decide, is within the ratio."""
    assert node.param is not None
    ratio = ev.scalar(node.param, steps)
    if np.isnan(ratio).any():
        raise ev.ctx.error("Ratio value is NaN", node.param)
    for bad in np.unique(ratio[np.abs(ratio) > 1]).tolist():
        capped = "1" if bad > 0 else "-1"
        ev.ctx.annotations.warn(
            "ratio value should be between -1 and 1, "
            f"got {short_float_text(bad)}, capping to {capped}",
            node.param,
        )
    share = np.clip(ratio, -1, 1)
    labels = vector.labels
    place = ev.ctx.remember((labels,), "places", lambda: _places(labels))[:, None]
    inside = np.where(share >= 0, place < share, place >= 1 + share)
    return _chosen(vector, vector.present & inside, None, 0)


def _places(labels: LabelTable) -> Values:
    """A number in [0, 1] for each label set: the same for ever and on every server."""
    return np.array([label_set_hash(labels, row) for row in range(labels.n)], np.float64) / 2.0**64


def _count_values(ev: Evaluator, node: Aggregation, steps: Steps) -> Vector:
    """How many series of each group have each value: a row a group and value."""
    ctx = ev.ctx
    assert node.param is not None
    label = ev.label_name(node.param, 'invalid label name "{name}"')
    vector = ev.vector(node.expr, steps)
    row, step = np.nonzero(vector.present)
    if not len(row):
        return empty_vector(ctx.base, steps.count)
    values = vector.values[row, step]
    # All NaN are one value: they have one text.
    bits = np.where(np.isnan(values), np.nan, values).view(np.uint64)
    distinct, value = np.unique(bits, return_inverse=True)
    texts = list(map(float_text, distinct.view(np.float64).tolist()))
    if vector.histograms is not None:
        rows, number = np.unique(vector.histograms.index[row, step], return_inverse=True)
        value = np.where(rows[number] >= 0, len(texts) + number, value)
        texts += [""] * int(rows[0] < 0)
        texts += histogram_texts(vector.histograms.table.take(rows[rows >= 0]))
    codes = ctx.symbols.codes(texts)
    ctx.hold(len(row))
    labelled = LabelTable(len(row), vector.labels.take(row).columns, ctx.symbols).replace(
        label, codes[value]
    )
    wanted = node.grouping if node.without else (*node.grouping, label)
    groups = grouped(ctx, node, labelled, wanted)
    ctx.hold(groups.count * steps.count)
    at = groups.of_row * steps.count + step
    out = np.bincount(at, minlength=groups.count * steps.count).astype(np.float64)
    out = out.reshape(groups.count, steps.count)
    # A name that is grouped by stays, even one that functions below would drop in the end.
    return Vector(groups.labels, out, out > 0)
