"""What can be known about a query before any data is read.

A plan says which parts give the same at every step (they are evaluated once) and which parts
occur more than once (they too). It depends on the text alone, so it is made once a text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

from promlab.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    Node,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
    children,
    spine,
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
    return Plan(text, expr, frozenset(invariant), _shared(expr))


_SHARED = (VectorSelector, Call, Aggregation, Binary)


def _shared(expr: Expr) -> dict[int, int]:
    """A number for each node that occurs more than once, without those inside such a node."""
    nodes = list(walk(expr))
    if sum(isinstance(node, _SHARED) for node in nodes) < 2:
        return {}
    numbers: dict[object, int] = {}
    number_of: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for node in reversed(nodes):  # what is below comes first
        key = _key(node, number_of)
        number = number_of[id(node)] = numbers.setdefault(key, len(numbers))
        counts[number] += 1
    shared: dict[int, int] = {}
    covered: set[int] = set()
    for node in nodes:  # what is above comes first
        number = number_of[id(node)]
        times = counts[number]
        if times > 1 and isinstance(node, _SHARED) and id(node) not in covered:
            shared[id(node)] = number
        if id(node) in covered or id(node) in shared:
            # Evaluated with the node around it, if that occurs as often.
            covered.update(
                id(child) for child in children(node) if counts[number_of[id(child)]] == times
            )
    return shared


def _key(node: Node, number_of: dict[int, int]) -> object:
    """What tells a node from others, nodes below it by their numbers."""
    below = tuple(number_of[id(child)] for child in children(node))
    own = tuple(
        value
        for name in _own_fields(node)
        if not isinstance(value := getattr(node, name), Node)
        and not (isinstance(value, tuple) and value and isinstance(value[0], Node))
    )
    return type(node), below, own if not isinstance(node, NumberLiteral) else node


def _own_fields(node: Node) -> tuple[str, ...]:
    """Fields that count when nodes are compared."""
    kind = type(node)
    found = _fields.get(kind)
    if found is None:
        found = tuple(part.name for part in fields(kind) if part.compare and part.init)
        _fields[kind] = found
    return found


_fields: dict[type, tuple[str, ...]] = {}


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
        case Binary():
            chain = spine(node)
            invariant = _is_invariant(chain[0].lhs, found)
            for link in chain:
                invariant = _is_invariant(link.rhs, found) and invariant
                if invariant:
                    found.add(id(link))
        case Call() | Aggregation() | Unary() | Paren():
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
