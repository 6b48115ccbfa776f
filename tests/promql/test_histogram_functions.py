"""Functions of native histograms over series and time, case by case."""

from __future__ import annotations

import pytest

from tests.promql.cases import check

ONE = ("h {{schema:0 count:8 sum:10 z_bucket:2 z_bucket_w:0.5 offset:1 buckets:[4 2]}}",)
CUSTOM = ("c {{schema:-53 count:10 sum:30 custom_values:[1 2 5] buckets:[2 3 4 1]}}",)


@pytest.mark.parametrize(
    ("function", "value"),
    [("count", 8), ("sum", 10), ("avg", 1.25)],
)
def test_numbers(function: str, value: float) -> None:
    check(ONE, f"histogram_{function}(h)", f"{{}} {value}")
    check(["f 1"], f"histogram_{function}(f)")


def test_spread() -> None:
    mean = 1.25
    parts = [(2, 0.0), (4, 2**0.5), (2, 8**0.5)]
    variance = sum(n * (x - mean) ** 2 for n, x in parts) / 8
    check(ONE, "histogram_stdvar(h)", f"{{}} {variance!r}")
    check(ONE, "histogram_stddev(h)", f"{{}} {variance**0.5!r}")


@pytest.mark.parametrize(
    ("q", "value", "warns"),
    [
        ("0", 0, ""),
        ("0.125", 0.25, ""),
        ("0.5", 2**0.5, ""),
        ("1", 4, ""),
        ("2", "Inf", "quantile value should be between 0 and 1"),
        ("-1", "-Inf", "quantile value should be between 0 and 1"),
    ],
)
def test_quantiles(q: str, value: object, warns: str) -> None:
    check(ONE, f"histogram_quantile({q}, h)", f"{{}} {value}", warn=warns)


def test_quantiles_of_custom_buckets() -> None:
    check(CUSTOM, "histogram_quantile(0.1, c)", "{} 0.5")
    check(CUSTOM, "histogram_quantile(0.35, c)", "{} 1.5")
    check(CUSTOM, "histogram_quantile(1, c)", "{} 5")
    check(CUSTOM, 'histogram_quantiles(c, "q", 0.1, 1)', '{q="0.1"} 0.5', '{q="1.0"} 5')


def test_fractions() -> None:
    check(ONE, "histogram_fraction(-Inf, Inf, h)", "{} 1")
    check(ONE, "histogram_fraction(0, 0.25, h)", "{} 0.125")
    check(ONE, "histogram_fraction(1.4142135623730951, 2, h)", "{} 0.25")
    check(ONE, "histogram_fraction(2, 1, h)", "{} 0")
    check(CUSTOM, "histogram_fraction(1, 3.5, c)", "{} 0.5")


def test_observations_of_nan() -> None:
    lines = ("h {{schema:0 count:10 sum:NaN buckets:[8]}}",)
    skewed = "has NaN observations, result is skewed higher"
    check(lines, "histogram_quantile(0.4, h)", f"{{}} {2**-0.5}", info=skewed)
    check(lines, "histogram_quantile(0.9, h)", "{} NaN", info="result is NaN")
    excluded = "excluded from all fractions"
    check(lines, "histogram_fraction(-Inf, Inf, h)", "{} 0.8", info=excluded)


def test_metrics_without_a_name_are_named_all_the_same() -> None:
    malformed = 'malformed value of "" for metric name ""'
    check(("m 1",), "histogram_quantile(0.5, sum(m))", warn=malformed)
    falling = ('m{le="1"} 5', 'm{le="2"} 3', 'm{le="+Inf"} 3')
    forced = 'monotonicity .* for metric name ""'
    check(falling, "histogram_quantile(0.5, sum by (le) (m))", "{} 0.5", info=forced)


def test_classic_and_native_of_one_name() -> None:
    lines = ('m{le="1"} 1', 'm{le="+Inf"} 2', "m {{count:1 sum:1 buckets:[1]}}")
    check(lines, "histogram_quantile(0.5, m)", warn="mix of classic and native histograms")


