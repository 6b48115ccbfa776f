"""The rules of types: what a query that parses must obey to mean something.

Messages and places are Prometheus's. Also here: which parts of the language are experimental
(`features`, by the names that --enable-feature takes), and what a range query may be.
"""

from __future__ import annotations

from promlab.errors import PromQLSyntaxError
from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import all_match_empty
from promlab.model.quoting import go_quote
from promlab.promql.ast import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregation,
    Binary,
    Call,
    Card,
    Expr,
    MatrixSelector,
    Node,
    Paren,
    Subquery,
    Unary,
    VectorMatching,
    VectorSelector,
    spine,
)
from promlab.promql.registry import AGGREGATIONS, EXPERIMENTAL_FUNCTIONS, FUNCTIONS
from promlab.promql.valuetype import ValueType

EXTENDED_RANGES = "promql-extended-range-selectors"  # anchored, smoothed
FILL_MODIFIERS = "promql-binop-fill-modifiers"
ALL_FEATURES = frozenset({EXPERIMENTAL_FUNCTIONS, EXTENDED_RANGES, FILL_MODIFIERS})

ANCHORED_FUNCTIONS = ("changes", "delta", "increase", "rate", "resets")
SMOOTHED_FUNCTIONS = ("delta", "increase", "rate")

_VECTOR, _SCALAR = ValueType.VECTOR, ValueType.SCALAR
_NUMERIC = (_SCALAR, _VECTOR)


def check(expr: Expr, features: frozenset[str] = ALL_FEATURES) -> None:
    """Raise PromQLSyntaxError (without the query's text) at the first broken rule."""
    match expr:
        case Call():
            _check_call(expr, features)
        case Aggregation():
            _check_aggregation(expr, features)
        case Binary():
            _check_binary(expr, features)
        case Unary():
            check(expr.expr, features)
            if expr.value_type not in _NUMERIC:
                got = go_quote(expr.value_type.documented)
                message = "unary expression only allowed on expressions of type scalar or "
                raise _error(f"{message}instant vector, got {got}", expr)
        case Paren():
            check(expr.expr, features)
        case Subquery():
            check(expr.expr, features)
            if expr.expr.value_type is not _VECTOR:
                got = expr.expr.value_type.value
                message = f"subquery is only allowed on instant vector, got {got} instead"
                raise _error(message, expr)
        case MatrixSelector():
            _check_selector(expr.selector, features)
        case VectorSelector():
            _check_selector(expr, features)
            if expr.anchored:
                raise _error(
                    "anchored modifier can only be used with a range vector selector", expr
                )


def check_range_query(expr: Expr) -> None:
    """Raise PromQLSyntaxError if `expr` can't be evaluated over a range of time."""
    if expr.value_type not in _NUMERIC:
        raise PromQLSyntaxError(
            f"invalid expression type {go_quote(expr.value_type.documented)} for range query, "
            "must be Scalar or instant Vector",
            start=expr.start,
            end=expr.end,
            hint="A graph needs one value a step: put a function around the range, "
            "for instance rate(x[5m]).",
        )


def _error(message: str, node: Node) -> PromQLSyntaxError:
    return PromQLSyntaxError(message, start=node.start, end=node.end)


def _disabled(message: str, node: Node, feature: str) -> PromQLSyntaxError:
    return PromQLSyntaxError(
        message,
        start=node.start,
        end=node.end,
        hint=f"It is experimental: start the server with --enable-feature={feature}.",
    )


def _expect(expr: Expr, wanted: ValueType, context: str, features: frozenset[str]) -> None:
    check(expr, features)
    if expr.value_type is not wanted:
        raise _error(
            f"expected type {wanted.documented} in {context}, got {expr.value_type.documented}",
            expr,
        )


def _check_selector(node: VectorSelector, features: frozenset[str]) -> None:
    if node.name:
        for matcher in node.label_matchers:
            if matcher.name == METRIC_NAME:
                names = f"{go_quote(node.name)} or {go_quote(matcher.value)}"
                raise _error(f"metric name must not be set twice: {names}", node)
    if all_match_empty(node.matchers):
        raise _error("vector selector must contain at least one non-empty matcher", node)
    if (node.anchored or node.smoothed) and EXTENDED_RANGES not in features:
        word = "anchored" if node.anchored else "smoothed"
        raise _disabled(f"{word} modifier is experimental and not enabled", node, EXTENDED_RANGES)


