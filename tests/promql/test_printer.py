"""Trees as text: what is printed parses back to the same tree, in the layout of Prometheus."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from promlab.model.quoting import go_quote
from promlab.promql import ast, parse, pretty
from promlab.promql.printer import float_text
from tests.promql.trees import in_order, trees


@given(trees)
@settings(max_examples=300, deadline=None)
def test_printed_trees_parse_back(tree: ast.Expr) -> None:
    assert parse(str(tree)) == tree


@given(trees)
@settings(max_examples=150, deadline=None)
def test_formatted_trees_parse_back(tree: ast.Expr) -> None:
    assert parse(pretty(tree)) == tree


@given(trees)
@settings(max_examples=100, deadline=None)
def test_positions_are_those_of_the_text(tree: ast.Expr) -> None:
    text = str(tree)
    parsed = parse(text)
    assert (parsed.start, parsed.end) == (0, len(text))
    for node in ast.walk(parsed):
        assert 0 <= node.start < node.end <= len(text)
        if isinstance(node, ast.Call | ast.Aggregation | ast.Paren | ast.Subquery):
            assert parse(text[node.start : node.end]) == node
        for child in ast.children(node):
            assert node.start <= child.start
            if not isinstance(node, ast.VectorSelector):  # its offset may follow a range
                assert child.end <= node.end


@pytest.mark.parametrize(
    ("query", "printed"),
    [
        ("SUM(x)BY(a,b)", "sum by (a, b) (x)"),
        ("sum without() (x)", "sum without () (x)"),
        ("sum by () (x)", "sum(x)"),
        ("topk by(a)(5,x)", "topk by (a) (5, x)"),
        ("x{b='2',a=~`1`}", 'x{a=~"1",b="2"}'),
        ('{"x", "a b"=\'c\'}', '{"a b"="c",__name__="x"}'),
        ("x[90m]offset-25h@1.5", "x[1h30m] @ 1.500 offset -1d1h"),
        ("x[5m:]@end()", "x[5m:] @ end()"),
        ("x[300:60]", "x[5m:1m]"),
        ("x[2*(1m+step())]", "x[2 * (1m + step())]"),
        ("x[((1m+2))]", "x[(1m + 2)]"),
        ("x offset - (1m+2)", "x offset -(1m + 2)"),
        ("a+ON(x)GROUP_LEFT b", "a + on (x) group_left () b"),
        ("a==BOOL b", "a == bool b"),
        ("a + ignoring() b", "a + b"),
        ("a + fill(0) b", "a + fill (0) b"),
        ("a + fill_right(1) fill_left(2) b", "a + fill_left (2) fill_right (1) b"),
        ("x[5m]anchored", "x[5m] anchored"),
        ("-  -x", "--x"),
        ("--1", "1"),
        ("inf", "+Inf"),
        ("Inf ^ 2", "Inf ^ 2"),
        ("nAn", "NaN"),
        ("-0", "-0"),
        ("1e3", "1000"),
        ("1.50", "1.5"),
        ("54s321ms", "54s321ms"),
        ("'a\"\\n\\x00é'", '"a\\"\\n\\x00é"'),
    ],
)
def test_canonical_text(query: str, printed: str) -> None:
    assert str(parse(query)) == printed
    assert in_order(parse(printed)) == in_order(parse(query))


def test_trees_made_by_hand_get_the_parentheses_they_need() -> None:
    a, b, c = (ast.selector(name) for name in "abc")
    plus = ast.Binary("+", a, b, matching=ast.VectorMatching())
    assert str(ast.Binary("*", plus, c)) == "(a + b) * c"
    assert str(ast.Binary("-", c, plus)) == "c - (a + b)"
    assert str(ast.Binary("^", ast.NumberLiteral(-1.0), c)) == "(-1) ^ c"
    assert str(ast.Unary("-", plus)) == "-(a + b)"
    assert str(ast.Subquery(plus, 60_000)) == "(a + b)[1m:]"
    assert str(ast.selector("no metric")) == '{__name__="no metric"}'
    assert str(ast.selector("on")) == '{__name__="on"}'
    minus = ast.DurationUnary("-", ast.DurationCall("step"))
    power = ast.DurationBinary("^", minus, ast.NumberLiteral(2.0))
    assert str(ast.MatrixSelector(a, power)) == "a[(-step()) ^ 2]"


LONG = "a_metric_with_a_name_of_quite_some_length_that_fills_a_line_total"


def test_long_queries_are_split_as_prometheus_does() -> None:
    ratio = f"rate({LONG}[5m]) / on (job) rate({LONG}[5m])"
    query = f"topk(5, sum by (job) ({ratio})) > 0 or -({LONG} + {LONG})"
    assert pretty(parse(query)) == "\n".join(
        [
            "    topk(",
            "      5,",
            "      sum by (job) (",
            f"          rate({LONG}[5m])",
            "        / on (job)",
            f"          rate({LONG}[5m])",
            "      )",
            "    )",
            "  >",
            "    0",
            "or",
            "  -(",
            f"      {LONG}",
            "    +",
            f"      {LONG}",
            "  )",
        ]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (0.1, "0.1"),
        (123456789.125, "123456789.125"),
        (-0.0, "-0"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        (2.0**53, "9007199254740992"),
    ],
)
def test_floats_print_all_digits(value: float, text: str) -> None:
    assert float_text(value) == text


def test_strings_are_quoted_as_in_go() -> None:
    assert go_quote("a\t\u00a0\U000e0001\x7f") == '"a\\t\\u00a0\\U000e0001\\x7f"'
