"""What parses and how: the shared syntax tree cases, and every query of the shared scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promlab.errors import PromQLSyntaxError
from promlab.promql import ast, parse
from tests.promql.trees import in_order

OPERATORS = {
    **{"+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "%": "Mod", "^": "Pow", "atan2": "Atan2"},
    **{"==": "Eql", "!=": "Neq", "<": "Lss", "<=": "Lte", ">": "Gtr", ">=": "Gte"},
    **{"and": "And", "or": "Or", "unless": "Unless", "</": "TrimUpper", ">/": "TrimLower"},
}
MATCH_OPERATORS = {"=": "EqlSingle", "!=": "Neq", "=~": "EqlRegex", "!~": "NeqRegex"}
# The cases tell only names apart that differ in more than case.
FUNCTIONS = {"start": "StartFn", "end": "EndFn"}
LITERAL = "NumberDurationLiteralInDurationContext"

Shape = tuple[str, list["Shape"]]


def shape(name: str, *below: Shape | str) -> Shape:
    return name, [(part, []) if isinstance(part, str) else part for part in below]


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def of_duration(node: ast.Duration) -> Shape:
    match node:
        case int() | ast.NumberLiteral():
            return shape("DurationExpr", LITERAL)
        case ast.DurationUnary():
            return shape("DurationExpr", "UnaryOp", of_duration(node.expr))
        case ast.DurationBinary():
            lhs, rhs = of_duration(node.lhs), of_duration(node.rhs)
            return shape("DurationExpr", lhs, OPERATORS[node.op], rhs)
        case ast.DurationCall():
            args = [of_duration(arg) for arg in node.args]
            return shape("DurationExpr", f"Duration{camel(node.function)}", *args)
        case ast.DurationParen():
            return shape("DurationExpr", of_duration(node.expr))


def of_offset(node: ast.Duration) -> Shape:
    match node:
        case int():
            literal = shape("OffsetDurationExpr", LITERAL)
            return literal if node > 0 else shape("OffsetDurationExpr", "UnaryOp", literal)
        case ast.DurationParen():
            return shape("OffsetDurationExpr", of_duration(node.expr))
    _, below = of_duration(node)
    return "OffsetDurationExpr", below


def of_labels(names: tuple[str, ...], query: str) -> Shape:
    quoted = shape("QuotedLabelName", "StringLiteral")
    return shape(
        "GroupingLabels", *(quoted if f'"{n}"' in query else shape("LabelName") for n in names)
    )


def of_selector(node: ast.VectorSelector, query: str) -> Shape:
    below = ["Identifier"] if node.name else []
    matchers = []
    for matcher in node.label_matchers:
        quoted = shape("QuotedLabelName", "StringLiteral")
        if matcher.name == "__name__" and "__name__" not in query:
            matchers.append(quoted)
            continue
        op = shape("MatchOp", MATCH_OPERATORS[matcher.type.value])
        if f'"{matcher.name}"' in query:
            matchers.append(shape("QuotedLabelMatcher", quoted, op, "StringLiteral"))
        else:
            matchers.append(shape("UnquotedLabelMatcher", "LabelName", op, "StringLiteral"))
    if matchers:
        below.append(shape("LabelMatchers", *matchers))
    return shape("VectorSelector", *below)


def with_modifiers(found: Shape, node: ast.VectorSelector | ast.Subquery) -> Shape:
    if isinstance(node, ast.VectorSelector):
        if node.anchored:
            found = shape("AnchoredExpr", found, "Anchored")
        if node.smoothed:
            found = shape("SmoothedExpr", found, "Smoothed")
    if node.offset != 0:
        found = shape("OffsetExpr", found, "Offset", of_offset(node.offset))
    if isinstance(node.at, ast.AtBound):
        bound = shape("AtModifierPreprocessors", f"At{camel(node.at.value)}")
        found = shape("StepInvariantExpr", found, "At", bound)
    elif node.at is not None:
        found = shape("StepInvariantExpr", found, "At", "NumberDurationLiteral")
    return found


def of_matching(node: ast.Binary, query: str) -> list[Shape]:
    matching = node.matching
    if matching is None or not (matching.on or matching.labels):
        return []
    below = [shape("On" if matching.on else "Ignoring"), of_labels(matching.labels, query)]
    if matching.card is ast.Card.MANY_TO_ONE:
        below.append(shape("GroupLeft"))
        if matching.include:
            below.append(of_labels(matching.include, query))
    return [shape("MatchingModifierClause", *below)]


def of_expr(node: ast.Node, query: str) -> Shape:
    match node:
        case ast.NumberLiteral():
            return shape("NumberDurationLiteral")
        case ast.StringLiteral():
            return shape("StringLiteral")
        case ast.VectorSelector():
            return with_modifiers(of_selector(node, query), node)
        case ast.MatrixSelector():
            selector = of_selector(node.selector, query)
            found = shape("MatrixSelector", selector, of_duration(node.range))
            return with_modifiers(found, node.selector)
        case ast.Subquery():
            step = [] if node.step is None else [of_duration(node.step)]
            inner = of_expr(node.expr, query)
            return with_modifiers(
                shape("SubqueryExpr", inner, of_duration(node.range), *step), node
            )
        case ast.Call():
            name = FUNCTIONS.get(node.function, camel(node.function))
            body = shape("FunctionCallBody", *(of_expr(arg, query) for arg in node.args))
            return shape("FunctionCall", shape("FunctionIdentifier", name), body)
        case ast.Aggregation():
            below = [shape("AggregateOp", camel(node.op))]
            if node.grouping:
                word = "Without" if node.without else "By"
                labels = of_labels(node.grouping, query)
                below.append(shape("AggregateModifier", word, labels))
            args = [arg for arg in (node.param, node.expr) if arg is not None]
            body = shape("FunctionCallBody", *(of_expr(arg, query) for arg in args))
            return shape("AggregateExpr", *below, body)
        case ast.Binary():
            modifiers = [shape("BoolModifier", "Bool")] if node.returns_bool else []
            modifiers += of_matching(node, query)
            lhs, rhs = of_expr(node.lhs, query), of_expr(node.rhs, query)
            return shape("BinaryExpr", lhs, OPERATORS[node.op], *modifiers, rhs)
    raise AssertionError(f"no case has {type(node).__name__}")


def read_shape(text: str) -> Shape:
    stack: list[Shape] = [("", [])]
    for token in re.findall(r"[()]|[^\s(),]+", text):
        if token == "(":
            stack.append(stack[-1][1][-1])
        elif token == ")":
            stack.pop()
        else:
            stack[-1][1].append((token, []))
    return stack[0][1][0]


def blocks(path: Path) -> list[tuple[str, str, str]]:
    parts = re.split(r"(?m)^# (.*)\n\n", path.read_text())[1:]
    cases = zip(parts[::2], parts[1::2], strict=True)
    return [
        (name, query.strip(), tree.strip())
        for name, case in cases
        for query, tree in [case.split("==>")]
    ]


@pytest.mark.shared
def test_trees_are_those_of_the_shared_cases(shared: Path) -> None:
    cases = blocks(shared / "contract" / "promql-syntax" / "expression.txt")
    assert len(cases) > 70
    for name, query, tree in cases:
        if "⚠" in tree:
            with pytest.raises(PromQLSyntaxError):
                parse(query)
        elif tree.startswith("MetricName"):
            assert of_expr(parse(query), query) == ("VectorSelector", [("Identifier", [])]), name
        else:
            _, below = read_shape(tree)
            assert of_expr(parse(query), query) == below[0], name


def queries(folder: Path) -> list[tuple[str, str, bool]]:
    """File, query and whether it may fail, of every evaluation in the scripts."""
    found = []
    for path in sorted(folder.glob("*.test")):
        for block in re.split(r"\n(?:[ \t]*\n|#[^\n]*\n)+", path.read_text()):
            first, *rest = block.lstrip("\n").split("\n")
            match = re.match(
                r"(eval\w*) (?:instant at \S+|range from \S+ to \S+ step \S+) +(.*)", first
            )
            if match:
                fails = match[1] == "eval_fail" or any("expect fail" in line for line in rest)
                found.append((path.name, match[2], fails))
    return found


@pytest.mark.shared
def test_every_query_of_the_shared_scripts_parses_and_round_trips(shared: Path) -> None:
    found = queries(shared / "promqltest")
    assert len(found) > 1000
    for name, query, may_fail in found:
        try:
            expr = parse(query)
        except PromQLSyntaxError:
            if may_fail:
                continue
            raise
        assert in_order(parse(str(expr))) == in_order(expr), f"{name}: {query}"


ACCEPTED = [
    "on:x", "ON_total", "inf_total", ":a", "a{b='c',}", "sum(x)by(y,)", "SUM WITHOUT() (x)",
    "sum by (sum, by, bool, on, group_left, atan2, offset, start, fill) (x)",
    'sum by ("a b", `c`) (x)', "x offset -1h30m @ 5", "x @ 5 offset 5m", "x @ -1.5",
    "x @ start ( )", "x[5m] @ end() offset 1", "x[5m:]", "abs(x)[1h:] offset 1m",
    "sum(x)[5m:1m]", "x[1_0]", "x[0x10]", "1 + 0x_AB", ".5", "5.",
    "x and on() y", "x or ignoring(a) y", "x == bool on(a) group_left(b) y",
    "x + fill(0) y", "x + fill_left(-1) fill_right(Inf) y", "fill + fill (0) fill_left",
    "x + on(a) group_left fill_right(1e3) y", "fill{a='b'}", "x[5m] anchored @ 3",
    "rate(x[5m] smoothed offset 1m)", "x smoothed", "anchored", "smoothed smoothed",
    "min_of(1, 2) + max_of(step(), range())", "x[min_of(step(), 5m):max_of(1m,step())]",
    "x offset step()", "x offset -(1m + 1m)", "x[STEP()]", "step", "range{a='b'}", "min_of",
    "start() + end()", "info(x, {a=~'.+'})", "info(x, {})", "x # comment", "#c\nx\n#d",
    "1 </ vector(2)", "a >/ b", "2 ^ -3 ^ 2", "a atan2 b", "\tx\r\n",
]  # fmt: skip
REFUSED = [
    "", " ", "on", "BOOL", "atan2", "1 x", "x y", "x{", "x{a}", "x{a=b}", "x{,}", "x[", "x[]",
    "x[a]", "x[5m", "x[1m2h]", "x[5m5m]", "x[1.5h]", "x[0]", "x[-1m]", "x offset", "x offset y",
    "x @", "x @ start", "x @ step()", "x offset 5m [5m]", "(x)[5m]", "(x) offset 5m", "x @ 1 @ 2",
    "x offset 1 offset 2", "sum x", "sum by x", "abs(x,)", "topk(1,x,)", "a + ",
    "a + group_left b", "a + on b", "a == on(x) bool b", "a + fill(x) b", "a + fill() b",
    "a + fill(0) fill(1) b", "a + fill_left(0) on(x) b", "a and fill(0) b", "1 + fill(0) b",
    "x anchored", "x anchored smoothed", "sum(x) smoothed", "x[5m:1m] smoothed", "x smoothed[5m]",
    "max_over_time(x[5m] anchored)", "changes(x[5m] smoothed)", "x[foo()]", "x[step]",
    "x[min_of(1m)]", "x[step(1)]", "x[5m/0]", "x[5m%0]", "x[1e10]", "x offset 1e10",
    "x{a='b'}{c='d'}", "x{__name__='y'}", "{}", "{a=''}", "x{a=~'('}", "'", '"\\q"', "`", "'\n'",
    "0x", "1__0", "1e400", "5min", "1h5", "é", "x.y", "x;", "x && y", "x == = y", "!x",
    "sum by ('') (x)", "by by by", "x by (a) y", "(", ")", "(x", "x)", "(x]", "x[5m)",
]  # fmt: skip


@pytest.mark.parametrize("query", ACCEPTED)
def test_accepted(query: str) -> None:
    expr = parse(query)
    assert parse(str(expr)) == expr


@pytest.mark.parametrize("query", REFUSED)
def test_refused(query: str) -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        parse(query)
    error = caught.value
    assert error.query == query
    assert 0 <= error.start <= error.end <= len(query)
    assert error.message


@pytest.mark.parametrize(
    ("query", "grouped"),
    [
        ("a + b * c", "a + (b * c)"),
        ("a * b + c", "(a * b) + c"),
        ("a ^ b ^ c", "a ^ (b ^ c)"),
        ("-a ^ b", "-(a ^ b)"),
        ("-a * b", "(-a) * b"),
        ("a ^ -b ^ c", "a ^ (-(b ^ c))"),
        ("a ^ -b * c", "(a ^ (-b)) * c"),
        ("a - b - c", "(a - b) - c"),
        ("a % b atan2 c / d", "((a % b) atan2 c) / d"),
        ("a == b > c", "(a == b) > c"),
        ("a + b </ c + d", "(a + b) </ (c + d)"),
        ("a or b and c", "a or (b and c)"),
        ("a and b unless c", "(a and b) unless c"),
        ("a or b or c", "(a or b) or c"),
        ("a > b and c", "(a > b) and c"),
        ("-a offset 5m ^ b", "-(a offset 5m ^ b)"),
        ("a == bool 1 + 2", "a == bool (1 + 2)"),
    ],
)
def test_precedence(query: str, grouped: str) -> None:
    def bare(node: ast.Node) -> ast.Node:
        return node.expr if isinstance(node, ast.Paren) else node

    def tree(text: str) -> ast.Node:
        return ast.rewrite(parse(text), bare)

    assert tree(query) == tree(grouped)
