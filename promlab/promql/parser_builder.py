"""Makes the nodes of the tree while the LALR parser reduces the grammar's rules.

One method a rule (or alias) of grammar.lark; each takes the list of what its parts became.
Mistakes that need no types are found here; they are raised without the query's text, which
`parser.py` adds. The builder remembers how deep each node is, so that no tree gets deeper
than `MAX_DEPTH`.
"""

# ruff: noqa: D102 - each method is named for a rule of grammar.lark, which says what it is
from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from lark import Token

from promlab.errors import PromQLSyntaxError
from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import BadRegex, Matcher, MatchType
from promlab.promql import ast
from promlab.promql.ast import (
    MAX_DEPTH,
    Aggregation,
    At,
    AtBound,
    Binary,
    Call,
    Card,
    Expr,
    MatrixSelector,
    Node,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorMatching,
    VectorSelector,
)
from promlab.promql.durations import MAX_S, to_ms
from promlab.promql.parser_lexer import too_deep
from promlab.promql.parser_literals import duration_s, number, string
from promlab.promql.printer import go_quote, matcher_text
from promlab.promql.registry import AGGREGATIONS, FUNCTIONS
from promlab.promql.valuetype import ValueType

_N = TypeVar("_N", bound=Node)
_PLAIN = VectorMatching()
_OPERATORS = {kind.value: kind for kind in MatchType}
# What Go's regular expressions call what C++'s call otherwise.
_GO_REGEX_ERRORS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "trailing \\": "trailing backslash at end of expression",
}


class Arguments(NamedTuple):
    """What stands in the parentheses of a call."""

    args: tuple[Expr, ...]
    end: int


class Labels(NamedTuple):
    """A list of label names in parentheses."""

    names: tuple[str, ...]
    end: int


class Grouping(NamedTuple):
    """`by (...)` or `without (...)`."""

    without: bool
    names: tuple[str, ...]
    end: int


class Braces(NamedTuple):
    """Matchers of a selector."""

    matchers: tuple[Matcher, ...]
    start: int
    end: int


class Modifiers(NamedTuple):
    """What stands between an operator and its right side."""

    returns_bool: bool
    matching: VectorMatching | None


class Signed(NamedTuple):
    """A number with its sign, and where it stands."""

    value: float
    start: int
    end: int


