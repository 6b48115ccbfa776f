"""The parser as a whole: messages and places, bombs, rubbish, threads, the real server."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from promlab.errors import PromQLSyntaxError
from promlab.promql import Visitor, ast, parse, pretty, with_matchers
from promlab.promql.ast import MAX_DEPTH
from promlab.promql.parser import MAX_LENGTH
from promlab.promql.parser_lexer import MAX_TOKENS
from tests.promql.trees import in_order, trees
from tests.real_programs import prometheus

MESSAGES = [
    ("", "unknown position: parse error: no expression found in input"),
    ("# x", "1:1: parse error: no expression found in input"),
    ("a +", "1:4: parse error: unexpected end of input"),
    ("a b", '1:3: parse error: unexpected identifier "b"'),
    ("a\n+ +\n*", "3:1: parse error: unexpected <op:*>"),
    ("by ,", '1:4: parse error: unexpected ","'),
    ("a + bool by ,", '1:13: parse error: unexpected ","'),
    ("bool", "1:1: parse error: unexpected <bool>"),
    ("x y:z", '1:3: parse error: unexpected metric identifier "y:z"'),
    ("x 'y'", "1:3: parse error: unexpected string \"'y'\""),
    ("x sum", "1:3: parse error: unexpected <aggr:sum>"),
    ("x = 1", '1:3: parse error: unexpected "="'),
    ("x =~ 1", "1:3: parse error: unexpected character after '=': '~'"),
    ("!x", "1:1: parse error: unexpected character after '!': 'x'"),
    ("x!", "1:2: parse error: unexpected character after '!': '�'"),
    ("x{a!b}", "1:4: parse error: unexpected character after '!' inside braces: 'b'"),
    ("é", "1:1: parse error: unexpected character: 'é'"),
    ("x\0", "1:2: parse error: unexpected character: '\\x00'"),
    ("x\u00a0", "1:2: parse error: unexpected character: '\\u00a0'"),
    ("x]", "1:2: parse error: unexpected right bracket ']'"),
    ("x)", "1:3: parse error: unexpected right parenthesis ')'"),
    ("(x", "1:3: parse error: unclosed left parenthesis"),
    ("x[5m", "1:5: parse error: unclosed left bracket"),
    ("x[", "1:3: parse error: unexpected end of input in duration expression"),
    ("x{", "1:3: parse error: unexpected end of input inside braces"),
    ("x{a=5}", "1:5: parse error: unexpected character inside braces: '5'"),
    ("'x", "1:1: parse error: unterminated quoted string"),
    ("`x", "1:1: parse error: unterminated raw string"),
    ('"\\q"', "1:1: parse error: unknown escape sequence U+0071 'q'"),
    ('"\\400"', "1:1: parse error: escape sequence is an invalid Unicode code point"),
    ('"\\ud800"', "1:1: parse error: escape sequence is an invalid Unicode code point"),
    (
        "x{a}",
        '1:4: parse error: unexpected "}" in label matching, expected label matching operator',
    ),
    ("x{a=}", '1:5: parse error: unexpected "}" in label matching, expected string'),
    ("x{,}", '1:3: parse error: unexpected "," in label matching, expected identifier or "}"'),
    (
        "x{a='b' c}",
        '1:9: parse error: unexpected identifier "c" in label matching, expected "," or "}"',
    ),
    ("sum by x", '1:8: parse error: unexpected identifier "x" in grouping opts, expected "("'),
    ("x + on y", '1:8: parse error: unexpected identifier "y" in grouping opts, expected "("'),
    ("sum by (5) (x)", '1:9: parse error: unexpected number "5" in grouping opts, expected label'),
    (
        "sum by (a b) (x)",
        '1:11: parse error: unexpected identifier "b" in grouping opts, expected "," or ")"',
    ),
    ('sum by ("") (x)', '1:9: parse error: invalid label name for grouping: ""'),
    ("sum by (a) x", '1:12: parse error: unexpected identifier "x" in aggregation'),
    ("sum(abs(x y))", '1:11: parse error: unexpected identifier "y" in aggregation'),
    ("abs(x y)", '1:7: parse error: unexpected identifier "y"'),
    ("abs(x,)", "1:6: parse error: trailing commas not allowed in function call args"),
    ("sum(x,)", "1:6: parse error: trailing commas not allowed in function call args"),
    (
        "x offset y",
        '1:10: parse error: unexpected identifier "y" in offset, expected number or duration',
    ),
    (
        "x offset (y)",
        '1:11: parse error: unexpected identifier "y" in offset, expected number or duration',
    ),
    ("x @ y", '1:5: parse error: unexpected identifier "y" in @, expected timestamp'),
    ("x @ start", "1:10: parse error: unexpected end of input in @, expected timestamp"),
    ("x[]", '1:3: parse error: unexpected "]" in subquery selector, expected number or duration'),
    ("x[a]", "1:3: parse error: unexpected character in duration expression: 'a'"),
    (
        "x[1m 1m]",
        '1:6: parse error: unexpected duration "1m" in subquery or range, expected ":" or "]"',
    ),
    (
        "x[1m:1m 1m]",
        '1:9: parse error: unexpected duration "1m" in subquery selector, expected "]"',
    ),
    ("x[0]", "1:3: parse error: duration must be greater than 0"),
    ("x[1e10]", "1:3: parse error: duration out of range"),
    ("x[1m2h]", '1:3: parse error: not a valid duration string: "1m2h"'),
    ("1.5h", '1:1: parse error: unknown unit "." in duration "1.5h"'),
    ("5min", '1:1: parse error: bad number or duration syntax: "5mi"'),
    ("1__0", '1:1: parse error: bad number or duration syntax: "1__"'),
    (
        "0x",
        '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "0x": invalid syntax',
    ),
    (
        "1e400",
        '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "1e400": '
        "value out of range",
    ),
    ("foo(x)", '1:1: parse error: unknown function with name "foo"'),
    ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
    (
        "topk(x)",
        "1:1: parse error: wrong number of arguments for aggregate expression provided, "
        "expected 2, got 1",
    ),
    ("x{__name__='y'}", '1:1: parse error: metric name must not be set twice: "x" or "y"'),
    ("x{a=~'('}", "1:3: parse error: error parsing regexp: missing closing ): `(`"),
    ("x offset 1 [5m]", "1:12: parse error: no offset modifiers allowed before range"),
    ("(x)[5m]", "1:4: parse error: ranges only allowed for vector selectors"),
    ("x offset 1 offset 1", "1:1: parse error: offset may not be set multiple times"),
    ("x @ 1 @ 1", "1:1: parse error: @ <timestamp> may not be set multiple times"),
    ("x @ inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
    (
        "1 offset 5m",
        "1:1: parse error: offset modifier must be preceded by an instant vector selector or "
        "range vector selector or a subquery",
    ),
    # Places are counted in bytes.
    ("é'é' + x", "1:1: parse error: unexpected character: 'é'"),
    ("'é' + y)", "1:10: parse error: unexpected right parenthesis ')'"),
    ("x\\", "1:2: parse error: unexpected character: '\\\\'"),
    ("x{{", "1:3: parse error: unexpected left brace '{'"),
    ("x[5m[", "1:5: parse error: unexpected left bracket '['"),
    ("x BY (a)", "1:3: parse error: unexpected <BY>"),
    ("x @ @ 5", "1:5: parse error: unexpected <op:@> in @, expected timestamp"),
    ("x 'a long text'", '1:3: parse error: unexpected string "\'a long te"...'),
    ("offset 5m", '1:8: parse error: unexpected duration "5m"'),
    (
        "x + on (a) group_left *",
        '1:23: parse error: unexpected <op:*> in grouping opts, expected "("',
    ),
    # Rules that are complete come before what is behind them.
    ("foo(x) y", '1:1: parse error: unknown function with name "foo"'),
    ("foo(x) $", '1:1: parse error: unknown function with name "foo"'),
    ("foo $", "1:5: parse error: unexpected character: '$'"),
    ("1[5m] x", "1:2: parse error: ranges only allowed for vector selectors"),
    ("sum() )", "1:8: parse error: unexpected right parenthesis ')'"),
    # A number is read as far as it may go, and valued later.
    (
        "1e + 1",
        '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "1e": invalid syntax',
    ),
    (
        ".5.3",
        '1:1: parse error: error parsing number: strconv.ParseFloat: parsing ".5.3": '
        "invalid syntax",
    ),
    ("1.5h11", '1:1: parse error: bad number or duration syntax: "1.5h11"'),
    ("x[0xABm]", '1:3: parse error: unknown unit "xABm" in duration "0xABm"'),
    (
        "99999999999999999999y",
        '1:1: parse error: not a valid duration string: "99999999999999999999y"',
    ),
    # Behind the first number in brackets anything may stand.
    ("x[NaN]", "1:3: parse error: unexpected character in duration expression: 'N'"),
    ("x[5m by]", "1:6: parse error: unexpected character: 'b', expected ':'"),
    ("x[5m:1m:]", "1:8: parse error: unexpected colon ':'"),
    ("x[:5m]", "1:4: parse error: unexpected colon before duration in duration expression"),
    (
        "x[5m 'a']",
        '1:6: parse error: unexpected string "\'a\'" in subquery or range, expected ":" or "]"',
    ),
    (
        "x[5m:*]",
        "1:6: parse error: unexpected <op:*> in subquery selector, expected number or "
        'duration or "]"',
    ),
    # Escapes are looked at before the string is used.
    ('x "\\u12"', "1:3: parse error: illegal character U+0022 '\"' in escape sequence"),
    ('"\\', "1:1: parse error: escape sequence not terminated"),
    ("\ud800", "1:1: parse error: query is not valid UTF-8"),
]


@pytest.mark.parametrize(("query", "text"), MESSAGES)
def test_messages_are_those_of_prometheus(query: str, text: str) -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        parse(query)
    assert str(caught.value) == text


def test_errors_say_what_would_fit() -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        parse('x{job "api"}')
    assert caught.value.expected == ('"="', "label matching operator")
    assert caught.value.caret() == 'x{job "api"}\n      ^^^^^'


@pytest.mark.parametrize(
    "bomb",
    [
        "(" * 10_000,
        "(" * 10_000 + "x" + ")" * 10_000,
        "x[" + "(" * 10_000,
        "-" * 20_000 + "x",
        "x[" + "-" * 20_000 + "step()]",
        "x offset " + "-" * 20_000 + "step()",
        "abs(" * 10_000,
        "1+" * 15_000 + "1",
        "x or " * 15_000 + "x",
        "1^" * 10_000 + "1",
        "x" + "[5m:]" * 6_000,
        "x + on() " * 6_000 + "x",
        "sum by (a) (" * 5_000,
        "{" * 100_000,
        "x{" + "a='b'," * 20_000 + "}",
        "#" * 900_000,
        "\\" * 500_000,
        "'" + "\\a" * 400_000,
        "'" + "\\q" * 400_000 + "'",
        "1" * 900_000,
        "0x" + "f" * 900_000,
        "0" * 900_000 + "x",
        "1_" * 400_000,
        "1m" * 400_000,
        "9" * 900_000 + "y",
        "x @ " + "9" * 300,
        "x" * 900_000 + "(",
        "x{a=~'" + "(" * 300_000 + "'}",
        "x{a=~'" + "a{1000}" * 10_000 + "'}",
        " " * 999_999,
        "x" * 1_000_001,
    ],
    ids=range(31),
)
def test_bombs_are_refused(bomb: str) -> None:
    with pytest.raises(PromQLSyntaxError):
        parse(bomb)


def test_limits_are_said() -> None:
    for query, limit in (
        ("(" * 1000, MAX_DEPTH),
        ("1^" * 1000 + "1", MAX_DEPTH),
        ("-" * 1000 + "x", MAX_DEPTH),
        ("x," * MAX_TOKENS, MAX_TOKENS),
        ("x" * (MAX_LENGTH + 1), MAX_LENGTH),
    ):
        with pytest.raises(PromQLSyntaxError) as caught:
            parse(query)
        if "unexpected" not in caught.value.message:
            assert f"{limit:,}" in caught.value.message


def test_deep_and_wide_queries_within_the_limits_parse() -> None:
    depth = MAX_DEPTH - 2
    deep = parse("(" * depth + "x" + ")" * depth)
    assert parse(str(deep)) == deep
    assert hash(deep) == hash(parse(str(deep)))
    assert len(list(ast.walk(deep))) == depth + 1
    chain = parse(" + ".join(["x"] * (depth + 1)))
    assert parse(pretty(chain)) == chain
    several = " + ".join(f"({'*'.join(['x'] * 50)})" for _ in range(90))
    assert str(parse(several)) == several.replace("*", " * ")
    wide = parse("x{" + ",".join(f"l{i}='v'" for i in range(5000)) + "}")
    assert isinstance(wide, ast.VectorSelector)
    assert len(wide.matchers) == 5001


class Names(Visitor):
    count = 0

    def vector_selector(self, node: ast.VectorSelector) -> None:
        self.count += 1


def test_chains_of_operators_may_be_long() -> None:
    n = 10_000
    for op in ("+", "or", "=="):
        chain = parse(f" {op} ".join(["x"] * n))
        assert parse(str(chain)) == chain
        assert len(list(ast.walk(chain))) == 2 * n - 1
        assert ast.rewrite(chain, lambda node: node) is chain
        assert copy.deepcopy(chain) is chain
        unpickled = pickle.loads(pickle.dumps(chain))
        assert unpickled == chain
        places = [(n.start, n.end) for n in ast.walk(unpickled)]
        assert places == [(n.start, n.end) for n in ast.walk(chain)]
        assert hash(chain) == hash(parse(str(chain)))
        assert repr(chain).count("Binary(op=") == n - 1
        assert str(with_matchers(chain, job="a")) == f" {op} ".join(['x{job="a"}'] * n)
        names = Names()
        names.visit(chain)
        assert names.count == n
    other = parse(" == ".join([*["x"] * (n - 1), "y"]))
    assert other != chain
    assert ast.rewrite(other, lambda node: chain.rhs if node == other.rhs else node) == chain
    assert pretty(parse(" + ".join(["x"] * 400))).count("\n") > 700
    with pytest.raises(PromQLSyntaxError, match="must use BOOL"):
        parse("+".join(["1"] * 500) + " > 2" + "+1" * 500)


def tree_or_error(query: str) -> None:
    try:
        expr = parse(query)
    except PromQLSyntaxError as caught:
        error = caught
    else:
        assert in_order(parse(str(expr))) == in_order(expr)
        return
    assert 0 <= error.start <= error.end <= len(query)
    assert error.message
    assert error.caret()


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes(raw: bytes) -> None:
    tree_or_error(raw.decode(errors="surrogateescape"))
    tree_or_error(raw.decode("latin-1"))


PIECES = [
    *("sum", "by", "(", ")", "{", "}", "[", "]", ",", "=", "=~", "!=", "x", "rate", "5m", "1"),
    *("'a'", '"', "`", "#", "\n", "offset", "@", "start", "end", "step", "range", "min_of", "-"),
    *("+", "*", "^", "==", ">", "/", "and", "or", "bool", "on", "group_left", "fill", "inf"),
    *("anchored", "smoothed", ":", "0x", "1e", "_", ".", "\\", "é", "topk", "info", "label_join"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=15), st.sampled_from(["", " "]))
@settings(max_examples=600, deadline=None)
def test_any_pieces_of_the_language(pieces: list[str], glue: str) -> None:
    tree_or_error(glue.join(pieces))


@given(trees, st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_valid_queries_with_a_mistake(tree: ast.Expr, data: st.DataObject) -> None:
    text = str(tree)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    new = data.draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=2)))
    tree_or_error(text[:at] + new + text[at + cut :])


def test_trees_are_cached_by_text() -> None:
    assert parse("cached_once + 1") is parse("cached_once + 1")


def test_several_threads_parse_at_once() -> None:
    queries = [f"sum by (l{i}) (rate(x{i}[{i + 1}m])) / {i}" for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(parse, queries))
    assert [str(expr) for expr in found] == [str(parse(query)) for query in queries]


def test_the_package_loads_nothing_before_the_first_query() -> None:
    code = "import sys, promlab.promql; print('lark' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# ---------------------------------------------------------------------- the real server


class RealServer:
    def __init__(self, url: str) -> None:
        self.url = url

    def format(self, query: str) -> str:
        """The formatted query, or the text of the error."""
        body = urllib.parse.urlencode({"query": query}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/format_query", body) as answer:
                return str(json.load(answer)["data"])
        except urllib.error.HTTPError as error:
            with error:
                message = str(json.loads(error.read())["error"])
            return message.removeprefix('invalid parameter "query": ')


@pytest.fixture(scope="module")
def real_server(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("prometheus")
    features = "--enable-feature=promql-experimental-functions,promql-duration-expr"
    with prometheus(peers, folder, "global: {scrape_interval: 1h}\n", features) as client:
        yield RealServer(str(client.base_url).rstrip("/"))


# What the real server at hand is too old for, and what is meant to differ.
NEWER = ("min_of", "max_of", "step", "range", "anchored", "smoothed", "fill", "start()", "end()")
NEWER_FUNCTIONS = ("histogram_quantiles", "start_timestamp", "ts_of_first", "ts_of_last")
DIFFERS = (
    "<op:@>",  # which has no name there
    "expected ':'",  # there, what is no word in brackets is said in other words
    "in subquery selector, expected",  # there, a comma is no part of a duration
    "in aggregation",  # it gives up at what stands in for a missing expression
)


def compare(server: RealServer, query: str) -> None:
    real = server.format(query)
    try:
        mine = pretty(parse(query))
    except PromQLSyntaxError as error:
        mine = str(error)
    assert ("parse error" in mine) == ("parse error" in real), f"{query!r}: {real}"
    if "parse error" in mine and not any(part in mine for part in DIFFERS):
        assert mine == real, f"{query!r}: {real}"


@pytest.mark.peers
@pytest.mark.parametrize("query", [query for query, _ in MESSAGES if "\ud800" not in query])
def test_messages_of_the_real_server(real_server: RealServer, query: str) -> None:
    if is_old(query):
        compare(real_server, query)


def is_old(query: str) -> bool:
    newer = (*NEWER, *NEWER_FUNCTIONS, "first_over_time", "</", ">/")
    return not any(word in query for word in newer)


@pytest.mark.peers
@given(tree=trees)
@example(tree=parse("sum by (a) (rate(x[5m] offset -1h)) / on (a) group_left (b) y"))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_trees_on_the_real_server(real_server: RealServer, tree: ast.Expr) -> None:
    if is_old(str(tree)):
        compare(real_server, str(tree))


@pytest.mark.peers
@given(
    st.lists(st.sampled_from([p for p in PIECES if p not in (*NEWER, "start", "end")]), max_size=9)
)
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_pieces_on_the_real_server(real_server: RealServer, pieces: list[str]) -> None:
    query = " ".join(pieces)
    if is_old(query):
        compare(real_server, query)
