"""`fill`: values that stand in where one side of a join has no series.

What is filled differs from step to step, so every row gets a pair with nothing, present at the
steps where its match group is empty on the other side. Such pairs share no step with real
ones, so those of equal labels become one series afterwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from promlab.model.samples import Values
from promlab.promql.ast import Card, VectorMatching
from promlab.promql.context import QueryContext
from promlab.promql.grouping import code_matrix, group_matrix
from promlab.promql.matching import Pairs, match_sides, only_matched
from promlab.promql.naming import NAME_LABELS
from promlab.promql.vector import Mask, Rows, Vector, stack_tables


class Filled(NamedTuple):
    """All pairs, real ones first, and the rows of those with nothing."""

    pairs: Pairs
    many_values: Values
    one_values: Values
    present: Mask


def fill_missing(
    ctx: QueryContext,
    matching: VectorMatching,
    pairs: Pairs,
    lhs: Vector,
    rhs: Vector,
    *,
    drops_name: bool,
) -> Filled:
    """Pairs with nothing, as the fill modifiers ask for; a row of -1 is nothing."""
    sides = match_sides(ctx, lhs.labels, rhs.labels, matching)
    many, one = (lhs, sides.left), (rhs, sides.right)
    fill_many, fill_one = matching.fill_left, matching.fill_right
    if matching.card is Card.ONE_TO_MANY:
        # As in Prometheus, `fill_left` is for the "many" side here too.
        many, one = one, many
    steps = lhs.values.shape[1]
    ctx.hold((lhs.n + rhs.n) * steps * 2)
    labels, parts = pairs.labels, []
    if fill_one is not None:
        alone = many[0].present & ~_present_in_group(one, many[1], sides.count)
        rows = np.arange(many[0].n)
        parts.append((rows, np.full(len(rows), -1), many[1], alone))
        kept = many[0].labels.drop(NAME_LABELS) if drops_name else many[0].labels
        if matching.card is Card.ONE_TO_ONE:
            kept = only_matched(kept, matching)
        labels = stack_tables(labels, kept.drop(matching.include))
    if fill_many is not None:
        alone = one[0].present & ~_present_in_group(many, one[1], sides.count)
        rows = np.arange(one[0].n)
        parts.append((np.full(len(rows), -1), rows, one[1], alone))
        kept = only_matched(one[0].labels.drop(NAME_LABELS), matching)
        for name in matching.include:
            kept = kept.replace(name, one[0].labels.column(name))
        labels = stack_tables(labels, kept)
    result, first = group_matrix(code_matrix(labels, labels.columns))
    whole = Pairs(
        np.concatenate([pairs.many, *(part[0] for part in parts)]),
        np.concatenate([pairs.one, *(part[1] for part in parts)]),
        np.concatenate([pairs.group, *(part[2] for part in parts)]),
        labels,
        pairs.one_unique,
        False,
        result,
        len(first) == labels.n,
    )
    added = slice(len(pairs.many), None)
    return Filled(
        whole,
        _values(many[0], whole.many[added], fill_many),
        _values(one[0], whole.one[added], fill_one),
        np.concatenate([part[3] for part in parts]),
    )


def _present_in_group(side: tuple[Vector, Rows], group: Rows, count: int) -> Mask:
    """Where this side has something in the group of each of those rows."""
    from promlab.promql.label_kernels import any_by_group

    have = np.zeros((count, side[0].values.shape[1]), np.bool_)
    any_by_group(np.ascontiguousarray(side[0].present), side[1], have)
    found: Mask = have[group]
    return found


def _values(side: Vector, rows: Rows, fill: float | None) -> Values:
    """Values of rows; the fill value for nothing."""
    values = np.full((len(rows), side.values.shape[1]), 0.0 if fill is None else fill)
    real = rows >= 0
    values[real] = side.values[rows[real]]
    return values