class Builder:
    """Callbacks of the parser. `begin()` before each query; not for two threads at once."""

    def begin(self) -> None:
        """Forget the query before."""
        self._depths: dict[int, int] = {}
        self._nodes: list[Node] = []  # keeps ids of noted nodes from being used again

    def _note(self, node: _N, *below: Node | int | None) -> _N:
        depth = 1 + max((self._depths.get(id(part), 0) for part in below), default=0)
        if depth > MAX_DEPTH:
            raise too_deep(node.start, node.end)
        self._depths[id(node)] = depth
        self._nodes.append(node)
        return node

    # ------------------------------------------------------------------ expressions

    def start(self, parts: list[Any]) -> Expr:
        (expr,) = parts
        return expr

    def binary(self, parts: list[Any]) -> Binary:
        lhs, op, modifiers, rhs = parts
        name = op.lower()
        node = Binary(
            name,
            lhs,
            rhs,
            modifiers.returns_bool,
            _matching_of(name, lhs, rhs, modifiers.matching),
            start=lhs.start,
            end=rhs.end,
            op_start=op.start_pos,
        )
        return self._note(node, lhs, rhs)

    def modifiers(self, parts: list[Any]) -> Modifiers:
        returns_bool, matching, fills = False, None, {}
        for part in parts:
            if isinstance(part, Token):
                returns_bool = True
            elif isinstance(part, VectorMatching):
                matching = part
            else:
                name, value, at = part
                for side in ("fill_left", "fill_right") if name == "fill" else (name,):
                    if side in fills:
                        raise _error("fill modifier set twice for the same side", at, at)
                    fills[side] = value
        if fills:
            matching = replace(matching or _PLAIN, **fills)
        return Modifiers(returns_bool, matching)

    def matching(self, parts: list[Any]) -> VectorMatching:
        kind, labels, *group = parts
        card, include = Card.ONE_TO_ONE, ()
        if group:
            left = group[0].lower() == "group_left"
            card = Card.MANY_TO_ONE if left else Card.ONE_TO_MANY
            include = group[1].names if len(group) > 1 else ()
        return VectorMatching(card, labels.names, kind.lower() == "on", include)

    def fill(self, parts: list[Any]) -> tuple[str, float, int]:
        name, _, value, _ = parts
        return name.lower(), value.value, name.start_pos

    def unary(self, parts: list[Any]) -> Expr:
        sign, expr = parts
        if isinstance(expr, NumberLiteral):
            return self._note(_with_sign(sign, expr))
        return self._note(Unary(str(sign), expr, start=sign.start_pos, end=expr.end), expr)

    def paren(self, parts: list[Any]) -> Paren:
        opening, expr, closing = parts
        return self._note(Paren(expr, start=opening.start_pos, end=closing.end_pos), expr)

    def number(self, parts: list[Any]) -> NumberLiteral:
        (token,) = parts
        is_duration = token.type == "DURATION"
        return self._note(
            NumberLiteral(_value(token), is_duration, start=token.start_pos, end=token.end_pos)
        )

    def string(self, parts: list[Any]) -> StringLiteral:
        (token,) = parts
        node = StringLiteral(_text(token), start=token.start_pos, end=token.end_pos)
        return self._note(node)

    def call(self, parts: list[Any]) -> Call:
        name, arguments = parts
        if name not in FUNCTIONS:
            message = f"unknown function with name {go_quote(name)}"
            raise _error(message, name.start_pos, name.end_pos)
        node = Call(str(name), arguments.args, start=name.start_pos, end=arguments.end)
        return self._note(node, *arguments.args)

    def arguments(self, parts: list[Any]) -> Arguments:
        args = tuple(part for part in parts if not isinstance(part, Token))
        return Arguments(args, parts[-1].end_pos)

    def aggregation(self, parts: list[Any]) -> Aggregation:
        token, *rest = parts
        op, start, end = token.lower(), token.start_pos, rest[-1].end
        (args,) = (part.args for part in rest if isinstance(part, Arguments))
        grouping = next((part for part in rest if isinstance(part, Grouping)), None)
        if not args:
            raise _error("no arguments for aggregate expression provided", start, end)
        expected = 2 if AGGREGATIONS[op].param else 1
        if len(args) != expected:
            raise _error(
                "wrong number of arguments for aggregate expression provided, "
                f"expected {expected}, got {len(args)}",
                start,
                end,
            )
        node = Aggregation(
            op,
            args[-1],
            args[0] if expected == 2 else None,
            grouping.names if grouping else (),
            grouping.without if grouping else False,
            start=start,
            end=end,
        )
        return self._note(node, *args)

    def grouping(self, parts: list[Any]) -> Grouping:
        kind, labels = parts
        return Grouping(kind.type == "WITHOUT", labels.names, labels.end)

    def labels(self, parts: list[Any]) -> Labels:
        names = tuple(part for part in parts if not isinstance(part, Token))
        return Labels(names, parts[-1].end_pos)

    def label(self, parts: list[Any]) -> str:
        (token,) = parts
        if token.type != "STRING":
            # Not str(token): that would still be a Token, and no name.
            return "".join(token)
        name = _text(token)
        if not name:
            raise _error('invalid label name for grouping: ""', token.start_pos, token.end_pos)
        return name

    # ------------------------------------------------------------------ selectors

    def metric(self, parts: list[Any]) -> Token:
        (token,) = parts
        return token

    def named_selector(self, parts: list[Any]) -> VectorSelector:
        token, *rest = parts
        name = "".join(token)
        matchers = rest[0].matchers if rest else ()
        end = rest[0].end if rest else token.end_pos
        for matcher in matchers:
            if matcher.name == METRIC_NAME:
                raise _error(
                    "metric name must not be set twice: "
                    f"{go_quote(name)} or {go_quote(matcher.value)}",
                    token.start_pos,
                    end,
                )
        named = Matcher(METRIC_NAME, MatchType.EQUAL, name)
        return self._note(VectorSelector(name, (named, *matchers), start=token.start_pos, end=end))

    def bare_selector(self, parts: list[Any]) -> VectorSelector:
        (braces,) = parts
        return self._note(VectorSelector("", braces.matchers, start=braces.start, end=braces.end))

    def braces(self, parts: list[Any]) -> Braces:
        found = (part for part in parts if isinstance(part, Matcher))
        ordered = tuple(sorted(found, key=matcher_text))
        return Braces(ordered, parts[0].start_pos, parts[-1].end_pos)

    def matcher(self, parts: list[Any]) -> Matcher:
        name, op, value = parts
        label = _text(name) if name.type == "STRING" else "".join(name)
        try:
            return Matcher(label, _OPERATORS[op], _text(value))
        except BadRegex as error:
            raise _error(_regex_error(str(error)), name.start_pos, value.end_pos) from None

    def name_matcher(self, parts: list[Any]) -> Matcher:
        (value,) = parts
        return Matcher(METRIC_NAME, MatchType.EQUAL, _text(value))

    def matrix(self, parts: list[Any]) -> MatrixSelector:
        expr, bracket, length, closing = parts
        at = bracket.start_pos
        if not isinstance(expr, VectorSelector):
            raise _error("ranges only allowed for vector selectors", at, closing.end_pos)
        for what, given in (
            ("offset", expr.offset != 0),
            ("@", expr.at is not None),
            ("anchored or smoothed", expr.anchored or expr.smoothed),
        ):
            if given:
                message = f"no {what} modifiers allowed before range"
                raise _error(message, at, closing.end_pos)
        node = MatrixSelector(expr, _positive(length), start=expr.start, end=closing.end_pos)
        return self._note(node, expr, length)

    def subquery(self, parts: list[Any]) -> Subquery:
        expr, _, length, _, *step, closing = parts
        interval = _positive(step[0]) if step else None
        node = Subquery(expr, _positive(length), interval, start=expr.start, end=closing.end_pos)
        return self._note(node, expr, length, *step)

    def offset(self, parts: list[Any]) -> Expr:
        expr, _, length = parts
        selector = _modified(expr, "offset")
        if selector.offset != 0:
            raise _error("offset may not be set multiple times", expr.start, length.end)
        value = to_ms(length.value) if isinstance(length, NumberLiteral) else length
        changed = replace(selector, offset=value)
        return self._note(_with_selector(expr, changed, length.end), expr, length)

    def at(self, parts: list[Any]) -> Any:
        if len(parts) == 1:  # the rule `at: signed`
            return parts[0]
        expr, _, moment = parts
        selector = _modified(expr, "@")
        if selector.at is not None:
            raise _error("@ <timestamp> may not be set multiple times", expr.start, moment[-1])
        changed = replace(selector, at=_at_ms(moment, expr))
        return self._note(_with_selector(expr, changed, moment[-1]), expr)

    def at_bound(self, parts: list[Any]) -> tuple[AtBound, int]:
        word, _, closing = parts
        return AtBound(word.lower()), closing.end_pos

    def signed(self, parts: list[Any]) -> Signed:
        value = _value(parts[-1])
        negative = len(parts) == 2 and parts[0] == "-"
        return Signed(-value if negative else value, parts[0].start_pos, parts[-1].end_pos)

    def extended(self, parts: list[Any]) -> Expr:
        expr, token = parts
        word, end = token.lower(), token.end_pos
        selector = expr.selector if isinstance(expr, MatrixSelector) else expr
        if not isinstance(selector, VectorSelector):
            raise _error(
                f"{word} modifier must be preceded by an instant vector selector or "
                "range vector selector",
                expr.start,
                end,
            )
        if selector.anchored or selector.smoothed:
            raise _error(
                "anchored and smoothed modifiers cannot be used together, nor twice",
                expr.start,
                end,
            )
        changed = replace(selector, anchored=word == "anchored", smoothed=word == "smoothed")
        return self._note(_with_selector(expr, changed, end), expr)

    # ------------------------------------------------------------------ durations

    def duration_number(self, parts: list[Any]) -> NumberLiteral:
        (literal,) = parts
        if not abs(literal.value) <= MAX_S:
            raise _error("duration out of range", literal.start, literal.end)
        return literal

    def duration_unary(self, parts: list[Any]) -> ast.DurationExpr:
        sign, expr = parts
        if isinstance(expr, NumberLiteral):
            return self._note(_with_sign(sign, expr))
        node = ast.DurationUnary(str(sign), expr, start=sign.start_pos, end=expr.end)
        return self._note(node, expr)

    def duration_binary(self, parts: list[Any]) -> ast.DurationBinary:
        lhs, op, rhs = parts
        if op in ("/", "%") and isinstance(rhs, NumberLiteral) and rhs.value == 0:
            what = "division" if op == "/" else "modulo"
            raise _error(f"{what} by zero", rhs.start, rhs.end)
        node = ast.DurationBinary(str(op), lhs, rhs, start=lhs.start, end=rhs.end)
        return self._note(node, lhs, rhs)

    def duration_call(self, parts: list[Any]) -> ast.DurationCall:
        name, *rest = parts
        args = tuple(part for part in rest if not isinstance(part, Token))
        node = ast.DurationCall(name.lower(), args, start=name.start_pos, end=rest[-1].end_pos)
        return self._note(node, *args)

    def duration_paren(self, parts: list[Any]) -> ast.DurationExpr:
        opening, expr, closing = parts
        if isinstance(expr, (NumberLiteral, ast.DurationParen)):
            return expr
        node = ast.DurationParen(expr, start=opening.start_pos, end=closing.end_pos)
        return self._note(node, expr)


