"""Functions of labels and of the shape of results, case by case."""

from __future__ import annotations

import pytest

from promlab.errors import PromQLError
from tests.promql.cases import check, engine_with

LINES = ('m{a="x-1", b="y"} 1', 'm{a="x-2", b="y"} 2')
HISTOGRAM = 'h{a="x"} {{count:1 sum:1 buckets:[1]}}'


def test_label_replace() -> None:
    query = 'label_replace(m, "c", "$1$2${2}", "a", "(.)-(.)")'
    check(LINES, query, 'm{a="x-1", b="y", c="x11"} 1', 'm{a="x-2", b="y", c="x22"} 2')
    check(LINES, 'label_replace(m, "c", "n", "a", "x")', *LINES)
    check(LINES, 'label_replace(m, "b", "", "b", ".*")', 'm{a="x-1"} 1', 'm{a="x-2"} 2')
    check(LINES, 'label_replace(m, "a", "z", "b", ".*")', fails="same labelset")
    check([HISTOGRAM], 'label_replace(h, "a", "y", "", "")', HISTOGRAM.replace('"x"', '"y"'))


def test_label_join() -> None:
    query = 'label_join(m, "c", "/", "b", "a", "none")'
    check(LINES, query, 'm{a="x-1", b="y", c="y/x-1/"} 1', 'm{a="x-2", b="y", c="y/x-2/"} 2')


def test_absent_scalar_vector() -> None:
    check(LINES, 'absent(n{a="1", b=~"2", c="3"})', '{a="1", c="3"} 1')
    check([*LINES, HISTOGRAM], "absent(m)")
    check([*LINES, HISTOGRAM], "absent(h)")
    check(LINES, 'scalar(m{a="x-1"})', "scalar 1")
    check(LINES, "scalar(m)", "scalar nan")
    check([HISTOGRAM], "scalar(h)", "scalar nan")
    check((), "vector(3)", "{} 3")


def test_histograms_pass_where_only_labels_change() -> None:
    check([HISTOGRAM], "sort_by_label(h, 'a')", HISTOGRAM)
    for query in ("abs(h)", "clamp_min(h, 0)", "round(h)", "hour(h)", "sort(h)"):
        check([HISTOGRAM], query)
    check([HISTOGRAM], "timestamp(h)", '{a="x"} 0')


INFOS = (
    'm{instance="i", job="j", own="1"} 1 2 3',
    'm{instance="k", job="j"} 4 5 6',
    'target_info{instance="i", job="j", own="2", version="1"} 1 1 stale',
    'target_info{instance="i", job="j", version="2"} _ _ 1',
    'build_info{instance="i", job="j", go="x"} 1 1 1',
)


def test_info() -> None:
    plain = 'm{instance="k", job="j"} 4'
    check(INFOS, "info(m)", 'm{instance="i", job="j", own="1", version="1"} 1', plain)
    later = 'm{instance="i", job="j", own="1", version="2"} 3'
    check(INFOS, "info(m)", later, plain.replace("4", "6"), at_min=2)
    check(INFOS, 'info(m, {version="2"})', later, at_min=2)
    check(INFOS, 'info(m, {go=~".+"})')
    check(
        INFOS,
        'info(m, {__name__="build_info"})',
        'm{instance="i", job="j", own="1", go="x"} 1',
        plain,
    )
    check(INFOS, "info(nothing)")
    twice = (*INFOS, 'build_info{instance="i", job="j", go="y"} 1 1 1')
    check(twice, 'info(m, {__name__="build_info"})', fails="found duplicate series for info metric")
    clash = (*INFOS, 'other_info{instance="i", job="j", go="y"} 1 1 1')
    check(clash, 'info(m, {__name__=~".+_info"})', fails="conflicting label: go")
    histogram = (*INFOS, 'h_info{instance="i", job="j"} {{}}x2')
    check(histogram, 'info(m, {__name__="h_info"})', fails="should be an info metric")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (r'count_values("\xff", m)', "invalid label name"),
        (r'count_values(("a\377"), m)', "invalid label name"),
        (r'label_replace(m, "\xff", "y", "job", "j")', "invalid destination label name"),
        (r'label_join(m, "\xc3", "-", "job")', "invalid destination label name"),
        (r'label_join(m, "x", "-", "\xff")', "invalid source label name"),
        (r'histogram_quantiles(m, "\xff", 0.5)', "invalid label name"),
        (r'sum by ("\xff") (m)', "invalid label name for grouping"),
        (r'm + on("\xff") m', "invalid label name for grouping"),
    ],
)
def test_bytes_that_are_no_text_name_no_label(query: str, message: str) -> None:
    with pytest.raises(PromQLError, match=message):
        engine_with(*INFOS).instant(query, 0)


def test_bytes_that_are_text_together_name_a_label() -> None:
    check(INFOS, r'count_values("\xc3\xa9", vector(1))', '{"é"="1"} 1')
    check(INFOS, r'label_replace(vector(1), "x", "\xff", "", "")', '{x="\ufffd"} 1')