def _check_call(node: Call, features: frozenset[str]) -> None:
    spec = FUNCTIONS[node.function]
    name, count = go_quote(node.function), len(node.args)
    if spec.experimental and EXPERIMENTAL_FUNCTIONS not in features:
        raise _disabled(f"function {name} is not enabled", node, EXPERIMENTAL_FUNCTIONS)
    most = spec.max_args
    if spec.min_args == most and count != most:
        raise _error(f"expected {most} argument(s) in call to {name}, got {count}", node)
    if count < spec.min_args:
        least = spec.min_args
        raise _error(f"expected at least {least} argument(s) in call to {name}, got {count}", node)
    if most is not None and count > most:
        raise _error(f"expected at most {most} argument(s) in call to {name}, got {count}", node)
    for i, arg in enumerate(node.args):
        if node.function == "info" and i == 1:
            if not isinstance(arg, VectorSelector) or arg.name:
                message = "expected label selectors only, got vector selector instead"
                raise _error(message, arg)
            continue
        _expect(arg, spec.argument(i).type, f"call to function {name}", features)
        _check_extended(node.function, arg)


def _check_extended(function: str, arg: Expr) -> None:
    if not isinstance(arg, MatrixSelector):
        return
    selector = arg.selector
    for used, word, allowed in (
        (selector.anchored, "anchored", ANCHORED_FUNCTIONS),
        (selector.smoothed, "smoothed", SMOOTHED_FUNCTIONS),
    ):
        if used and function not in allowed:
            raise _error(
                f"{word} modifier can only be used with: {', '.join(allowed)} "
                f"- not with {function}",
                arg,
            )


def _check_aggregation(node: Aggregation, features: frozenset[str]) -> None:
    spec = AGGREGATIONS[node.op]
    if spec.experimental and EXPERIMENTAL_FUNCTIONS not in features:
        message = f"{node.op}() is experimental and must be enabled with "
        message += f"--enable-feature={EXPERIMENTAL_FUNCTIONS}"
        raise _error(message, node)
    _expect(node.expr, _VECTOR, "aggregation expression", features)
    if spec.param is not None and node.param is not None:
        _expect(node.param, spec.param.type, "aggregation parameter", features)


def _check_binary(node: Binary, features: frozenset[str]) -> None:
    chain = spine(node)
    check(chain[0].lhs, features)
    for link in chain:
        check(link.rhs, features)
        _check_operator(link, features)


def _check_operator(node: Binary, features: frozenset[str]) -> None:
    at_operator = (node.op_start, node.op_start + len(node.op))
    if node.returns_bool and node.op not in COMPARISONS:
        raise _at("bool modifier can only be used on comparison operators", *at_operator)
    left, right = node.lhs.value_type, node.rhs.value_type
    scalars = left is _SCALAR and right is _SCALAR
    if node.op in COMPARISONS and scalars and not node.returns_bool:
        raise _at("comparisons between scalars must use BOOL modifier", *at_operator)
    if node.matching is not None:
        _check_include(node.matching, at_operator)
    for side in (node.lhs, node.rhs):
        if side.value_type not in _NUMERIC:
            message = "binary expression must contain only scalar and instant vector types"
            raise _error(message, side)
    if left is _VECTOR and right is _VECTOR:
        if node.matching is not None:
            _check_matching(node, node.matching, features)
        return
    if node.matching is not None:
        raise _error("vector matching only allowed between instant vectors", node)
    if node.op in SET_OPERATORS:
        message = f"set operator {go_quote(node.op)} not allowed in binary scalar expression"
        raise _error(message, node)


def _check_include(matching: VectorMatching, at_operator: tuple[int, int]) -> None:
    twice = next((name for name in matching.labels if name in matching.include), None)
    if matching.on and twice is not None:
        raise _at(
            f"label {go_quote(twice)} must not occur in ON and GROUP clause at once", *at_operator
        )


def _check_matching(node: Binary, matching: VectorMatching, features: frozenset[str]) -> None:
    filled = matching.fill_left is not None or matching.fill_right is not None
    if filled and FILL_MODIFIERS not in features:
        raise _disabled("fill modifiers are experimental and not enabled", node, FILL_MODIFIERS)
    if node.op in SET_OPERATORS:
        if matching.card in (Card.MANY_TO_ONE, Card.ONE_TO_MANY):
            raise _error(f"no grouping allowed for {go_quote(node.op)} operation", node)
        if filled:
            raise _error(f"no fill allowed for {go_quote(node.op)} operation", node)


def _at(message: str, start: int, end: int) -> PromQLSyntaxError:
    return PromQLSyntaxError(message, start=start, end=end)
