"""Arithmetic on columns of native histograms, against the same one by one in plain Python."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.model.histograms import (
    CUSTOM_SCHEMA,
    GAUGE,
    NOT_RESET,
    RESET,
    UNKNOWN,
    HistogramTable,
    ordered_buckets,
)
from promlab.promql.histogram_equality import equal_rows
from promlab.promql.native_histograms import (
    Terms,
    averages,
    combine,
    detect_resets,
    divided,
    texts,
)
from promlab.promqltest.histograms import Plain, parse_histogram, plain_row, table_of
from tests.made_histograms import histogram, stack

counts = st.integers(0, 20).map(float)
sides = st.dictionaries(st.integers(-6, 9), st.integers(1, 20).map(float), max_size=6)


@st.composite
def exponential(draw: st.DrawFn) -> Plain:
    positive, negative = draw(sides), draw(sides)
    threshold = draw(st.sampled_from([0.0, 0.001, 0.3, 1.0, 2.0]))
    schema = draw(st.integers(-2, 3))
    made = Plain(schema, 0.0, draw(counts), draw(counts), threshold, positive, negative)
    # As no histogram has: buckets within its own zero bucket.
    made = replace(
        made,
        positive={i: c for i, c in positive.items() if made.bound(i - 1) >= threshold},
        negative={i: c for i, c in negative.items() if made.bound(i - 1) >= threshold},
    )
    filled = [made.zero_count, *made.positive.values(), *made.negative.values()]
    return replace(made, count=math.fsum(filled))


@st.composite
def custom(draw: st.DrawFn) -> Plain:
    bounds = tuple(sorted(draw(st.sets(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 5.0])))))
    filled = {i: draw(counts) for i in range(len(bounds) + 1)}
    filled = {i: c for i, c in filled.items() if c}
    total = math.fsum(filled.values())
    return Plain(CUSTOM_SCHEMA, total, draw(counts), positive=filled, bounds=bounds)


def close(a: float, b: float) -> bool:
    return a == b or abs(a - b) <= 1e-9 * (abs(a) + abs(b)) or (math.isnan(a) and math.isnan(b))


def assert_same(found: Plain, wanted: Plain) -> None:
    assert (found.schema, found.bounds) == (wanted.schema, wanted.bounds)
    assert found.zero_threshold == pytest.approx(wanted.zero_threshold)
    for x, y in (
        (found.count, wanted.count),
        (found.sum, wanted.sum),
        (found.zero_count, wanted.zero_count),
    ):
        assert close(x, y)
    for a, b in ((found.positive, wanted.positive), (found.negative, wanted.negative)):
        assert all(close(a.get(i, 0.0), b.get(i, 0.0)) for i in {*a, *b})


kinds = st.one_of(
    st.lists(exponential(), min_size=1, max_size=6), st.lists(custom(), min_size=1, max_size=6)
)


@settings(max_examples=80, deadline=None)
@given(kinds, st.sampled_from([1.0, -1.0]))
def test_sums_and_differences(histograms: list[Plain], sign: float) -> None:
    table = table_of(histograms)
    n = len(histograms)
    a, b = np.arange(n), np.arange(n)[::-1].copy()
    found = combine(table, Terms.pairs(a, b, sign)).table
    for i in range(n):
        assert_same(plain_row(found, i), histograms[i].plus(histograms[n - 1 - i], sign))


@settings(max_examples=80, deadline=None)
@given(kinds)
def test_resets_and_equality(histograms: list[Plain]) -> None:
    table = table_of(histograms)
    pairs = [(i, j) for i in range(len(histograms)) for j in range(len(histograms))]
    a, b = np.array(pairs).T
    resets = detect_resets(table, a, b)
    equal = equal_rows(table, a, b)
    for k, (i, j) in enumerate(pairs):
        assert resets[k] == histograms[j].resets(histograms[i]), (histograms[i], histograms[j])
        assert equal[k] == (histograms[i] == histograms[j])


@settings(max_examples=50, deadline=None)
@given(st.lists(custom(), min_size=1, max_size=8))
def test_many_terms_are_as_one_after_the_other(histograms: list[Plain]) -> None:
    terms = Terms.of(np.array([len(histograms)]), np.arange(len(histograms)))
    found = combine(table_of(histograms), terms)
    total = histograms[0]
    for one in histograms[1:]:
        total = total.plus(one)
    assert_same(plain_row(found.table, 0), total)
    assert found.reconciled[0] == (len({h.bounds for h in histograms}) > 1)
    shares = averages(table_of(histograms), terms).table
    n = len(histograms)
    mean = replace(
        total,
        count=total.count / n,
        sum=total.sum / n,
        positive={i: c / n for i, c in total.positive.items()},
    )
    assert_same(plain_row(shares, 0), mean)


def test_a_mix_of_kinds_is_told() -> None:
    table = table_of([Plain(0, 1.0), Plain(CUSTOM_SCHEMA, 1.0, bounds=(1.0,)), Plain(2, 1.0)])
    terms = Terms.of(np.array([2, 2, 1]), np.array([0, 1, 0, 2, 1]))
    found = combine(table, terms)
    assert found.mixed.tolist() == [True, False, False]
    assert found.table.schema.tolist()[1:] == [0, CUSTOM_SCHEMA]
    assert combine(table, Terms.of(np.zeros(0, np.int64), np.zeros(0, np.int64))).table.n == 0


@pytest.mark.parametrize(
    ("hints", "joint", "conflict"),
    [
        ([NOT_RESET, NOT_RESET], NOT_RESET, False),
        ([RESET, NOT_RESET], UNKNOWN, True),
        ([UNKNOWN, NOT_RESET], UNKNOWN, False),
        ([GAUGE, NOT_RESET], GAUGE, False),
        ([GAUGE, RESET, NOT_RESET], GAUGE, True),
    ],
)
def test_hints_of_sums(hints: list[int], joint: int, conflict: bool) -> None:
    table = table_of([Plain(0, 1.0, hint=hint) for hint in hints])
    found = combine(table, Terms.of(np.array([len(hints)]), np.arange(len(hints))))
    assert found.table.hint.tolist() == [joint]
    assert found.conflict.tolist() == [conflict]


def test_averages_do_not_overflow() -> None:
    table = table_of([Plain(0, 1e308, 1e308, positive={1: 1e308}) for _ in range(4)])
    found = plain_row(averages(table, Terms.of(np.array([4]), np.arange(4))).table, 0)
    assert found.count == pytest.approx(1e308)
    assert found.positive[1] == pytest.approx(1e308)


def test_a_division_by_zero_leaves_no_buckets() -> None:
    table = table_of([Plain(0, 2.0, 1.0, 1.0, 0.1, {0: 1.0}), Plain(0, 2.0, positive={3: 2.0})])
    found = divided(table, np.array([0.0, 2.0]))
    assert plain_row(found, 0).positive == {}
    assert math.isinf(plain_row(found, 0).count)
    assert plain_row(found, 1).positive == {3: 1.0}


def test_buckets_in_order() -> None:
    text = "{{schema:0 z_bucket:2 z_bucket_w:0.1 buckets:[1 0 2] n_buckets:[3 4]}}"
    other = "{{schema:-53 custom_values:[1 5] buckets:[1 2 3]}}"
    found = ordered_buckets(table_of([parse_histogram(text), Plain(), parse_histogram(other)]))
    assert found.offsets.tolist() == [0, 5, 5, 8]
    assert found.lower.tolist() == [-2, -1, -0.1, 0.5, 2, -math.inf, 1, 5]
    assert found.upper.tolist() == [-1, -0.5, 0.1, 1, 4, 1, 5, math.inf]
    assert found.counts.tolist() == [4, 3, 2, 1, 2, 1, 2, 3]
    assert found.place.tolist() == [-1, -1, 0, 1, 1, 1, 1, 1]


def test_buckets_begin_where_the_zero_bucket_ends() -> None:
    """As the real server prints them, those too that are all inside of the zero bucket."""
    found = ordered_buckets(
        stack(
            [
                histogram(
                    zero_count=2, zero_threshold=0.6,
                    positive={-1: 1, 0: 3, 1: 2}, negative={-1: 1, 0: 3, 2: 2},
                ),
                histogram(schema=-53, positive={0: 1, 1: 2}, bounds=(-1.0, 2.0)),
            ]
        )
    )  # fmt: skip
    bounds = list(zip(found.lower.tolist(), found.upper.tolist(), strict=True))
    assert bounds[:7] == [
        (-4, -2), (-1, -0.6), (-0.5, -0.6), (-0.6, 0.6), (0.6, 0.5), (0.6, 1), (1, 2),
    ]  # fmt: skip
    assert bounds[7:] == [(-math.inf, -1), (-1, 2)]


def test_text() -> None:
    text = (
        "{{schema:1 count:3 sum:2.5 z_bucket:1 z_bucket_w:0.5 buckets:[1] offset:2 n_buckets:[1]}}"
    )
    assert texts(table_of([parse_histogram(text)])) == [
        "{count:3, sum:2.5, [-1,-0.7071067811865475):1, [-0.5,0.5]:1, (1.414213562373095,2]:1}"
    ]


def test_stacked_tables_keep_their_bounds() -> None:
    a = table_of([Plain(CUSTOM_SCHEMA, 1.0, bounds=(1.0,), positive={0: 1.0})])
    b = table_of([Plain(0), Plain(CUSTOM_SCHEMA, 2.0, bounds=(1.0, 2.0), positive={1: 2.0})])
    both = HistogramTable.stack([a, HistogramTable.empty(), b, a])
    rows = [plain_row(both, i) for i in range(both.n)]
    assert [row.bounds for row in rows] == [(1.0,), (), (1.0, 2.0), (1.0,)]
    assert [row.positive for row in rows] == [{0: 1.0}, {}, {1: 2.0}, {0: 1.0}]
