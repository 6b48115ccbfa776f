"""The few things that the server asks of PromQL's syntax."""

from __future__ import annotations

from promlab.errors import PromQLSyntaxError
from promlab.model.matchers import Matcher
from promlab.promql.ast import Expr, VectorSelector
from promlab.server.envelope import bad_parameter


def parse_query(text: str, features: frozenset[str] = frozenset()) -> Expr:
    """The tree of a query. Raises ApiError."""
    from promlab.promql import parse

    if not text:
        raise bad_parameter("query", "unknown position: parse error: no expression found in input")
    try:
        return parse(text, features)
    except PromQLSyntaxError as error:
        raise bad_parameter("query", error) from None


def parse_matchers(text: str, parameter: str) -> list[Matcher]:
    """The matchers of a plain selector, which may match everything. Raises ApiError."""
    from promlab.promql import parse_selector

    if not text:
        raise bad_parameter(parameter, "unknown position: parse error: unexpected end of input")
    try:
        return list(parse_selector(text))
    except PromQLSyntaxError as error:
        raise bad_parameter(parameter, error) from None


def is_constant(expr: Expr) -> bool:
    """Whether evaluating this reads no samples at all."""
    from promlab.promql import ast

    return not any(isinstance(node, VectorSelector) for node in ast.walk(expr))
