"""The tree of a PromQL query: frozen nodes with types and positions.

Every node knows `start` and `end`, 0-based character offsets in the text it was parsed from
(both 0 where it was made by hand); comparing and hashing ignore them. `str(node)` is PromQL
that parses back to an equal tree. Trees are at most `MAX_DEPTH` levels deep, so a plain
recursion over them is safe; but a chain of operators, `a + b + c`, is one level however long it
is, and has to be followed with `spine`.

A `Duration` is an int, milliseconds, wherever the query has a plain literal (`5m`, `300`,
`-1h`); anything that is computed (`step() + 1m`) stays a `DurationExpr` until
`promlab.promql.durations.duration_ms(duration, step_ms, range_ms)` is asked for it.

This module holds shapes only: parsing is in `parser.py`, rules in `checks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, Self, cast

from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import Matcher, MatchType
from promlab.promql.registry import FUNCTIONS
from promlab.promql.valuetype import ValueType

MAX_DEPTH = 256

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
SET_OPERATORS = frozenset({"and", "or", "unless"})


class AtBound(Enum):
    """`@ start()` and `@ end()`: the ends of the query's time range."""

    START = "start"
    END = "end"


class Card(Enum):
    """How many series on each side of an operator may share one set of matching labels."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"  # group_left
    ONE_TO_MANY = "one-to-many"  # group_right
    MANY_TO_MANY = "many-to-many"  # and, or, unless


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all nodes have: where they stand in the query."""

    start: int = field(default=0, compare=False, repr=False)
    end: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        from promlab.promql.printer import to_text

        return to_text(self)

    def __deepcopy__(self, memo: object) -> Self:
        return self  # nothing of it can change


@dataclass(frozen=True, slots=True, eq=False)
class NumberLiteral(Node):
    """A number with its sign; `duration` if it was written with units (`5m` is 300)."""

    value: float
    duration: bool = False

    def _key(self) -> tuple[str, bool]:
        # The text of a float: tells 0 from -0, and finds NaN equal to NaN.
        return repr(self.value), self.duration

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumberLiteral) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def value_type(self) -> ValueType:
        """scalar"""
        return ValueType.SCALAR


@dataclass(frozen=True, slots=True)
class StringLiteral(Node):
    """A string, escapes resolved. Where they spell bytes that are no text, it can't be a name."""

    value: str
    is_text: bool = field(default=True, compare=False)

    @property
    def value_type(self) -> ValueType:
        """string"""
        return ValueType.STRING


@dataclass(frozen=True, slots=True)
class DurationUnary(Node):
    """`-` or `+` before something that is not a literal."""

    op: str
    expr: DurationExpr


@dataclass(frozen=True, slots=True)
class DurationBinary(Node):
    """`+ - * / % ^` between durations (seconds)."""

    op: str
    lhs: DurationExpr
    rhs: DurationExpr


@dataclass(frozen=True, slots=True)
class DurationCall(Node):
    """`step()`, `range()`, `min_of(a, b)`, `max_of(a, b)` inside a duration."""

    function: str
    args: tuple[DurationExpr, ...] = ()


@dataclass(frozen=True, slots=True)
class DurationParen(Node):
    """A duration in parentheses."""

    expr: DurationExpr


DurationExpr = NumberLiteral | DurationUnary | DurationBinary | DurationCall | DurationParen
Duration = int | DurationExpr  # an int is milliseconds
At = int | AtBound | None  # an int is UTC milliseconds


@dataclass(frozen=True, slots=True)
class VectorSelector(Node):
    """Series by name and matchers.

    `matchers` is all that storage needs: where the query gives a metric name, an equality
    matcher for `__name__` is among them, first. `name` is "" where the query gives none.
    """

    name: str = ""
    matchers: tuple[Matcher, ...] = ()
    offset: Duration = 0
    at: At = None
    anchored: bool = False
    smoothed: bool = False

    @property
    def value_type(self) -> ValueType:
        """vector"""
        return ValueType.VECTOR

    @property
    def label_matchers(self) -> tuple[Matcher, ...]:
        """The matchers that stand in the braces: all but the one made from `name`."""
        return self.matchers[1:] if self.name else self.matchers


@dataclass(frozen=True, slots=True)
class MatrixSelector(Node):
    """`selector[range]`. Offset, `@`, anchored and smoothed stand on the selector."""

    selector: VectorSelector
    range: Duration

    @property
    def value_type(self) -> ValueType:
        """matrix"""
        return ValueType.MATRIX


