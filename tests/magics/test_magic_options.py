"""Splitting options off a line, and preparing the query's text."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promlab.errors import PromQLSyntaxError
from promlab.magics.options import UsageError, options_end, split
from promlab.magics.query_text import expand, is_blank, prepare, second_expression


@pytest.mark.parametrize(
    ("line", "changed", "query"),
    [
        ('up{job="api srv"}', {}, 'up{job="api srv"}'),
        ("--last 15m up", {"last": "15m"}, "up"),
        ("--last=15m  --as=table up - -1", {"last": "15m", "form": "table"}, "up - -1"),
        ('--start "2026-11-23 10:00" up', {"start": "2026-11-23 10:00"}, "up"),
        ("--at now-5m up --last 5m", {"at": "now-5m"}, "up --last 5m"),
        ("-- --up", {}, " --up"),
        ("-up", {}, "-up"),
        ("x << up << 1", {"target": "x"}, " up << 1"),
        ("--step 5s y<<up", {"step": "5s", "target": "y"}, "up"),
        ("--live off --max-points 200 --url http://h:1 up",
         {"live": "off", "max_points": 200, "url": "http://h:1"}, "up"),
        ("", {}, ""),
    ],
)  # fmt: skip
def test_split(line: str, changed: dict[str, object], query: str) -> None:
    found = split(line)
    assert found.query == query
    assert found == split("")._replace(query=query, **changed)


@given(st.text(alphabet="up{}=\"' ,[]()", max_size=30))
def test_a_query_passes_untouched(query: str) -> None:
    assert split("--step 5s (" + query).query == "(" + query


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--lats 5m up", "did you mean --last?"),
        ("--zzz up", "there are --last"),
        ("--last", "--last needs a value"),
        ("--last 5mm up", "not a duration"),
        ("--at never up", "not a time"),
        ("--as tabel up", "did you mean table?"),
        ("--last 5m --last 6m up", "given twice"),
        ("--at 1 --step 5s up", "one time"),
        ("--last 5m --start 1 up", "both"),
        ("--max-points 0 up", "from 1 to 11,000"),
        ("--max-points 99999 up", "from 1 to 11,000"),
        ("--live sometimes up", "not a duration"),
    ],
)
def test_wrong_options_say_what_would_be_right(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        split(line)


def test_end_of_options() -> None:
    assert options_end("--last 5m up") == 10
    assert options_end("--last 5m --st") == 10
    assert options_end("up --last 5m") == 0


VARIABLES = {
    "job": 'a"b', "jobs": ["a.b", "c|d"], "n": 5, "x": 0.25, "metric": "up",
    "window": timedelta(minutes=5), "server": SimpleNamespace(url="h"), "tick": "`",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ('up{job="{{job}}"}', 'up{job="a\\"b"}'),
        ("up{job='{{job}}'}", "up{job='a\"b'}"),
        ("up{job={{job}}}", 'up{job="a\\"b"}'),
        ("up{job=`{{job}}`}", 'up{job=`a"b`}'),
        ("up{job=~{{jobs}}}", 'up{job=~"a\\\\.b|c\\\\|d"}'),
        ("rate({{metric}}[{{window}}])", "rate(up[5m])"),
        ("up > {{ n }} + {{x}}", "up > 5 + 0.25"),
        ("{{server.url}}", "h"),
        ("up # {{nothing}}", "up # {{nothing}}"),
        ("up{a='b'}", "up{a='b'}"),
    ],
)
def test_variables(text: str, expanded: str) -> None:
    if "nothing" in text:
        assert expand(text, {"nothing": 1}) == expanded
    else:
        assert expand(text, VARIABLES) == expanded


def test_variables_that_cannot_be_put_in() -> None:
    with pytest.raises(PromQLSyntaxError, match="no variable 'nope'") as caught:
        expand("up{job={{nope}}}", VARIABLES)
    assert caught.value.caret().endswith("^^^^^^^^")
    with pytest.raises(PromQLSyntaxError, match="backquote"):
        expand("up{job=`{{tick}}`}", VARIABLES)


@given(st.text())
def test_a_value_in_quotes_stays_one_value(value: str) -> None:
    from promlab.promql import parse
    from promlab.promql.ast import VectorSelector

    if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
        return
    tree = parse(expand('up{job="{{value}}"}', {"value": value}))
    assert isinstance(tree, VectorSelector)
    assert tree.label_matchers[0].value == value


@pytest.mark.parametrize(
    ("text", "query", "silent"),
    [
        ("up;", "up", True),
        ("up ; \n", "up", True),
        ("up # a; b;", "up # a; b;", False),
        ("up; # quiet", "up  # quiet", True),
        ('up{a=";"}', 'up{a=";"}', False),
        ("# NBVAL_CHECK_OUTPUT\nup\n", "# NBVAL_CHECK_OUTPUT\nup", False),
    ],
)
def test_trailing_semicolon(text: str, query: str, silent: bool) -> None:
    assert prepare(text, {}) == (query, silent)


def test_blank_and_several_expressions() -> None:
    assert is_blank("# only\n  # comments")
    assert not is_blank('"#"')
    assert second_expression("up\n# and\nnode_load1") == 3
    assert second_expression("sum(\nup\n)\nsum(up)") == 4
    assert second_expression("up\n+ up") is None
    assert second_expression("sum(\nup") is None