def _error(message: str, start: int, end: int) -> PromQLSyntaxError:
    return PromQLSyntaxError(message, start=start, end=end)


def _regex_error(text: str) -> str:
    """RE2's message in the words of Go's regular expressions."""
    prefix = "error parsing regexp: "
    what, _, part = text.removeprefix(prefix).partition(": ")
    return f"{prefix}{_GO_REGEX_ERRORS.get(what, what)}: `{part}`"


def _value(token: Token) -> float:
    convert = duration_s if token.type == "DURATION" else number
    try:
        return convert(token)
    except ValueError as error:
        raise _error(str(error), token.start_pos or 0, token.end_pos or 0) from None


def _text(token: Token) -> str:
    try:
        return string("".join(token))
    except ValueError as error:
        raise _error(str(error), token.start_pos or 0, token.end_pos or 0) from None


def _with_sign(sign: Token, literal: NumberLiteral) -> NumberLiteral:
    value = -literal.value if sign == "-" else literal.value
    value = math.nan if value != value else value
    return replace(literal, value=value, start=sign.start_pos)


def _matching_of(
    op: str, lhs: Expr, rhs: Expr, given: VectorMatching | None
) -> VectorMatching | None:
    vector = ValueType.VECTOR
    if lhs.value_type is vector and rhs.value_type is vector:
        matching = given or _PLAIN
        if op in ast.SET_OPERATORS and matching.card is Card.ONE_TO_ONE:
            return replace(matching, card=Card.MANY_TO_MANY)
        return matching
    # Kept where it means something, for the checks to refuse.
    means = given is not None and (
        given.labels or given.fill_left is not None or given.fill_right is not None
    )
    return given if means else None


