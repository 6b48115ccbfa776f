"""What can be known about a query before any data is read.

A plan says which parts give the same at every step (they are evaluated once) and which parts
occur more than once (they too). It depends on the text alone, so it is made once a text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

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
    children,
    walk,
)

# What these give depends on the step even where all their samples are fixed by `@`.
STEP_DEPENDENT = frozenset(
    {"time", "timestamp", "start_timestamp", "predict_linear", "minute", "hour", "month", "year"}
    | {"day_of_week", "day_of_month", "day_of_year", "days_in_month"}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked query; `invariant` and `shared` hold ids of nodes of `expr`.

    `shared` gives nodes that are equal one number; other nodes are not in it.
    """

    text: str
    expr: Expr
    invariant: frozenset[int]
    shared: dict[int, int]


def make_plan(text: str, expr: Expr) -> Plan:
    """Plan for a query that was parsed and checked."""
    invariant: set[int] = set()
    _is_invariant(expr, invariant)
    nodes = [node for node in walk(expr) if isinstance(node, _SHARED)]
    counts = Counter(nodes) if len(nodes) > 1 else {}
    numbers: dict[object, int] = {}
    shared = {
        id(node): numbers.setdefault(node, len(numbers))
        for node in nodes
        if counts.get(node, 0) > 1
    }
    return Plan(text, expr, frozenset(invariant), shared)


_SHARED = (VectorSelector, Call, Aggregation, Binary)


def _is_invariant(node: object, found: set[int]) -> bool:
    """Whether a node gives the same at every step; adds ids of all nodes that do."""
    match node:
        case NumberLiteral() | StringLiteral():
            return True
        case VectorSelector(at=at):
            invariant = at is not None
        case MatrixSelector(selector=selector):
            invariant = _is_invariant(selector, found)
        case Subquery(expr=expr, at=at):
            _is_invariant(expr, found)
            invariant = at is not None
        case Call() | Aggregation() | Binary() | Unary() | Paren():
            # Of every child: those that are invariant are noted even where this node is not.
            parts = [_is_invariant(child, found) for child in children(node)]
            below = all(parts)
            name = node.function if isinstance(node, Call) else ""
            invariant = below and name not in STEP_DEPENDENT
        case _:
            return False
    if invariant:
        found.add(id(node))
    return invariant