@dataclass(frozen=True, slots=True)
class Subquery(Node):
    """`expr[range:step]`; step None is the default interval of the server."""

    expr: Expr
    range: Duration
    step: Duration | None = None
    offset: Duration = 0
    at: At = None

    @property
    def value_type(self) -> ValueType:
        """matrix"""
        return ValueType.MATRIX


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function call; `function` is a name of `registry.FUNCTIONS`."""

    function: str
    args: tuple[Expr, ...] = ()

    @property
    def value_type(self) -> ValueType:
        """What the function returns."""
        return FUNCTIONS[self.function].returns


@dataclass(frozen=True, slots=True)
class Aggregation(Node):
    """`op by|without (grouping) (param, expr)`; `op` is lower case."""

    op: str
    expr: Expr
    param: Expr | None = None
    grouping: tuple[str, ...] = ()
    without: bool = False

    @property
    def value_type(self) -> ValueType:
        """vector"""
        return ValueType.VECTOR


@dataclass(frozen=True, slots=True)
class VectorMatching:
    """How series of two vectors find each other.

    `on` tells whether `labels` are the ones to match on or to ignore; `include` are the
    labels that the "one" side adds; the fill values stand in for a missing side.
    """

    card: Card = Card.ONE_TO_ONE
    labels: tuple[str, ...] = ()
    on: bool = False
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Node):
    """`lhs op rhs`; `op` is lower case; `matching` exactly where both sides are vectors.

    Type and hash are found once, when the node is made: chains of operators may be long.
    """

    op: str
    lhs: Expr
    rhs: Expr
    returns_bool: bool = False
    matching: VectorMatching | None = None
    op_start: int = field(default=0, compare=False, repr=False, kw_only=True)
    _type: ValueType = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        scalar = ValueType.SCALAR
        both = self.lhs.value_type is scalar and self.rhs.value_type is scalar
        object.__setattr__(self, "_type", scalar if both else ValueType.VECTOR)
        parts = self.op, self.lhs, self.rhs, self.returns_bool, self.matching
        object.__setattr__(self, "_hash", hash(parts))

    def __eq__(self, other: object) -> bool:
        left: Expr = self
        while isinstance(left, Binary):
            if left is other:
                return True
            if not isinstance(other, Binary) or left._hash != other._hash:
                return False
            if (left.op, left.returns_bool, left.matching) != (
                other.op, other.returns_bool, other.matching
            ) or left.rhs != other.rhs:  # fmt: skip
                return False
            left, other = left.lhs, other.lhs
        return left == other

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:
        # Flat, as a chain may be longer than pickling nests; and hashes differ by process.
        chain = spine(self)
        links = [
            (link.op, link.rhs, link.returns_bool, link.matching,
             link.start, link.end, link.op_start)
            for link in chain
        ]  # fmt: skip
        return _chained, (chain[0].lhs, links)

    def __repr__(self) -> str:
        chain = spine(self)
        parts = [f"Binary(op={link.op!r}, lhs=" for link in reversed(chain)]
        parts.append(repr(chain[0].lhs))
        parts += (
            f", rhs={link.rhs!r}, returns_bool={link.returns_bool}, matching={link.matching})"
            for link in chain
        )
        return "".join(parts)

    @property
    def value_type(self) -> ValueType:
        """scalar between scalars, else vector"""
        return self._type


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-expr` or `+expr` (a sign before a number belongs to the number)."""

    op: str
    expr: Expr

    @property
    def value_type(self) -> ValueType:
        """That of the operand."""
        return self.expr.value_type


@dataclass(frozen=True, slots=True)
class Paren(Node):
    """`(expr)`."""

    expr: Expr

    @property
    def value_type(self) -> ValueType:
        """That of what is inside."""
        return self.expr.value_type


Expr = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregation
    | Binary
    | Unary
    | Paren
)


def selector(
    name: str = "", *matchers: Matcher, offset: Duration = 0, at: At = None
) -> VectorSelector:
    """A vector selector made by hand; adds the matcher for the name."""
    named = (Matcher(METRIC_NAME, MatchType.EQUAL, name),) if name else ()
    return VectorSelector(name, (*named, *matchers), offset, at)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, durations that are expressions among them, in text order."""
    match node:
        case MatrixSelector():
            return _nodes(node.selector, node.range)
        case VectorSelector():
            return _nodes(node.offset)
        case Subquery():
            return _nodes(node.expr, node.range, node.step, node.offset)
        case Call() | DurationCall():
            return node.args
        case Aggregation():
            return _nodes(node.param, node.expr)
        case Binary() | DurationBinary():
            return (node.lhs, node.rhs)
        case Unary() | Paren() | DurationUnary() | DurationParen():
            return (node.expr,)
    return ()


def _nodes(*parts: Node | int | None) -> tuple[Node, ...]:
    return tuple(part for part in parts if isinstance(part, Node))


def spine(node: Binary) -> list[Binary]:
    """A chain of operators from the first one to the last, which is `node`."""
    found = [node]
    while isinstance(found[-1].lhs, Binary):
        found.append(found[-1].lhs)
    return found[::-1]


def _chained(first: Expr, links: list[tuple[Any, ...]]) -> Expr:
    """The chain of operators that was taken apart into its first operand and its links."""
    for op, rhs, returns_bool, matching, start, end, op_start in links:
        places = {"start": start, "end": end, "op_start": op_start}
        first = Binary(op, first, rhs, returns_bool, matching, **places)
    return first


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, parents first, in text order."""
    todo = [node]
    while todo:
        found = todo.pop()
        yield found
        todo.extend(reversed(children(found)))


def rewrite(node: Node, f: Callable[[Node], Node]) -> Node:
    """A copy of the tree in which every node is what `f` makes of it, children first.

    `f` gets a node whose children are rewritten already and gives the node to put there:
    the same one to leave it. Parts that don't change are shared, not copied.
    """
    if isinstance(node, Binary):
        chain = spine(node)
        made = rewrite(chain[0].lhs, f)
        for link in chain:
            right = rewrite(link.rhs, f)
            if made is not link.lhs or right is not link.rhs:
                link = replace(link, lhs=cast(Expr, made), rhs=cast(Expr, right))
            made = f(link)
        return made
    changed: dict[str, Any] = {}
    for part in fields(node):
        old = getattr(node, part.name)
        new: object = old
        if isinstance(old, Node):
            new = rewrite(old, f)
        elif isinstance(old, tuple) and old and isinstance(old[0], Node):
            new = tuple(rewrite(child, f) for child in old)
            if all(a is b for a, b in zip(old, new, strict=True)):
                new = old
        if new is not old:
            changed[part.name] = new
    return f(replace(node, **changed) if changed else node)
