"""Which series of two vectors belong together.

Matching depends on labels alone, so it is worked out once for two label tables: pairs of
rows, the labels of their results, and where rules about uniqueness have to be checked step
by step, because more than one series may claim a match there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.promql.ast import Card, VectorMatching
from promlab.promql.context import QueryContext
from promlab.promql.grouping import code_matrix, group_matrix
from promlab.promql.naming import NAME_LABELS
from promlab.promql.vector import Rows


@dataclass(frozen=True, slots=True)
class Sides:
    """Match group of each row on both sides; groups have the same numbers on both."""

    left: Rows
    right: Rows
    count: int


class Pairs(NamedTuple):
    """Rows to be combined: `many[i]` with `one[i]`, both of match group `group[i]`.

    `labels` are those of the results. `one_unique` says that no match group has two rows on
    the "one" side, `group_unique` that none has two pairs, `result` numbers equal results,
    and `result_unique` says that there are none.
    """

    many: Rows
    one: Rows
    group: Rows
    labels: LabelTable
    one_unique: bool
    group_unique: bool
    result: Rows
    result_unique: bool


def match_sides(
    ctx: QueryContext, left: LabelTable, right: LabelTable, matching: VectorMatching
) -> Sides:
    """Match groups of all rows of two tables."""

    def make() -> Sides:
        names = matching_names(left, right, matching)
        both = np.concatenate([code_matrix(left, names), code_matrix(right, names)])
        of_row, first = group_matrix(both)
        return Sides(of_row[: left.n], of_row[left.n :], len(first))

    key = ("sides", matching.on, matching.labels)
    return ctx.remember((left, right), key, make)


def matching_names(left: LabelTable, right: LabelTable, matching: VectorMatching) -> list[str]:
    """The labels that have to be equal."""
    if matching.on:
        return list(matching.labels)
    ignored = {*matching.labels, METRIC_NAME}
    return [name for name in dict.fromkeys([*left.columns, *right.columns]) if name not in ignored]


def match_pairs(
    ctx: QueryContext,
    left: LabelTable,
    right: LabelTable,
    matching: VectorMatching,
    *,
    drops_name: bool,
) -> Pairs:
    """All pairs of rows that match. Raises TooManySamples if they are too many to hold."""
    key = ("pairs", matching, drops_name)
    return ctx.remember(
        (left, right), key, lambda: _make_pairs(ctx, left, right, matching, drops_name)
    )


def _make_pairs(
    ctx: QueryContext,
    left: LabelTable,
    right: LabelTable,
    matching: VectorMatching,
    drops_name: bool,
) -> Pairs:
    sides = match_sides(ctx, left, right, matching)
    swapped = matching.card is Card.ONE_TO_MANY
    many_table, one_table = (right, left) if swapped else (left, right)
    many_group, one_group = (sides.right, sides.left) if swapped else (sides.left, sides.right)
    per_group = np.bincount(one_group, minlength=sides.count)
    partners = per_group[many_group]
    count = int(partners.sum())
    ctx.hold(count)
    ctx.cells -= count
    many = np.repeat(np.arange(len(many_group)), partners)
    ordered = np.argsort(one_group, kind="stable")
    starts = np.concatenate([[0], np.cumsum(per_group)])[many_group]
    within = np.arange(len(many)) - np.repeat(np.cumsum(partners) - partners, partners)
    one = ordered[np.repeat(starts, partners) + within]
    group = many_group[many]
    labels = _result_labels(many_table, one_table, many, one, matching, drops_name)
    result, first = group_matrix(code_matrix(labels, labels.columns))
    return Pairs(
        many,
        one,
        group,
        labels,
        bool((per_group <= 1).all()),
        len(group) == 0 or int(np.bincount(group).max()) <= 1,
        result,
        len(first) == len(many),
    )


def _result_labels(
    many_table: LabelTable,
    one_table: LabelTable,
    many: Rows,
    one: Rows,
    matching: VectorMatching,
    drops_name: bool,
) -> LabelTable:
    """Labels of the "many" side, as the matching leaves or completes them."""
    kept = many_table.drop(NAME_LABELS) if drops_name else many_table
    if matching.card is Card.ONE_TO_ONE:
        kept = only_matched(kept, matching)
    whole = len(many) == many_table.n and bool((many == np.arange(len(many))).all())
    labels = kept if whole else kept.take(many)
    symbols = kept.symbols if len(kept.symbols) >= len(one_table.symbols) else one_table.symbols
    columns = dict(labels.columns)
    for name in matching.include:
        columns[name] = one_table.column(name)[one]
    return LabelTable(labels.n, columns, symbols)


def only_matched(labels: LabelTable, matching: VectorMatching) -> LabelTable:
    """The labels that a match is made by."""
    return labels.keep(matching.labels) if matching.on else labels.drop(matching.labels)
