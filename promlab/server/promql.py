"""The few things that the server asks of PromQL's syntax."""

from __future__ import annotations

from promlab.errors import PromQLSyntaxError
from promlab.model.matchers import Matcher
from promlab.promql.ast import Expr, VectorSelector
from promlab.server.envelope import ApiError, bad_parameter

NO_MATCHER = "match[] must contain at least one non-empty matcher"


def parse_query(text: str, features: frozenset[str] = frozenset()) -> Expr:
    """The tree of a query. Raises ApiError."""
    from promlab.promql import parse

    if not text.strip():
        raise bad_parameter("query", "unknown position: parse error: no expression found in input")
    try:
        return parse(text, features)
    except PromQLSyntaxError as error:
        raise bad_parameter("query", error) from None


def parse_matchers(text: str, parameter: str) -> list[Matcher]:
    """The matchers of a plain selector. Raises ApiError."""
    from promlab.promql import parse

    try:
        expr = parse(text)
    except PromQLSyntaxError as error:
        if "at least one non-empty matcher" in error.message:
            raise ApiError("bad_data", NO_MATCHER) from None
        raise bad_parameter(parameter, error) from None
    plain = isinstance(expr, VectorSelector) and not expr.offset and expr.at is None
    if not isinstance(expr, VectorSelector) or not plain:
        kind = type(expr).__name__
        raise bad_parameter(parameter, f"{text!r} is not a series selector, but a {kind}")
    return list(expr.matchers)


def is_constant(expr: Expr) -> bool:
    """Whether evaluating this reads no samples at all."""
    from promlab.promql import ast

    return not any(isinstance(node, VectorSelector) for node in ast.walk(expr))