def _positive(length: ast.DurationExpr) -> ast.Duration:
    if not isinstance(length, NumberLiteral):
        return length
    if not length.value > 0:
        raise _error("duration must be greater than 0", length.start, length.end)
    return to_ms(length.value)


def _modified(expr: Expr, what: str) -> VectorSelector | Subquery:
    """The node that carries the modifiers of `expr`."""
    if isinstance(expr, MatrixSelector):
        return expr.selector
    if isinstance(expr, VectorSelector | Subquery):
        return expr
    raise _error(
        f"{what} modifier must be preceded by an instant vector selector or "
        "range vector selector or a subquery",
        expr.start,
        expr.end,
    )


def _with_selector(expr: Expr, selector: VectorSelector | Subquery, end: int) -> Expr:
    if isinstance(expr, MatrixSelector) and isinstance(selector, VectorSelector):
        return replace(expr, selector=selector, end=end)
    return replace(selector, end=end)


def _at_ms(moment: Signed | tuple[AtBound, int], expr: Expr) -> At:
    if not isinstance(moment, Signed):
        return moment[0]
    milliseconds = moment.value * 1000
    if not abs(milliseconds) < 2**63:
        value = moment.value
        shown = (
            f"{value:f}"
            if math.isfinite(value)
            else {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
        )
        message = f"timestamp out of bounds for @ modifier: {shown}"
        raise _error(message, expr.start, moment.end)
    return math.floor(milliseconds + 0.5) if milliseconds >= 0 else math.ceil(milliseconds - 0.5)
