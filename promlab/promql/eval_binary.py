"""Operators between two operands: arithmetic, comparisons, sets.

Between vectors a result is one row a pair of matching rows (`matching.Pairs`), present where
both rows are and the comparison keeps it. That no series is matched twice is a rule about
each step: it is checked only where labels alone don't assure it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promlab.errors import QueryError
from promlab.model.samples import Values
from promlab.promql.ast import COMPARISONS, SET_OPERATORS, Binary, Card
from promlab.promql.binary_histograms import (
    PickedCells,
    joined_cells,
    stacked_columns,
    with_number,
)
from promlab.promql.context import QueryContext
from promlab.promql.filling import fill_missing
from promlab.promql.matching import Pairs, match_pairs, match_sides, matching_names
from promlab.promql.naming import drop_name, find_overlap, merge_same
from promlab.promql.operators import OPERATORS
from promlab.promql.steps import Steps
from promlab.promql.texts import label_set_text
from promlab.promql.vector import Mask, Vector, stack_tables, unnamed_mask

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator, StepValue

TRIMS = frozenset({"</", ">/"})
EXPLICIT = (
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
)
UNIQUE = "multiple matches for labels: grouping labels must ensure unique matches"


def binary(ev: Evaluator, node: Binary, lhs: StepValue, rhs: StepValue, steps: Steps) -> StepValue:
    """Value of an operator between two values."""
    assert not isinstance(lhs, str)
    assert not isinstance(rhs, str)
    if not isinstance(lhs, Vector):
        if not isinstance(rhs, Vector):
            return np.asarray(OPERATORS[node.op](lhs, rhs), np.float64)
        return _with_scalar(ev.ctx, node, rhs, lhs, scalar_first=True)
    if not isinstance(rhs, Vector):
        return _with_scalar(ev.ctx, node, lhs, rhs, scalar_first=False)
    if node.op in SET_OPERATORS:
        result = _set_operator(ev.ctx, node, lhs, rhs)
    else:
        result = _joined(ev.ctx, node, lhs, rhs)
    ev.ctx.cells -= lhs.values.size + rhs.values.size
    return result


def _with_scalar(
    ctx: QueryContext, node: Binary, vector: Vector, scalar: Values, *, scalar_first: bool
) -> Vector:
    """Vector and scalar: a comparison keeps the vector's value, whichever side it is on."""
    if vector.histograms is not None or node.op in TRIMS:
        return with_number(ctx, node, vector, scalar, scalar_first=scalar_first)
    sides = (scalar, vector.values) if scalar_first else (vector.values, scalar)
    result = OPERATORS[node.op](*sides)
    if node.op not in COMPARISONS:
        return drop_name(ctx, vector.with_values(result), node)
    if node.returns_bool:
        return drop_name(ctx, vector.with_values(result.astype(np.float64)), node)
    return vector.with_values(vector.values, vector.present & result)


def _joined(ctx: QueryContext, node: Binary, lhs: Vector, rhs: Vector) -> Vector:
    matching = node.matching
    assert matching is not None
    compares = node.op in COMPARISONS
    drops_name = not compares or (node.returns_bool and not ctx.options.delayed_name_removal)
    pairs = match_pairs(ctx, lhs.labels, rhs.labels, matching, drops_name=drops_name)
    swapped = matching.card is Card.ONE_TO_MANY
    many, one = (rhs, lhs) if swapped else (lhs, rhs)
    if not pairs.one_unique:
        _check_one_side(ctx, node, lhs, rhs)
    ctx.hold(len(pairs.many) * lhs.values.shape[1])
    many_values, many_present = _picked(many, pairs.many)
    one_values, one_present = _picked(one, pairs.one)
    if matching.fill_left is not None or matching.fill_right is not None:
        filled = fill_missing(ctx, matching, pairs, lhs, rhs, drops_name=drops_name)
        pairs = filled.pairs
        many_values = np.concatenate([many_values, filled.many_values])
        one_values = np.concatenate([one_values, filled.one_values])
        many_present = np.concatenate([many_present, filled.present])
        one_present = np.concatenate([one_present, filled.present])
    present = many_present & one_present
    left, right = (one_values, many_values) if swapped else (many_values, one_values)
    result = np.zeros(left.shape) if node.op in TRIMS else OPERATORS[node.op](left, right)
    if matching.card is Card.ONE_TO_ONE and not pairs.group_unique:
        # Before the comparison drops any: whether a query is sound must not hang on values.
        _check_matched_once(ctx, node, many, pairs, present)
    unnamed = None
    if compares:
        if many.unnamed is not None:
            unnamed = many.unnamed[pairs.many]
        if node.returns_bool:
            result = result.astype(np.float64)
            unnamed = np.ones(len(pairs.many), np.bool_) if not drops_name else None
    column = None
    if lhs.histograms is not None or rhs.histograms is not None or node.op in TRIMS:
        many_cells = PickedCells(many.histograms, pairs.many, many_values)
        one_cells = PickedCells(one.histograms, pairs.one, one_values)
        sides = (one_cells, many_cells) if swapped else (many_cells, one_cells)
        result, present, column = joined_cells(ctx, node, *sides, result, present)
    elif compares and not node.returns_bool:
        present &= result.astype(np.bool_)
        result = left
    if matching.card is not Card.ONE_TO_ONE and not pairs.result_unique:
        _check_results(ctx, node, many, pairs, present)
    vector = Vector(pairs.labels, result, present, unnamed).with_histograms(column)
    return vector if pairs.result_unique else merge_same(ctx, vector, node)


