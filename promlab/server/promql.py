"""The few things that the server asks of PromQL's syntax."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from promlab.errors import PromQLSyntaxError
from promlab.model.matchers import Matcher
from promlab.promql.ast import Expr, Subquery, VectorSelector
from promlab.server.envelope import ApiError, bad_parameter

if TYPE_CHECKING:
    from promlab.server.queries import QueryEngine

_SHORT = 200
_CONSTANT_NODES = 50


def parse_query(text: str, features: frozenset[str] = frozenset()) -> Expr:
    """The tree of a query. Raises ApiError."""
    from promlab.promql.parser import parse

    if not text:
        raise _nothing_asked()
    try:
        return parse(text, features)
    except PromQLSyntaxError as error:
        raise bad_parameter("query", error) from None


def planned_query(text: str, engine: QueryEngine) -> Expr:
    """The tree of a query that an engine is going to evaluate. Raises ApiError."""
    if not text:
        raise _nothing_asked()
    try:
        return engine.plan(text).expr
    except PromQLSyntaxError as error:
        raise bad_parameter("query", error) from None


def _nothing_asked() -> ApiError:
    return bad_parameter("query", "unknown position: parse error: no expression found in input")


def parse_matchers(text: str, parameter: str) -> list[Matcher]:
    """The matchers of a plain selector, which may match everything. Raises ApiError."""
    from promlab.promql import parse_selector

    if not text:
        raise bad_parameter(parameter, "unknown position: parse error: unexpected end of input")
    try:
        return list(parse_selector(text))
    except PromQLSyntaxError as error:
        raise bad_parameter(parameter, error) from None


@lru_cache(maxsize=256)
def _is_constant(text: str, features: frozenset[str]) -> bool:
    from promlab.promql.ast import walk
    from promlab.promql.parser import parse

    for n, node in enumerate(walk(parse(text, features))):
        # A subquery has as many steps as it likes.
        if isinstance(node, VectorSelector | Subquery) or n > _CONSTANT_NODES:
            return False
    return True


def is_constant(text: str, features: frozenset[str]) -> bool:
    """Whether evaluating this query, which can be parsed, reads no samples at all."""
    return len(text) < _SHORT and _is_constant(text, features)
