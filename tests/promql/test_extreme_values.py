"""Values at the ends of floating point: what overflows, and what is no number."""

from __future__ import annotations

import pytest

from tests.promql.cases import check


@pytest.mark.parametrize(
    ("values", "variance"),
    [
        ("1e308 1.5e308 1.7e308 1e308", "Inf"),
        ("1e308 -1e308", "-Inf"),
        ("1e308 -1e308 1e308 -1e308", "NaN"),
        ("1 2 Inf 4", "NaN"),
        ("1 2 NaN 4", "NaN"),
        ("1 -Inf Inf", "NaN"),
        ("1e150 3e150", "1e300"),
    ],
)
def test_variance_that_overflows(values: str, variance: str) -> None:
    check([f"m {values}"], "stdvar_over_time(m[10m])", f"{{}} {variance}", at_min=5)


@pytest.mark.parametrize("query", ["h * Inf", "Inf * h", "h / 0 * 1"])
def test_custom_buckets_have_no_zero_bucket(query: str) -> None:
    series = "h {{schema:-53 sum:5 count:4 custom_values:[1 2] buckets:[1 2 1]}}"
    buckets = "" if "/" in query else " buckets:[Inf Inf Inf]"
    wanted = f"{{}} {{{{schema:-53 sum:Inf count:Inf custom_values:[1 2]{buckets}}}}}"
    check([series], query, wanted)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("histogram_quantile(0.9, h / 0)", "0"),
        ("histogram_quantile(0, h / 0)", "NaN"),
        ("histogram_quantile(0.9, -h / 0)", "NaN"),
        ("histogram_quantile(0.5, -h)", "4"),
        ("histogram_quantile(0.1, -h)", "4"),
    ],
)
def test_quantiles_of_what_no_histogram_counts(query: str, value: str) -> None:
    series = "h {{schema:-53 sum:5 count:4 custom_values:[1 2 4] buckets:[1 2 1]}}"
    check([series], query, f"{{}} {value}")
