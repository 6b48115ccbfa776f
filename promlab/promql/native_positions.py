"""Quantiles, fractions and other numbers of native histograms."""

from __future__ import annotations

import numpy as np

from promlab.model.histograms import CUSTOM_SCHEMA, Floats, HistogramTable, ordered_buckets
from promlab.model.samples import Values
from promlab.promql import annotation_texts as texts
from promlab.promql.ast import Expr
from promlab.promql.context import QueryContext
from promlab.promql.grouping import groups_equal
from promlab.promql.histogram_windows import names_of, warn_of
from promlab.promql.vector import Vector, stack_tables, unnamed_mask


def statistic(function: str, table: HistogramTable) -> Floats:
    """histogram_count, _sum, _avg, _stddev or _stdvar of each row of a table."""
    with np.errstate(all="ignore"):
        match function:
            case "histogram_count":
                return table.count
            case "histogram_sum":
                return table.sum
            case "histogram_avg":
                return table.sum / table.count
            case "histogram_stddev":
                return np.sqrt(variances(table))
    return variances(table)


def variances(table: HistogramTable) -> Floats:
    """Variance of the observations, each taken to be in the middle of its bucket."""
    offsets, lower, upper, counts, place = ordered_buckets(table)
    row = np.repeat(np.arange(table.n), np.diff(offsets))
    custom = table.schema[row] == CUSTOM_SCHEMA
    with np.errstate(all="ignore"):
        middle = np.sign(upper) * np.sqrt(lower * upper)
        middle = np.where(custom, (lower + upper) / 2, np.where(place == 0, 0.0, middle))
        apart = middle - (table.sum / table.count)[row]
        total = np.bincount(row, counts * apart * apart, minlength=table.n)
        found: Floats = total / table.count
    return found


def middles(lower: Floats, upper: Floats, linear: np.ndarray) -> Floats:
    """The value that stands for a bucket: its (geometric, unless linear) middle.

    A bucket without an end is where its other end is; one that begins at -Inf begins at 0 if
    it holds anything above.
    """
    low = np.where(np.isneginf(lower) & (upper > 0) & ~np.isposinf(upper), 0.0, lower)
    with np.errstate(all="ignore"):
        straight = np.where(np.isinf(low), upper, np.where(np.isinf(upper), low, (low + upper) / 2))
        geometric = np.sign(upper + low) * np.sqrt(low * upper)
    return np.where(linear, straight, geometric)


def native_positions(
    ctx: QueryContext, function: str, vector: Vector, params: Values, argument: Expr
) -> Vector:
    """Quantile params[0, t] of each histogram, or its fraction from params[0, t] to [1, t]."""
    from promlab.promql import bucket_position_kernels as kernels

    assert vector.histograms is not None
    row, step = np.nonzero(vector.is_histogram)
    used, index = np.unique(vector.histograms.index[row, step], return_inverse=True)
    table = vector.histograms.table.take(used)
    fraction = function == "histogram_fraction"
    ctx.hold(vector.values.size + table.bucket_count)
    out, notes = np.empty(len(row)), np.zeros(len(row), np.int8)
    kernels.positions(
        *ordered_buckets(table), table.schema, table.count, table.sum,
        index, params[0][step], params[-1][step],
        kernels.FRACTION if fraction else kernels.QUANTILE, out, notes,
    )  # fmt: skip
    for note, message in ((kernels.RESULT, texts.NAN_RESULT), (kernels.SHIFTED, texts.NAN_SKEWED)):
        where = np.zeros(vector.values.shape, np.bool_)
        where[row, step] = notes == note
        text = texts.NAN_EXCLUDED if fraction else message
        for name in names_of(vector.labels, where):
            told = text.format(function=function)
            ctx.annotations.inform(texts.for_metric(told, name), argument)
    values = np.zeros(vector.values.shape)
    values[row, step] = out
    return vector.with_values(values, vector.is_histogram)


def without_mixes(ctx: QueryContext, classic: Vector, native: Vector, argument: Expr) -> Vector:
    """Results of both kinds; where one histogram has both, it has none."""
    labels = stack_tables(classic.labels, native.labels)
    group = groups_equal(ctx, labels)
    steps = native.values.shape[1]
    has_classic = np.zeros((group.count, steps), np.bool_)
    has_native = np.zeros((group.count, steps), np.bool_)
    np.logical_or.at(has_classic, group.of_row[: classic.n], classic.present)
    np.logical_or.at(has_native, group.of_row[classic.n :], native.present)
    both = has_classic & has_native
    warn_of(ctx, texts.MIXED_CLASSIC, group.labels, both, argument)
    unnamed = None
    if classic.unnamed is not None or native.unnamed is not None:
        unnamed = np.concatenate([unnamed_mask(classic), unnamed_mask(native)])
    present = np.concatenate([classic.present, native.present]) & ~both[group.of_row]
    return Vector(labels, np.concatenate([classic.values, native.values]), present, unnamed)
