"""Evaluates a planned query bottom-up, each node over all steps at once.

One method a kind of value: `vector` gives a `Vector`, `scalar` f64[steps], `window` the
samples that a range function looks at. What a kind of node means is in its own module:
`eval_selector`, `eval_subquery`, `eval_aggregation`, `eval_binary`, and `functions/`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import cast

import numpy as np

from promlab.model.histograms import GAUGE
from promlab.model.samples import Values
from promlab.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)
from promlab.promql.context import QueryContext
from promlab.promql.eval_aggregation import aggregate
from promlab.promql.eval_binary import binary
from promlab.promql.eval_selector import Window, select_instant, select_window
from promlab.promql.eval_subquery import subquery_window
from promlab.promql.functions import call
from promlab.promql.naming import drop_name
from promlab.promql.step_counts import counted_apart
from promlab.promql.steps import Steps
from promlab.promql.vector import Vector

StepValue = Vector | Values | str


class Evaluator:
    """Evaluates the parts of one query."""

    def __init__(self, ctx: QueryContext) -> None:
        self.ctx = ctx
        self._at_hand: dict[tuple[int, Steps], Window] = {}

    def value(self, node: Expr, steps: Steps) -> StepValue:
        """Value of any expression but a range vector."""
        plan = self.ctx.plan
        if steps.count > 1 and id(node) in plan.invariant:
            return _widened(self._once(node, steps.first()), steps.count)
        number = plan.shared.get(id(node))
        if number is None:
            return self._evaluate(node, steps)
        key = (number, steps, self.ctx.statistics)
        found = self.ctx.results.get(key)
        if found is None:
            found = self.ctx.results[key] = self._kept(key, node, steps)
        if self.ctx.counts is not None:
            self.ctx.counts.add(self.ctx.counts_of[key])
        return cast(StepValue, found)

    def _once(self, node: Expr, first: Steps) -> StepValue:
        counts = self.ctx.counts
        if counts is None:
            return self.value(node, first)
        with counted_apart(self.ctx, 1) as inner:
            value = self.value(node, first)
        counts.add_once(inner)
        return value

    def _kept(self, key: Hashable, node: Expr, steps: Steps) -> StepValue:
        if self.ctx.counts is None:
            return self._evaluate(node, steps)
        with counted_apart(self.ctx, steps.count) as inner:
            value = self._evaluate(node, steps)
        self.ctx.counts_of[key] = inner
        return value

    def vector(self, node: Expr, steps: Steps) -> Vector:
        """Value of an expression that the checker found to be an instant vector."""
        value = self.value(node, steps)
        assert isinstance(value, Vector), node
        return value

    def scalar(self, node: Expr, steps: Steps) -> Values:
        """Value of a scalar expression, f64[steps]."""
        value = self.value(node, steps)
        assert isinstance(value, np.ndarray), node
        return value

    def string(self, node: Expr) -> str:
        """Value of a string expression."""
        value = self.value(node, self.ctx.steps.first())
        assert isinstance(value, str), node
        return value

    def label_name(self, node: Expr, refusal: str) -> str:
        """A string that names a label. Raises QueryError, `refusal` with the name, if it can't."""
        name, literal = self.string(node), bare(node)
        if name and isinstance(literal, StringLiteral) and literal.is_text:
            return name
        raise self.ctx.error(refusal.format(name=name), node)

    def window(self, node: Expr, steps: Steps) -> Window:
        """Samples for a range-vector expression."""
        node = bare(node)
        if isinstance(node, MatrixSelector):
            found = self._at_hand.pop((id(node), steps), None)
            return select_window(self.ctx, node, steps) if found is None else found
        assert isinstance(node, Subquery), node
        return subquery_window(self, node, steps)

    def hand(self, node: MatrixSelector, steps: Steps, window: Window) -> None:
        """The window that `window` is going to be asked for."""
        self._at_hand[id(node), steps] = window

    def _evaluate(self, node: Expr, steps: Steps) -> StepValue:
        match node:
            case NumberLiteral():
                values = np.empty(steps.count)
                values.fill(node.value)
                return values
            case StringLiteral():
                return node.value
            case Paren():
                return self.value(node.expr, steps)
            case VectorSelector():
                return select_instant(self.ctx, node, steps)
            case Call():
                return self._call(node, steps)
            case Aggregation():
                return aggregate(self, node, steps)
            case Binary():
                return self._chain(node, steps)
            case Unary():
                return self._unary(node, steps)
        raise AssertionError(f"a range vector has no value at a step: {node}")

    def _call(self, node: Call, steps: Steps) -> StepValue:
        """A function's value; what its subquery held is free again afterwards."""
        if not any(isinstance(bare(argument), Subquery) for argument in node.args):
            return call(self, node, steps)
        ctx = self.ctx
        before, kept = ctx.cells, len(ctx.results)
        value = call(self, node, steps)
        if len(ctx.results) == kept:  # else a part of it stays, for others
            ctx.cells = before + (value.values.size if isinstance(value, Vector) else 0)
        return value

    def _chain(self, node: Binary, steps: Steps) -> StepValue:
        """A chain of operators, from the first to the last: it may be a long one."""
        plan, links = self.ctx.plan, [node]
        while isinstance(below := links[-1].lhs, Binary):
            if id(below) in plan.shared or (steps.count > 1 and id(below) in plan.invariant):
                break
            links.append(below)
        value = self.value(links[-1].lhs, steps)
        for link in reversed(links):
            value = binary(self, link, value, self.value(link.rhs, steps), steps)
        return value

    def _unary(self, node: Unary, steps: Steps) -> StepValue:
        value = self.value(node.expr, steps)
        if node.op == "+" or isinstance(value, str):
            return value
        if not isinstance(value, Vector):
            return -value
        self.ctx.hold(value.values.size)
        negative = value._replace(values=-value.values)
        if negative.histograms is not None:
            table = negative.histograms.table
            column = replace(negative.histograms, table=table.scaled(-1.0).hinted(GAUGE))
            negative = negative._replace(histograms=column)
        return drop_name(self.ctx, negative, node, strict=True)


def bare(node: Expr) -> Expr:
    """The expression inside its parentheses."""
    while isinstance(node, Paren):
        node = node.expr
    return node


def _widened(value: StepValue, count: int) -> StepValue:
    if isinstance(value, str):
        return value
    if isinstance(value, Vector):
        return value.widened(count)
    return cast(Values, np.repeat(value, count))
