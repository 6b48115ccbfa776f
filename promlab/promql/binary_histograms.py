"""Operators with native histograms: sums, multiples, equality, and trimming.

What an operator has no meaning for is left out, with an info that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from promlab.model.histograms import (
    CUSTOM_SCHEMA,
    GAUGE,
    Buckets,
    Floats,
    HistogramColumn,
    HistogramTable,
    Index,
    bucket_bounds,
)
from promlab.model.samples import Values
from promlab.promql import annotation_texts as texts
from promlab.promql.ast import COMPARISONS, Binary
from promlab.promql.context import QueryContext
from promlab.promql.histogram_equality import equal_rows
from promlab.promql.naming import drop_name
from promlab.promql.native_histograms import Terms, combine, divided
from promlab.promql.native_positions import middles
from promlab.promql.vector import Mask, Rows, Vector

TRIMS = frozenset({"</", ">/"})
WITH_NUMBER = frozenset({"*", "/", *TRIMS})
HISTOGRAM, FLOAT = "histogram", "float"


class PickedCells(NamedTuple):
    """Rows of a vector on one side of a join; a row of -1 is a filled value."""

    histograms: HistogramColumn | None
    rows: Rows
    values: Values

    def cells(self) -> Index:
        """Row in the histogram table of each cell, -1 for floats."""
        none = np.full(self.values.shape, -1, np.int64)
        if self.histograms is None:
            return none
        real = self.rows >= 0
        none[real] = self.histograms.index[self.rows[real]]
        return none

    def table(self) -> HistogramTable:
        """The table that they refer to."""
        return HistogramTable.empty() if self.histograms is None else self.histograms.table


def inform_of_types(ctx: QueryContext, node: Binary, left: str, right: str) -> None:
    """Say that an operator has no meaning between these."""
    message = texts.INCOMPATIBLE_TYPES.format(op=node.op, left=left, right=right)
    ctx.annotations.inform(message, node)


def with_number(
    ctx: QueryContext, node: Binary, vector: Vector, scalar: Values, *, scalar_first: bool
) -> Vector:
    """A vector that has histograms, and a scalar on one side."""
    numbers = np.broadcast_to(scalar, vector.values.shape)
    no_rows = np.full(vector.n, -1, np.int64)
    cells = PickedCells(vector.histograms, np.arange(vector.n), vector.values)
    number = PickedCells(None, no_rows, numbers)
    left, right = (number, cells) if scalar_first else (cells, number)
    from promlab.promql.operators import OPERATORS

    if node.op in TRIMS:
        result = np.zeros(vector.values.shape)
    else:
        result = OPERATORS[node.op](left.values, right.values)
    # A comparison keeps the vector's value, whichever side it is on.
    values, present, column = joined_cells(
        ctx, node, left, right, result, vector.present, keeps=cells.values
    )
    made = vector.with_values(values, present).with_histograms(column)
    keeps_name = node.op in TRIMS or (node.op in COMPARISONS and not node.returns_bool)
    return made if keeps_name else drop_name(ctx, made, node)


def joined_cells(
    ctx: QueryContext,
    node: Binary,
    left: PickedCells,
    right: PickedCells,
    result: Values,
    present: Mask,
    *,
    keeps: Values | None = None,
) -> tuple[Values, Mask, HistogramColumn | None]:
    """Values, presence and histograms of an operator's result, cell by cell.

    `result` is what the operator makes of the floats, True or False for a comparison that
    filters; then `keeps` (the left side, if not given) are the values that stay.
    """
    a, b = left.cells(), right.cells()
    ctx.hold(4 * a.size)
    filters = node.op in COMPARISONS and not node.returns_bool
    floats = present & (a < 0) & (b < 0)
    if node.op in TRIMS:
        if floats.any():
            inform_of_types(ctx, node, FLOAT, FLOAT)
        kept = np.zeros(present.shape, np.bool_)
        values = np.zeros(present.shape)
    elif filters:
        kept, values = floats & result.astype(np.bool_), left.values if keeps is None else keeps
    else:
        kept, values = floats, result.astype(np.float64)
    kept, values = kept.copy(), np.array(values)
    index = np.full(present.shape, -1, np.int64)
    tables: list[HistogramTable] = []
    size = 0

    def put(cells: tuple[Index, ...], table: HistogramTable, good: Mask | None = None) -> None:
        nonlocal size
        numbers = size + np.arange(table.n)
        row, step = cells
        if good is not None:
            row, step, numbers = row[good], step[good], numbers[good]
        index[row, step] = numbers
        kept[row, step] = True
        tables.append(table)
        size += table.n

    both = present & (a >= 0) & (b >= 0)
    if both.any():
        _two_histograms(ctx, node, left, right, (a, b), both, values, kept, put)
    for one, other, where, order in (
        (left, right, present & (a >= 0) & (b < 0), (HISTOGRAM, FLOAT)),
        (right, left, present & (a < 0) & (b >= 0), (FLOAT, HISTOGRAM)),
    ):
        if not where.any():
            continue
        cells = np.nonzero(where)
        allowed = node.op == "*" or (one is left and node.op in WITH_NUMBER)
        if not allowed:
            inform_of_types(ctx, node, *order)
            continue
        rows = (a if one is left else b)[cells]
        table = one.table().take(rows)
        put(cells, _and_number(node.op, table, other.values[cells]))
    column = HistogramColumn(HistogramTable.stack(tables), index) if size else None
    ctx.hold(0 if column is None else column.table.bucket_count)
    return values, kept, column


def _and_number(op: str, table: HistogramTable, numbers: Floats) -> HistogramTable:
    """Histograms and a number each."""
    if op in TRIMS:
        return trimmed(table, numbers, upper=op == "</")
    made = divided(table, numbers) if op == "/" else table.scaled(numbers)
    return made.hinted(np.where(numbers < 0, GAUGE, table.hint))


def _two_histograms(
    ctx: QueryContext,
    node: Binary,
    left: PickedCells,
    right: PickedCells,
    index: tuple[Index, Index],
    both: Mask,
    values: Values,
    kept: Mask,
    put: Callable[..., None],
) -> None:
    cells = np.nonzero(both)
    table = HistogramTable.stack([left.table(), right.table()])
    a, b = index[0][cells], index[1][cells] + left.table().n
    if node.op in ("==", "!="):
        equal = equal_rows(table, a, b) == (node.op == "==")
        if node.returns_bool:
            values[cells] = equal
            kept[cells] = True
        else:
            put(cells, table.take(a), equal)
        return
    if node.op not in ("+", "-"):
        inform_of_types(ctx, node, HISTOGRAM, HISTOGRAM)
        return
    combined = combine(table, Terms.pairs(a, b, 1.0 if node.op == "+" else -1.0))
    verb = "addition" if node.op == "+" else "subtraction"
    if combined.mixed.any():
        ctx.annotations.warn(texts.INCOMPATIBLE_BUCKETS.format(op=node.op), node)
    if combined.reconciled.any():
        ctx.annotations.inform(texts.RECONCILED.format(verb=verb), node)
    if (combined.conflict & ~combined.mixed).any():
        ctx.annotations.warn(texts.CONFLICT.format(verb=verb), node)
    made = combined.table if node.op == "+" else combined.table.hinted(GAUGE)
    put(cells, made, ~combined.mixed)


def stacked_columns(lhs: Vector, rhs: Vector, kept: Mask) -> HistogramColumn | None:
    """Histograms of two vectors, one after the other; of the right one, where it is kept."""
    columns = [lhs.histograms, rhs.histograms]
    if columns == [None, None]:
        return None
    tables = [HistogramTable.empty() if c is None else c.table for c in columns]
    indices = [
        np.full(vector.values.shape, -1, np.int64) if c is None else c.index
        for vector, c in zip((lhs, rhs), columns, strict=True)
    ]
    right = np.where((indices[1] >= 0) & kept, indices[1] + tables[0].n, -1)
    return HistogramColumn(HistogramTable.stack(tables), np.concatenate([indices[0], right]))


def trimmed(table: HistogramTable, cuts: Floats, *, upper: bool) -> HistogramTable:
    """Histograms without what lies above (`upper`) or below a value.

    A bucket that the value cuts keeps its share, interpolated; of one without an end, all lies
    at that end. The sum is estimated from the buckets, where any has changed.
    """
    total, weighted = np.zeros(table.n), np.zeros(table.n)
    changed = np.zeros(table.n, np.bool_)
    sides = []
    for side, sign in ((table.positive, 1.0), (table.negative, -1.0)):
        row = side.rows
        low, high = bucket_bounds(table, row, side.indices)
        if sign < 0:
            low, high = -high, -low
        linear = table.schema[row] == CUSTOM_SCHEMA
        share, middle = _kept_share(low, high, cuts[row], linear, upper=upper)
        counts = side.counts * share
        total += np.bincount(row, counts, minlength=table.n)
        weighted += np.bincount(row, _worth(counts, middle), minlength=table.n)
        changed |= np.bincount(row[(share != 1) & (side.counts != 0)], minlength=table.n) > 0
        sides.append(Buckets(side.offsets, side.indices, counts))
    has_positive = np.diff(table.positive.offsets) > 0
    has_negative = np.diff(table.negative.offsets) > 0
    width = table.zero_threshold
    low = np.where(has_positive & ~has_negative, 0.0, -width)
    high = np.where(has_negative & ~has_positive, 0.0, width)
    share, middle = _kept_share(low, high, cuts, np.ones(table.n, np.bool_), upper=upper)
    zero = table.zero_count * share
    changed |= (share != 1) & (table.zero_count != 0)
    return replace(
        table,
        zero_count=zero,
        count=np.where(changed, total + zero, table.count),
        sum=np.where(changed, weighted + _worth(zero, middle), table.sum),
        positive=sides[0],
        negative=sides[1],
    )


def _worth(counts: Floats, middle: Floats) -> Floats:
    """What buckets add to the sum; empty ones nothing, wherever they are."""
    return counts * np.where(counts != 0, middle, 0.0)


def _kept_share(
    low: Floats, high: Floats, cut: Floats, linear: Mask, *, upper: bool
) -> tuple[Floats, Floats]:
    """How much of each bucket stays, and the value that stands for what stays."""
    low = np.where(np.isneginf(low) & (high > 0) & ~np.isposinf(high), 0.0, low)
    inside = (low < cut) & (cut < high)
    with np.errstate(all="ignore"):
        straight = (cut - low) / (high - low)
        logs = np.log2(np.abs(low)), np.log2(np.abs(high)), np.log2(np.abs(cut))
        below = np.where(linear, straight, (logs[2] - logs[0]) / (logs[1] - logs[0]))
    if upper:
        below = np.where(np.isneginf(low), 1.0, below)
        below = np.where(np.isposinf(high), 0.0, below)
        share = np.where(inside, below, np.where(high <= cut, 1.0, 0.0))
        share = np.where(np.isposinf(cut), 1.0, share)
        edges = low, np.where(inside, cut, high)
    else:
        above = np.where(np.isposinf(high), 1.0, 1.0 - below)
        above = np.where(np.isneginf(low), 0.0, above)
        share = np.where(inside, above, np.where(low >= cut, 1.0, 0.0))
        share = np.where(np.isneginf(cut), 1.0, share)
        edges = np.where(inside, cut, low), high
    return share, middles(*edges, linear)
