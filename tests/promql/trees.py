"""Random trees, as the parser could have made them, for property tests."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import strategies as st

from promlab.errors import PromQLSyntaxError
from promlab.model.durations import MAX_MS
from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import Matcher, MatchType
from promlab.promql import ast
from promlab.promql.checks import check
from promlab.promql.printer import matcher_text
from promlab.promql.registry import AGGREGATIONS, FUNCTIONS
from promlab.promql.valuetype import ValueType

VECTOR, SCALAR = ValueType.VECTOR, ValueType.SCALAR

texts = st.text(st.characters(codec="utf-8"), max_size=8)
metrics = st.sampled_from(
    ["up", "x", "http_requests_total", "job:x:rate5m", "sum", "by", "offset", "start", "fill"]
)
label_names = st.sampled_from(["job", "le", "sum", "bool", "a.b", "on", "inf", "q\n", "größe"])
numbers = st.one_of(
    st.sampled_from([0.0, 1.0, 0.5, 1e21, 1e-9, math.inf, math.nan, 5e-324, 1e308]),
    st.floats(min_value=0, allow_nan=False),
)


@st.composite
def matchers(draw: st.DrawFn) -> Matcher:
    kind = draw(st.sampled_from(MatchType))
    value = draw(texts)
    if kind in (MatchType.REGEX, MatchType.NOT_REGEX):
        value = draw(st.sampled_from([".+", "a|b", "x.*y", "", "\\d+"]))
    return Matcher(draw(label_names), kind, value)


def _signed(value: float, duration: bool = False) -> st.SearchStrategy[ast.NumberLiteral]:
    return st.sampled_from([value, -value]).map(lambda v: ast.NumberLiteral(v, duration))


literals = st.one_of(
    numbers.flatmap(_signed),
    st.integers(0, MAX_MS).flatmap(lambda ms: _signed(ms / 1000, True)),
)
short_literals = st.one_of(
    st.integers(1, 10**6).map(lambda s: ast.NumberLiteral(float(s))),
    st.integers(1, 10**9).map(lambda ms: ast.NumberLiteral(ms / 1000, True)),
)


def _binary_durations(
    below: st.SearchStrategy[ast.DurationExpr],
) -> st.SearchStrategy[ast.DurationExpr]:
    def paren(node: ast.DurationExpr) -> ast.DurationExpr:
        kept = isinstance(node, ast.NumberLiteral | ast.DurationParen)
        return node if kept else ast.DurationParen(node)

    operators = st.sampled_from(["+", "-", "*", "/", "%", "^"])
    return st.one_of(
        st.builds(ast.DurationBinary, operators, below.map(paren), below.map(paren)),
        st.builds(ast.DurationBinary, st.just("+"), short_literals, short_literals),
        below.map(paren)
        .filter(lambda node: not isinstance(node, ast.NumberLiteral))
        .map(lambda node: ast.DurationUnary("-", node)),
        st.builds(ast.DurationCall, st.sampled_from(["min_of", "max_of"]), st.tuples(below, below)),
    )


duration_exprs = st.recursive(
    st.one_of(
        short_literals,
        st.sampled_from([ast.DurationCall("step"), ast.DurationCall("range")]),
    ),
    _binary_durations,
    max_leaves=5,
).filter(lambda node: not isinstance(node, ast.NumberLiteral))
ranges = st.one_of(st.integers(1, 10**12), duration_exprs)
offsets = st.one_of(
    st.just(0),
    st.integers(-(10**12), 10**12),
    duration_exprs.map(
        lambda node: ast.DurationParen(node) if isinstance(node, ast.DurationBinary) else node
    ),
)
moments = st.one_of(st.none(), st.sampled_from(ast.AtBound), st.integers(-(10**15), 10**15))


@st.composite
def selectors(draw: st.DrawFn) -> ast.VectorSelector:
    name = draw(st.one_of(st.just(""), metrics))
    found = draw(st.lists(matchers(), max_size=3))
    if name:
        found = [matcher for matcher in found if matcher.name != METRIC_NAME]
        named = (Matcher(METRIC_NAME, MatchType.EQUAL, name),)
    else:
        named = ()
        found.append(Matcher(METRIC_NAME, MatchType.EQUAL, draw(st.sampled_from(["x", "a b"]))))
    ordered = sorted(found, key=matcher_text)
    offset, at = draw(offsets), draw(moments)
    return ast.VectorSelector(name, (*named, *ordered), offset, at, False, draw(st.booleans()))


@st.composite
def subqueries(draw: st.DrawFn, vectors: st.SearchStrategy[ast.Expr]) -> ast.Subquery:
    expr = draw(vectors)
    if isinstance(expr, ast.Binary | ast.Unary):
        expr = ast.Paren(expr)
    step = draw(st.one_of(st.none(), ranges))
    return ast.Subquery(expr, draw(ranges), step, draw(offsets), draw(moments))


@st.composite
def calls(draw: st.DrawFn, below: st.SearchStrategy[ast.Expr], returns: ValueType) -> ast.Call:
    named = [name for name, spec in FUNCTIONS.items() if spec.returns is returns]
    spec = FUNCTIONS[draw(st.sampled_from(sorted(set(named) - {"info"})))]
    most = spec.max_args if spec.max_args is not None else spec.min_args + 2
    count = draw(st.integers(spec.min_args, most))
    args = []
    for i in range(count):
        match spec.argument(i).type:
            case ValueType.STRING:
                args.append(ast.StringLiteral(draw(texts)))
            case ValueType.SCALAR:
                args.append(draw(literals))
            case ValueType.VECTOR:
                args.append(draw(below))
            case ValueType.MATRIX:
                args.append(draw(st.one_of(matrices(), subqueries(below))))
    return ast.Call(spec.name, tuple(args))


@st.composite
def matrices(draw: st.DrawFn) -> ast.MatrixSelector:
    return ast.MatrixSelector(replace(draw(selectors()), smoothed=False), draw(ranges))


@st.composite
def aggregations(draw: st.DrawFn, below: st.SearchStrategy[ast.Expr]) -> ast.Aggregation:
    spec = AGGREGATIONS[draw(st.sampled_from(sorted(AGGREGATIONS)))]
    param: ast.Expr | None = None
    if spec.param is not None:
        is_string = spec.param.type is ValueType.STRING
        param = ast.StringLiteral(draw(texts)) if is_string else draw(literals)
    grouping = tuple(draw(st.lists(label_names, max_size=2)))
    return ast.Aggregation(spec.name, draw(below), param, grouping, draw(st.booleans()))


@st.composite
def matchings(draw: st.DrawFn, op: str) -> ast.VectorMatching:
    on = draw(st.booleans())
    labels = tuple(draw(st.lists(label_names, max_size=2)))
    if op in ast.SET_OPERATORS:
        return ast.VectorMatching(ast.Card.MANY_TO_MANY, labels, on)
    card = draw(st.sampled_from(list(ast.Card)[:3]))
    include: tuple[str, ...] = ()
    if card is not ast.Card.ONE_TO_ONE:
        include = tuple(name for name in draw(st.lists(label_names)) if name not in labels)
    fill = st.one_of(st.none(), st.sampled_from([0.0, -1.5, math.inf, 1e-7]))
    return ast.VectorMatching(card, labels, on, include, draw(fill), draw(fill))


def _as_operand(node: ast.Expr, plain: bool) -> ast.Expr:
    return ast.Paren(node) if isinstance(node, ast.Binary | ast.Unary) or not plain else node


@st.composite
def binaries(draw: st.DrawFn, below: st.SearchStrategy[ast.Expr]) -> ast.Expr:
    sets = sorted(ast.SET_OPERATORS)
    comparisons = sorted(ast.COMPARISONS)
    op = draw(st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2", *comparisons, *sets]))
    lhs = draw(below) if op in ast.SET_OPERATORS else draw(st.one_of(below, literals))
    rhs = draw(below)
    negative = isinstance(lhs, ast.NumberLiteral) and str(lhs)[0] in "+-"
    matching = draw(matchings(op)) if lhs.value_type is VECTOR else None
    returns_bool = op in ast.COMPARISONS and draw(st.booleans())
    return ast.Binary(
        op, _as_operand(lhs, not negative), _as_operand(rhs, True), returns_bool, matching
    )


def _vectors(below: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    return st.one_of(
        calls(below, VECTOR),
        aggregations(below),
        binaries(below),
        below.map(ast.Paren),
        st.builds(ast.Unary, st.sampled_from("+-"), below.map(lambda e: _as_operand(e, True))),
    )


def _valid(node: ast.Expr) -> bool:
    try:
        check(node)
    except PromQLSyntaxError:
        return False
    return True


vectors = st.recursive(selectors(), _vectors, max_leaves=6)
trees = st.one_of(
    vectors,
    vectors,
    literals,
    texts.map(ast.StringLiteral),
    matrices(),
    subqueries(vectors),
    calls(vectors, SCALAR),
).filter(_valid)


def in_order(tree: ast.Node) -> ast.Node:
    """The same tree with its matchers as they are printed: by their text."""

    def sorted_matchers(node: ast.Node) -> ast.Node:
        if not isinstance(node, ast.VectorSelector):
            return node
        matchers = tuple(sorted(node.matchers, key=matcher_text))
        return replace(node, matchers=matchers)

    return ast.rewrite(tree, sorted_matchers)