GROWING = (
    "h {{count:10 sum:10 buckets:[10]}} {{count:14 sum:12 buckets:[14]}}"
    " {{count:16 sum:20 buckets:[16]}} {{count:4 sum:4 buckets:[4]}}",
)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("increase(h[3m])", "{} {{count:9 sum:18 buckets:[9] counter_reset_hint:gauge}}"),
        ("irate(h[4m])", f"{{}} {{{{count:{4 / 60} sum:{4 / 60} buckets:[{4 / 60}]}}}}"),
        ("sum_over_time(h[2m])", "{} {{count:20 sum:24 buckets:[20]}}"),
        ("avg_over_time(h[2m])", "{} {{count:10 sum:12 buckets:[10]}}"),
        ("last_over_time(h[2m])", "h {{count:4 sum:4 buckets:[4]}}"),
        ("first_over_time(h[2m])", "h {{count:16 sum:20 buckets:[16]}}"),
        ("count_over_time(h[2m])", "{} 2"),
        ("present_over_time(h[2m])", "{} 1"),
        ("resets(h[4m])", "{} 1"),
        ("changes(h[4m])", "{} 3"),
        ("max_over_time(h[4m])", None),
        ("absent_over_time(h[4m])", None),
    ],
)
def test_over_time(query: str, wanted: str | None) -> None:
    check(GROWING, query, *([wanted] if wanted else []), at_min=3)


def test_a_gauge_is_no_counter() -> None:
    gauge = [GROWING[0].replace("}}", " counter_reset_hint:gauge}}")]
    check(gauge, "delta(h[2m])", "{} {{count:-24 sum:-32 buckets:[-24]}}", at_min=3)
    check(GROWING, "histogram_count(delta(h[2m]))", "{} -24", at_min=3, warn="not a gauge")
    check(
        gauge, "histogram_count(rate(h[2m]))", f"{{}} {8 / 120}", at_min=3, warn="is not a counter"
    )


@pytest.mark.parametrize("factor", ["1", "0", "Inf", "-Inf", "NaN"])
def test_a_multiple_equals_itself(factor: str) -> None:
    check(GROWING, f"group(h * {factor} == h * {factor})", "{} 1")
    check(GROWING, f"h * {factor} != h * {factor}")
    check(GROWING, f"h * 2 == h * {factor}")


MIXED = ("x 1 2 {{count:1 sum:1 buckets:[1]}} {{count:3 sum:3 buckets:[3]}}",)


def test_windows_of_both_kinds() -> None:
    for query in ("rate(x[4m])", "sum_over_time(x[4m])", "avg_over_time(x[4m])"):
        check(MIXED, query, at_min=3, warn="encountered a mix of histograms and floats")
    ignored = "ignored histograms in a range containing both floats and histograms"
    check(MIXED, "max_over_time(x[4m])", "{} 2", at_min=3, info=ignored)
    check(MIXED, "quantile_over_time(0, x[4m])", "{} 1", at_min=3, info=ignored)
    check(MIXED, "count_over_time(x[4m])", "{} 4", at_min=3)
    check(MIXED, "histogram_count(irate(x[4m]))", f"{{}} {2 / 60}", at_min=3)
    check(MIXED, "changes(x[4m])", "{} 3", at_min=3)
    check(MIXED, "histogram_count(sum_over_time(x[2m]))", "{} 4", at_min=3)


def test_lookback_ends_at_a_marker() -> None:
    lines = ("h {{count:1 sum:1}} stale",)
    check(lines, "h", "h {{count:1 sum:1}}", at_min=0.5)
    check(lines, "h", at_min=1)
    check(lines, "count_over_time(h[5m])", "{} 1", at_min=1)


def test_subqueries() -> None:
    check(GROWING, "sum_over_time(h[3m:1m])", "{} {{count:34 sum:36 buckets:[34]}}", at_min=3)
    check(GROWING, "histogram_count(sum_over_time(h[3m:90s]))", "{} 18", at_min=3)
