"""Advice for the classic mistakes."""

from __future__ import annotations

import re

import pytest

from promlab.errors import PromQLSyntaxError
from promlab.promql import parse
from promlab.promql.checks import check_range_query
from promlab.promql.hints import RULES

CLASSICS = [
    ("rate(up)", "rate(up[5m])"),
    ('rate(up{job="a"})', 'rate(up{job="a"}[5m])'),
    ("rate(sum(up))", "sum(rate(x[5m]))"),
    ("increase(a + b)", "increase((...)[5m:])"),
    ("abs(up[5m])", "avg_over_time"),
    ("sum(up[5m])", "rate(...)"),
    ("up[5m] + 1", "rate(x[5m])"),
    ("-up[5m]", "rate(x[5m])"),
    ("topk(up, 5)", "vector"),
    ("topk(up, up)", "topk(5, x)"),
    ("abs(5)", "vector(1)"),
    ("1 == 2", "bool"),
    ("1 and up", "vector(0)"),
    ('{job=""}', '{job=~".+"}'),
    ("up offset 5m [1h]", "x[5m] offset 1h"),
    ("rate(up[5m]) offset 1h", "rate(x[5m] offset 1h)"),
    ("sum(up)[5m]", "[5m:]"),
    ("sum(rate(up)[5m])", "inside the function: rate(up[5m])."),
    ("increase(up{a='1'})[1h]", "increase(up{a='1'}[1h])"),
    ("rat(up[5m])", "Did you mean rate"),
    ("histogram_quantil(0.9, x)", "histogram_quantile"),
    ("mean(up)", "avg"),
    ("holt_winters(x[5m], 1, 1)", "double_exponential_smoothing"),
    ("RATE(up[5m])", "lower case"),
    ("zzzzzzzz(up)", "no parentheses"),
    ("SELECT value FROM up", "not SQL"),
    ("up where job = 'a'", "not SQL"),
    ("sum(up) group by job", "not SQL"),
    ("up limit 5", "not SQL"),
    ("up && up", "and"),
    ("up || up", "or"),
    ("up <> 1", "!="),
    ("rate(up[$__interval])", "Grafana"),
    ("up{job=$job}", "Grafana"),
    ("up > $limit", "Grafana"),
    ("up{job=“api”}", "straight quotes"),
    ("up;", "semicolon"),
    ("up > 80%", "0.8"),
    ("(up > 80%)", "0.8"),
    ("up{job=api}", 'job="api"'),
    ("up{code=~5xx}", 'code=~"5xx"'),
    ("up{code=200}", 'code="200"'),
    ('up{job=="api"}', "one sign"),
    ("up{code>400}", "x > 5"),
    ('up{my.label="a"}', '"my.label"'),
    ("{{up}}", "double braces"),
    ("up{a='1' b='2'}", "Commas"),
    ("up{job}", 'job="api"'),
    ("up{job=~'*'}", ".*"),
    ("up{job=~'\\d'}", "backslash"),
    ("sum by job (up)", "by (job)"),
    ("sum by (job) up", "sum by (job) (up)"),
    ("up by (job)", "belongs to an aggregation"),
    ("a + by (job) b", "on (job)"),
    ("rate(x[5m]) by (job)", "rate takes no by"),
    ("avg_over_time(x[5m]) by (job)", "avg by (job)"),
    ("avg_over_time by (job) (x[5m])", "avg by (job)"),
    ("a == on(x) bool b", "Order after an operator"),
    ("a * on(x) group_left (b)", "group_left ()"),
    ("up = 1", "=="),
    ("up === 1", "Comparisons"),
    ("up =~ 'a'", "braces"),
    ("!up", "unless"),
    ("1.5h", "1h30m"),
    ("x[1m2h]", "long to short"),
    ("x[-5m]", "offset"),
    ("x[job]", "braces"),
    ("5min", "5m"),
    ("x[5minutes]", "5m"),
    ("x[30sec]", "30s"),
    ("x[1h30]", "1h30m"),
    ("x[5q]", "units"),
    ("sum(up", ") is missing"),
    ("up[5m", "] is missing"),
    ("up[", "] is missing"),
    ("up{job='a'", "} is missing"),
    ("up{job='a}", "quote is missing"),
    ("up)", ") too many"),
    ("up}", "} too many"),
    ("abs(up,)", "last comma"),
    ("http.requests.total", '{"http.requests.total"}'),
    ("sum up", "sum(up)"),
    ("rate up", "rate(up)"),
    ("up\nup", "second query"),
    ("cpu usage", "cpu_usage"),
    ("up 5", "operator is missing"),
    ("up +", "right side of +"),
]


@pytest.mark.parametrize(("query", "part"), CLASSICS)
def test_classics_get_advice(query: str, part: str) -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        parse(query)
    assert part in caught.value.hint, caught.value.message
    assert caught.value.hint.count("{") == caught.value.hint.count("}") or "missing" in part


def test_advice_that_is_a_query_parses() -> None:
    for query in ("rate(up)", 'rate(up{job="a"})', "sum by (job) up", "http.x", "sum up", "5min"):
        with pytest.raises(PromQLSyntaxError) as caught:
            parse(query)
        better = re.search(r": (.*?)\.$", caught.value.hint)
        assert better is not None
        parse(better[1])


def test_most_rules_are_for_some_classic() -> None:
    used = set()
    for query, _ in CLASSICS:
        with pytest.raises(PromQLSyntaxError) as caught:
            parse(query)
        used.update(r for r in RULES if re.search(r.message, caught.value.message))
    assert set(RULES) - used <= {rule for rule in RULES if "if|case" in rule.around}


def test_a_range_in_a_graph_gets_advice() -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        check_range_query(parse("up[5m]"))
    assert "rate(x[5m])" in caught.value.hint
    assert "invalid expression type" in caught.value.message
    check_range_query(parse("up"))
    check_range_query(parse("1"))


def test_text_of_the_query_is_never_taken_for_a_template() -> None:
    for query in ("sum {0.__class__}", "rate(up{a=~'{function.x}'})", "x{a='{b}' c}", "x§ y", "§"):
        with pytest.raises(PromQLSyntaxError):
            parse(query)