def _picked(
    vector: Vector, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> tuple[Values, Mask]:
    """Rows of a vector, without a copy where they are all of them."""
    if len(rows) == vector.n and not np.count_nonzero(rows != np.arange(len(rows))):
        return vector.values, vector.present
    return vector.values[rows], vector.present[rows]


def _check_one_side(ctx: QueryContext, node: Binary, lhs: Vector, rhs: Vector) -> None:
    """No match group may have two series on the "one" side, where the other has some."""
    matching = node.matching
    assert matching is not None
    sides = match_sides(ctx, lhs.labels, rhs.labels, matching)
    swapped = matching.card is Card.ONE_TO_MANY
    one, group = (lhs, sides.left) if swapped else (rhs, sides.right)
    other = rhs if swapped else lhs
    steps = np.logical_or.reduce(other.present)
    if matching.fill_left is not None:
        steps = np.ones_like(steps)  # where the other side has nothing, it is filled
    clash = find_overlap(one.present, group, sides.count, steps)
    if clash is None:
        return
    row, earlier, _ = clash
    names = matching_names(lhs.labels, rhs.labels, matching)
    shared = label_set_text(one.labels.keep(names).row(row))
    series = [label_set_text(one.labels.row(i)) for i in (row, earlier)]
    raise ctx.error(
        f"found duplicate series for the match group {shared} on the "
        f"{'left' if swapped else 'right'} hand-side of the operation: [{', '.join(series)}];"
        "many-to-many matching not allowed: matching labels must be unique on one side",
        node,
        hint="Aggregate that side, or match on a label that tells the two series apart.",
    )


def _check_matched_once(
    ctx: QueryContext, node: Binary, many: Vector, pairs: Pairs, present: Mask
) -> None:
    """In a one-to-one matching, a series matches one other."""
    clash = find_overlap(present, pairs.group, int(pairs.group.max(initial=-1)) + 1)
    if clash is not None:
        raise _matched_twice(ctx, node, many, pairs, clash, EXPLICIT)


def _check_results(
    ctx: QueryContext, node: Binary, many: Vector, pairs: Pairs, present: Mask
) -> None:
    """In a many-to-one matching, results of one match group differ in their labels."""
    both = pairs.group * (int(pairs.result.max(initial=-1)) + 1) + pairs.result
    _, ids = np.unique(both, return_inverse=True)
    clash = find_overlap(present, ids, int(ids.max(initial=-1)) + 1)
    if clash is not None:
        raise _matched_twice(ctx, node, many, pairs, clash, UNIQUE)


def _matched_twice(
    ctx: QueryContext,
    node: Binary,
    many: Vector,
    pairs: Pairs,
    clash: tuple[int, int, int],
    message: str,
) -> QueryError:
    series = [label_set_text(many.labels.row(int(pairs.many[i]))) for i in sorted(clash[:2])]
    return ctx.error(message, node, hint=f"These series match the same one: {', '.join(series)}.")


def _set_operator(ctx: QueryContext, node: Binary, lhs: Vector, rhs: Vector) -> Vector:
    """`and`, `unless`: left series by what the right side has at each step; `or`: both."""
    from promlab.promql.label_kernels import any_by_group

    assert node.matching is not None
    sides = match_sides(ctx, lhs.labels, rhs.labels, node.matching)
    steps = lhs.values.shape[1]
    ctx.hold(sides.count * steps)
    have = np.zeros((sides.count, steps), np.bool_)
    if node.op != "or":
        any_by_group(rhs.present, sides.right, have)
        other = have[sides.left]
        kept = lhs.present & (other if node.op == "and" else ~other)
        return lhs.where(kept)
    any_by_group(lhs.present, sides.left, have)
    ctx.hold((lhs.n + rhs.n) * steps)
    unnamed = None
    if lhs.unnamed is not None or rhs.unnamed is not None:
        unnamed = np.concatenate([unnamed_mask(lhs), unnamed_mask(rhs)])
    tables = (lhs.labels, rhs.labels)
    both = Vector(
        ctx.remember(tables, "stacked", lambda: stack_tables(*tables)),
        np.concatenate([lhs.values, rhs.values]),
        np.concatenate([lhs.present, rhs.present & ~have[sides.right]]),
        unnamed,
        stacked_columns(lhs, rhs, ~have[sides.right]),
    )
    return merge_same(ctx, both, node)
