"""Functions of numbers and of time, case by case."""

from __future__ import annotations

import math

import pytest

from tests.promql.cases import check


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("abs(vector(-2.5))", 2.5),
        ("ceil(vector(1.2))", 2),
        ("floor(vector(-1.2))", -2),
        ("round(vector(2.5))", 3),
        ("round(vector(-2.5))", -2),
        ("round(vector(7), 5)", 5),
        ("sgn(vector(-3))", -1),
        ("sqrt(vector(9))", 3),
        ("sqrt(vector(-1))", math.nan),
        ("exp(vector(0))", 1),
        ("ln(vector(0))", -math.inf),
        ("log2(vector(8))", 3),
        ("log10(vector(0.01))", -2),
        ("deg(vector(pi()))", 180),
        ("rad(vector(180))", math.pi),
        ("cos(vector(0))", 1),
        ("atanh(vector(1))", math.inf),
        ("clamp(vector(5), 1, 3)", 3),
        ("clamp_min(vector(5), 7)", 7),
        ("clamp_max(vector(5), NaN)", math.nan),
        ("vector(min_of(2, 3) + max_of(2, 3))", 5),
        ("minute(vector(3723))", 2),
        ("hour(vector(3723))", 1),
        ("day_of_week(vector(0))", 4),
        ("day_of_month(vector(86400 * 31))", 1),
        ("day_of_year(vector(86400 * 31))", 32),
        ("days_in_month(vector(86400 * 60))", 31),
        ("month(vector(-1))", 12),
        ("year(vector(-1))", 1969),
        ("hour(vector(NaN))", math.nan),
    ],
)
def test_value(query: str, value: float) -> None:
    check((), query, f"{{}} {value}")


def test_crossed_bounds() -> None:
    check((), "clamp(vector(5), 3, 1)")


def test_times_of_samples() -> None:
    lines = ("m 1 2 _ 4",)
    check(lines, "timestamp(m)", "{} 60", at_min=2)
    check(lines, "timestamp(m * 1)", "{} 120", at_min=2)
    check(lines, "time()", "scalar 120", at_min=2)
    check(lines, "m offset 1m", "m 2", at_min=3)
    check(lines, "m offset -1m", "m 4", at_min=2)
    check(lines, "m @ 180", "m 4")


def test_computed_durations() -> None:
    lines = ("m 1 2 3 4 5 6",)
    check(lines, "sum_over_time(m[1m + 1m])", "{} 11", at_min=5)
    check(lines, "sum_over_time(m[max_of(1m, 3m)])", "{} 15", at_min=5)
    check(lines, "m offset (2 * 1m)", "m 4", at_min=5)
    check(lines, "sum_over_time(m[4m:1m * 2])", "{} 8", at_min=5)
    check(lines, "m[1m - 1m]", at_min=5, fails="greater than 0")


def test_smoothing_factors() -> None:
    query = "double_exponential_smoothing({}[5m], 0.5, 1)"
    wrong = "invalid trend factor. Expected: 0 < tf < 1, got: 1.000000"
    check(("m 1 2 3",), query.format("m"), at_min=2, fails=wrong)
    check(("m 1 2 3",), query.format("nothing"), at_min=2)


def test_quantiles_are_warned_of_where_there_are_numbers() -> None:
    lines = ("m 1 2 3", "h {{count:1}}x3")
    check(lines, "quantile_over_time(2, m[5m])", "{} Inf", at_min=2, warn=r"got 2 \(1:20\)$")
    check(lines, "quantile_over_time(2, h[5m])", at_min=2)


def test_parentheses_do_not_move_places() -> None:
    info = r"does not end in _total/_sum/_count/_bucket: \"m\" \(1:8\)$"
    check(("m 1 2 3",), "rate(((m[5m])))", "{} 0.008333333333333333", at_min=2, info=info)


def test_those_around_a_quantile_count() -> None:
    """As in Prometheus: with functions its place is that of the argument, parentheses and all."""
    lines = ("m 1 2 3",)
    check(lines, "quantile_over_time(((2)), m[5m])", "{} Inf", at_min=2, warn=r"got 2 \(1:20\)$")
    check(lines, "quantile(((2)), m)", "{} Inf", at_min=2, warn=r"got 2 \(1:12\)$")
