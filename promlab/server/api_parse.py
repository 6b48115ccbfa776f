"""/api/v1/parse_query, /format_query: a query's tree as JSON, and its pretty-printed text.

The tree has Prometheus's node types and fields, so that whatever draws trees for Prometheus
draws them for this server.
"""

from __future__ import annotations

from typing import Any

import msgspec

from promlab.model.float_text import format_plain
from promlab.model.matchers import Matcher
from promlab.promql import ast
from promlab.promql.ast import AtBound, Duration, Expr, Node
from promlab.promql.registry import FUNCTIONS
from promlab.server.context import Context
from promlab.server.envelope import text_success
from promlab.server.promql import parse_query
from promlab.web.http import Request, Response

_encode = msgspec.json.Encoder().encode


async def format_query(context: Context, request: Request) -> Response:
    """The query, pretty-printed."""
    from promlab.promql import pretty

    return text_success(pretty(parse_query(await request.param("query"), context.features)))


async def parse_query_(context: Context, request: Request) -> Response:
    """The query's tree."""
    return text_success(tree(parse_query(await request.param("query"), context.features)))


def tree(expr: Expr) -> dict[str, Any] | msgspec.Raw:
    """A tree as JSON; its depth is bounded by the parser, chains of operators aside."""
    match expr:
        case ast.NumberLiteral():
            return {"type": "numberLiteral", "val": format_plain(expr.value)}
        case ast.StringLiteral():
            return {"type": "stringLiteral", "val": expr.value}
        case ast.VectorSelector():
            return {"type": "vectorSelector", **_selector(expr)}
        case ast.MatrixSelector():
            body = _selector(expr.selector)
            return {"type": "matrixSelector", **body, **_duration("range", expr.range)}
        case ast.Subquery():
            return _subquery(expr)
        case ast.Call():
            args = [tree(arg) for arg in expr.args]
            return {"type": "call", "func": _function(expr.function), "args": args}
        case ast.Aggregation():
            return {
                "type": "aggregation",
                "op": expr.op,
                "expr": tree(expr.expr),
                "param": None if expr.param is None else tree(expr.param),
                "grouping": list(expr.grouping),
                "without": expr.without,
            }
        case ast.Binary():
            return _chain(expr)
        case ast.Unary():
            return {"type": "unaryExpr", "op": expr.op, "expr": tree(expr.expr)}
        case ast.Paren():
            return {"type": "parenExpr", "expr": tree(expr.expr)}


def _chain(expr: ast.Binary) -> msgspec.Raw:
    """`a + b + c` as one text: JSON that is nested as deeply can't be written level by level."""
    chain = ast.spine(expr)
    opened = [_encode(_operator(link))[:-1] + b',"lhs":' for link in reversed(chain)]
    return msgspec.Raw(b"".join([*opened, _encode(tree(chain[0].lhs)), b"}" * len(chain)]))


def _operator(expr: ast.Binary) -> dict[str, Any]:
    """All but the left side."""
    matching = expr.matching
    shown: dict[str, Any] | None = None
    if matching is not None:
        shown = {
            "card": matching.card.value,
            "labels": list(matching.labels),
            "on": matching.on,
            "include": list(matching.include),
        }
        if matching.fill_left is not None or matching.fill_right is not None:
            sides = {"lhs": matching.fill_left, "rhs": matching.fill_right}
            shown["fillValues"] = {
                side: None if value is None else format_plain(value)
                for side, value in sides.items()
            }
    return {
        "type": "binaryExpr",
        "op": expr.op,
        "rhs": tree(expr.rhs),
        "matching": shown,
        "bool": expr.returns_bool,
    }


def _subquery(expr: ast.Subquery) -> dict[str, Any]:
    return {
        "type": "subquery",
        "expr": tree(expr.expr),
        **_duration("range", expr.range),
        **_duration("offset", expr.offset),
        **_duration("step", 0 if expr.step is None else expr.step),
        **_at(expr.at),
    }


def _selector(expr: ast.VectorSelector) -> dict[str, Any]:
    # The name's own matcher comes last, as in Prometheus.
    shown = {
        "name": expr.name,
        "matchers": [_matcher(matcher) for matcher in _name_last(expr)],
        **_duration("offset", expr.offset),
        **_at(expr.at),
    }
    if expr.anchored:
        shown["anchored"] = True
    if expr.smoothed:
        shown["smoothed"] = True
    return shown


def _name_last(expr: ast.VectorSelector) -> list[Matcher]:
    named = [matcher for matcher in expr.matchers[:1] if expr.name]
    return [*expr.label_matchers, *named]


def _matcher(matcher: Matcher) -> dict[str, str]:
    return {"type": matcher.type.value, "name": matcher.name, "value": matcher.value}


def _duration(field: str, duration: Duration) -> dict[str, Any]:
    """Milliseconds, and the text of what is only known when the query is evaluated."""
    if isinstance(duration, Node):
        return {field: 0, f"{field}Expr": str(duration)}
    return {field: duration}


def _at(at: ast.At) -> dict[str, Any]:
    bound = at.value if isinstance(at, AtBound) else None
    return {"timestamp": None if isinstance(at, AtBound) else at, "startOrEnd": bound}


def _function(name: str) -> dict[str, Any]:
    spec = FUNCTIONS[name]
    kinds = [argument.type.value for argument in spec.arguments]
    return {
        "name": name,
        "argTypes": kinds,
        "variadic": -1 if spec.repeats else spec.optional,
        "returnType": spec.returns.value,
    }
