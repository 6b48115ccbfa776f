"""The rules of types, and what is experimental."""

from __future__ import annotations

import pytest

from promlab.errors import PromQLSyntaxError
from promlab.promql import ast, parse
from promlab.promql.checks import ALL_FEATURES, check, check_range_query

BINARY = "binary expression must contain only scalar and instant vector types"
UNARY = "unary expression only allowed on expressions of type scalar or instant vector, got "


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("rate(x)", '1:6: expected type range vector in call to function "rate", '
         "got instant vector"),
        ("sum(\nrate(x))", '2:6: expected type range vector in call to function "rate", '
         "got instant vector"),
        ("abs(x[1m])", '1:5: expected type instant vector in call to function "abs", '
         "got range vector"),
        ("abs('x')", '1:5: expected type instant vector in call to function "abs", got string'),
        ("vector(x)", '1:8: expected type scalar in call to function "vector", got instant vector'),
        ("rate()", '1:1: expected 1 argument(s) in call to "rate", got 0'),
        ("time(1)", '1:1: expected 0 argument(s) in call to "time", got 1'),
        ("round()", '1:1: expected at least 1 argument(s) in call to "round", got 0'),
        ("round(x,1,2)", '1:1: expected at most 2 argument(s) in call to "round", got 3'),
        ("label_join(x)", '1:1: expected at least 3 argument(s) in call to "label_join", got 1'),
        ("label_join(x,'a','b',c)", '1:22: expected type string in call to function "label_join", '
         "got instant vector"),
        ("sum(1)", "1:5: expected type instant vector in aggregation expression, got scalar"),
        ("topk(x, x)", "1:6: expected type scalar in aggregation parameter, got instant vector"),
        ("count_values(1, x)", "1:14: expected type string in aggregation parameter, got scalar"),
        ("1 == 2", "1:3: comparisons between scalars must use BOOL modifier"),
        ("(1) < 2 * 3", "1:5: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: bool modifier can only be used on comparison operators"),
        ("a and bool b", "1:3: bool modifier can only be used on comparison operators"),
        ("a >/ bool b", "1:3: bool modifier can only be used on comparison operators"),
        ("a and 1", '1:1: set operator "and" not allowed in binary scalar expression'),
        ("1 or 2", '1:1: set operator "or" not allowed in binary scalar expression'),
        ("a and on(x) group_left b", '1:1: no grouping allowed for "and" operation'),
        ("a or fill(0) b", '1:1: no fill allowed for "or" operation'),
        ("a + on(x) group_left(x) b",
         '1:3: label "x" must not occur in ON and GROUP clause at once'),
        ("1 + on(x) b", "1:1: vector matching only allowed between instant vectors"),
        ("a + fill(0) 1", "1:1: vector matching only allowed between instant vectors"),
        ("a[5m] + 1", f"1:1: {BINARY}"),
        ("1 + a[5m:]", f"1:5: {BINARY}"),
        ("1 + 'a'", f"1:5: {BINARY}"),
        ("-'a'", f'1:1: {UNARY}"string"'),
        ("-a[5m]", f'1:1: {UNARY}"range vector"'),
        ("1[5m:]", "1:1: subquery is only allowed on instant vector, got scalar instead"),
        ("a[5m][5m:]", "1:1: subquery is only allowed on instant vector, got matrix instead"),
        ("{}", "1:1: vector selector must contain at least one non-empty matcher"),
        ("a + {x=~'.*'}", "1:5: vector selector must contain at least one non-empty matcher"),
        ("{x=~''}[5m]", "1:1: vector selector must contain at least one non-empty matcher"),
        ("info(x, y)", "1:9: expected label selectors only, got vector selector instead"),
        ("info(x, y{a='b'})", "1:9: expected label selectors only, got vector selector instead"),
        ("info(x, 1)", "1:9: expected label selectors only, got vector selector instead"),
        ("x anchored", "1:1: anchored modifier can only be used with a range vector selector"),
        ("changes(x[3m] smoothed)", "1:9: smoothed modifier can only be used with: "
         "delta, increase, rate - not with changes"),
        ("max_over_time(x[3m] anchored)", "1:15: anchored modifier can only be used with: "
         "changes, delta, increase, rate, resets - not with max_over_time"),
    ],
)  # fmt: skip
def test_messages(query: str, text: str) -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        parse(query)
    assert str(caught.value) == text.replace(": ", ": parse error: ", 1)


@pytest.mark.parametrize(
    "query",
    [
        "1 == bool 2",
        "a == 1",
        "1 + on() b",
        "1 + on() group_left() b",
        "label_join(x, 'a', 'b')",
        "hour()",
        "info(x, {a=''})",
        "info(x, {})",
        "rate(x[5m] anchored) + delta(x[5m] smoothed)",
        "x smoothed",
        "{x!=''}",
        "topk(scalar(x), x)",
        "sum(x)[5m:]",
        "a + ignoring(x) group_left(x) b",
    ],
)
def test_valid(query: str) -> None:
    check(parse(query))


@pytest.mark.parametrize(
    ("query", "feature", "message"),
    [
        ("mad_over_time(x[5m])", "promql-experimental-functions",
         'function "mad_over_time" is not enabled'),
        ("limitk(2, x)", "promql-experimental-functions",
         "limitk() is experimental and must be enabled with "
         "--enable-feature=promql-experimental-functions"),
        ("x[5m] smoothed", "promql-extended-range-selectors", "smoothed modifier is experimental"),
        ("a + fill(0) b", "promql-binop-fill-modifiers", "fill modifiers are experimental"),
    ],
)  # fmt: skip
def test_experimental_parts_need_their_feature(query: str, feature: str, message: str) -> None:
    parse(query)
    parse(query, frozenset({feature}))
    parse(query, ALL_FEATURES | {"something-else"})
    with pytest.raises(PromQLSyntaxError) as caught:
        parse(query, ALL_FEATURES - {feature})
    assert message in caught.value.message
    assert feature in caught.value.message + caught.value.hint


def test_stable_parts_need_none() -> None:
    for query in ("x[5m + step()]", "a </ b", "first_over_time(x[5m])", "x @ start()"):
        parse(query, frozenset())


@pytest.mark.parametrize(
    ("query", "kind"), [("x[5m]", "range vector"), ("'a'", "string"), ("x[5m:]", "range vector")]
)
def test_range_queries(query: str, kind: str) -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        check_range_query(parse(query))
    assert caught.value.message == (
        f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
    )


def test_value_types() -> None:
    for query, kind in (
        ("1 + 2", "scalar"),
        ("1 + a", "vector"),
        ("-(1)", "scalar"),
        ("time()", "scalar"),
        ("(a)", "vector"),
        ("a[5m]", "matrix"),
        ("a[5m:]", "matrix"),
        ("'a'", "string"),
        ("sum(a)", "vector"),
    ):
        assert parse(query).value_type.value == kind


def test_rewritten_trees_can_be_checked() -> None:
    tree = parse("rate(x[5m])")

    def without_range(node: ast.Node) -> ast.Node:
        return node.selector if isinstance(node, ast.MatrixSelector) else node

    changed = ast.rewrite(tree, without_range)
    assert isinstance(changed, ast.Call)
    with pytest.raises(PromQLSyntaxError, match="expected type range vector"):
        check(changed)
