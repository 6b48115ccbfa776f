"""Completion and documentation at the cursor."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.promql import ast
from promlab.promql.complete import Kind, complete, docs_at
from tests.promql.trees import trees

M, N, V, F = Kind.METRIC, Kind.LABEL_NAME, Kind.LABEL_VALUE, Kind.FUNCTION
A, K, U = Kind.AGGREGATION, Kind.KEYWORD, Kind.DURATION_UNIT


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", {M, F, A}),
        ("up + ", {M, F, A, K}),
        ("(", {M, F, A}),
        ("rate(", {M}),
        ("rate(x[5m]) / rate(", {M}),
        ("quantile_over_time(", {F}),
        ("quantile_over_time(0.5, ", {M}),
        ("abs(", {M, F, A}),
        ("abs(x + ", {M, F, A, K}),
        ("topk(", {F}),
        ("topk(5, ", {M, F, A}),
        ("sum by (a) (", {M, F, A}),
        ("count_values(", set()),
        ("label_replace(x, ", set()),
        ("time(", set()),
        ("sum by (", {N}),
        ("sum by (a, ", {N}),
        ("sum by (a ", set()),
        ("a / on (", {N}),
        ("a / on (x) group_left (", {N}),
        ("x{", {N}),
        ("x{a='b', ", {N}),
        ("x{a", {N}),
        ("x{a ", set()),
        ("x{a=", {V}),
        ("x{a='", {V}),
        ('x{a=~"b|c', {V}),
        ("x{a='b' ", set()),
        ("{'", {M, N}),
        ("'abc", set()),
        ("x[", {U, K}),
        ("x[5", {U}),
        ("x[1h3", {U}),
        ("x[5m ", set()),  # a colon or a bracket, no words
        ("x[5m:", {U, K}),
        ("x offset ", {U, K}),
        ("x offset 5", {U}),
        ("x @ ", {K}),
        ("x ", {K}),
        ("sum ", {K}),
        ("sum(x) ", {K}),
        ("# x", set()),
        ("x # y", set()),
        ("x # y\n + ", {M, F, A, K}),
        ("1 1 ", set()),
        ("x) ", set()),
        ("x{a=b, ", set()),
    ],
)
def test_kinds(text: str, kinds: set[Kind]) -> None:
    assert set(complete(text, len(text)).kinds) == kinds


def words(text: str) -> set[str]:
    return {word.text for word in complete(text, len(text)).words}


def test_words_of_the_language() -> None:
    assert words("ra") == {"rate", "rad", "range"}
    assert words("su") == {"sum", "sum_over_time"}
    assert {"by", "without", "and"} <= words("sum ")
    assert {"by", "without"} <= words("sum(x) ")
    assert not {"offset", "smoothed", "bool"} & words("sum(x) ")
    assert {"offset", "smoothed", "and", "unless"} <= words("x ")
    assert "offset" in words("x @ 5 ")
    assert "bool" in words("x == ")
    assert "bool" not in words("x + ")
    assert {"on", "ignoring", "fill"} <= words("x + ")
    assert "group_left" in words("x + on (a) ")
    assert "group_left" not in words("x + ")
    assert words("x an") == {"and", "anchored"}
    assert words("x @ st") == {"start()"}
    assert words("x[5") == {"ms", "s", "m", "h", "d", "w", "y"}
    assert words("x[5m") == {"ms", "m"}
    assert {"5m", "step()"} <= words("x[")
    assert "vector" not in words("topk(")
    assert "pi" in words("topk(")


def test_what_is_replaced() -> None:
    found = complete("sum(http_re) + 1", 9)
    assert (found.start, found.end, found.prefix) == (4, 11, "http_")
    found = complete('up{job="ap", a="b"}', 10)
    assert (found.start, found.end, found.prefix, found.quote) == (8, 10, "ap", '"')
    found = complete('up{job="api', 10)
    assert (found.start, found.end, found.prefix) == (8, 10, "ap")
    found = complete("x[1h30", 6)
    assert (found.start, found.end, found.prefix) == (6, 6, "")


def test_whose_labels() -> None:
    assert complete("a + b{", 6).metric == "b"
    assert complete("job:x:sum{a=", 12)[4:6] == ("job:x:sum", "a")
    assert complete('x{"a.b"="', 9)[4:6] == ("x", "a.b")
    assert complete("{job=", 5)[4:6] == ("", "job")
    assert complete("sum by () (rate(x[5m]))", 8).metric == "x"
    assert complete("rate(x[5m]) / on(", 17).metric == "x"


@given(trees, st.data())
@settings(max_examples=60, deadline=None)
def test_the_next_token_of_a_valid_query_is_never_ruled_out(
    tree: ast.Expr, data: st.DataObject
) -> None:
    text = str(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and f"{node.function}(" in text:
            at = text.index(f"{node.function}(")
            inside = complete(text, at)
            if text[:at].count('"') % 2 == 0 and inside.kinds and text[at - 1 : at] in (" ", "("):
                if inside.kinds == {Kind.METRIC}:
                    continue  # a range is wanted, which a function only has inside of a subquery
                assert node.function in {w.text for w in inside.words} or Kind.LABEL_NAME in (
                    inside.kinds
                )
    found = complete(text, data.draw(st.integers(0, len(text))))
    assert 0 <= found.start <= found.end <= len(text)


@given(st.text(max_size=30), st.integers(-5, 40))
@settings(max_examples=200, deadline=None)
def test_any_text(text: str, offset: int) -> None:
    found = complete(text, offset)
    assert 0 <= found.start <= found.end <= len(text)
    assert isinstance(docs_at(text, offset), str)


@pytest.mark.parametrize(
    ("text", "offset", "part"),
    [
        ("rate(x[5m])", 2, "rate(counter range vector)"),
        ("sum(rate(x[5m]))", 1, "Sum of the values"),
        ("sum(rate(x[5m]))", 10, "rate(counter range vector)"),
        ("sum by (a) (x + ", 16, "Sum of the values"),
        ("SUM BY (a) (x)", 5, "Groups for an aggregation"),
        ("a / on (x) b", 5, "must be equal"),
        ("x offset 5m", 4, "into the past"),
        ("x @ 5", 2, "Fixes the moment"),
        ("label_replace(x, ", 17, "label_replace(v instant vector, dst string"),
        ("x[step()]", 4, "Step of the range query"),
        ("mad_over_time(x[5m])", 0, "--enable-feature="),
        ("rate", 4, "rate(counter range vector)"),
    ],
)
def test_documentation(text: str, offset: int, part: str) -> None:
    assert part in docs_at(text, offset)


@pytest.mark.parametrize(
    ("text", "offset"),
    [("x{sum='a'}", 4), ("sum by (rate) (x)", 10), ("http_requests", 3), ("", 0)],
)
def test_no_documentation_for_names(text: str, offset: int) -> None:
    assert docs_at(text, offset) == ""
