"""Aggregations, case by case: floats, histograms, and both in one group."""

from __future__ import annotations

import numpy as np
import pytest

from promlab.promql.reductions import Reduction
from tests.promql.cases import check

FLOATS = ('m{g="x", i="1"} 1', 'm{g="x", i="2"} 3', 'm{g="y", i="1"} -2', 'm{g="y", i="2"} NaN')
HISTOGRAMS = (
    'h{i="1"} {{schema:1 count:4 sum:8 buckets:[1 3]}}',
    'h{i="2"} {{schema:0 count:2 sum:1 buckets:[2]}}',
)
MIXED = (*HISTOGRAMS, 'h{i="3"} 5')


@pytest.mark.parametrize(
    ("op", "x", "y"),
    [
        ("sum", "4", "NaN"),
        ("avg", "2", "NaN"),
        ("min", "1", "-2"),
        ("max", "3", "-2"),
        ("count", "2", "2"),
        ("group", "1", "1"),
        ("stdvar", "1", "NaN"),
        ("stddev", "1", "NaN"),
    ],
)
def test_by_group(op: str, x: str, y: str) -> None:
    check(FLOATS, f"{op} by (g) (m)", f'{{g="x"}} {x}', f'{{g="y"}} {y}')
    check(FLOATS, f"{op} without (i) (m)", f'{{g="x"}} {x}', f'{{g="y"}} {y}')
    check(FLOATS, f'{op} (m{{g="x"}})', f"{{}} {x}")
    check(FLOATS, f"{op} (nothing)")


def test_choosing_series() -> None:
    check(FLOATS, "topk by (g) (1, m)", 'm{g="x", i="2"} 3', 'm{g="y", i="1"} -2')
    check(FLOATS, "bottomk(1, m)", 'm{g="y", i="1"} -2')
    check(FLOATS, "topk(0, m)")
    check(FLOATS, "count(limitk by (g) (1, m))", "{} 2")
    check(FLOATS, "count(limit_ratio(0.3, m) or limit_ratio(-0.7, m))", "{} 4")
    check(FLOATS, "count(limit_ratio(0.3, m) and limit_ratio(-0.7, m))")
    check(FLOATS, "count(limit_ratio(2, m))", "{} 4", warn="got 2, capping to 1")


def test_quantile_and_count_values() -> None:
    check(FLOATS, 'quantile(0.5, m{g="x"})', "{} 2")
    check(FLOATS, 'quantile(1.5, m{g="x"})', "{} Inf", warn="should be between 0 and 1, got 1.5")
    check(FLOATS, 'count_values("v", m{i="1"})', '{v="1"} 1', '{v="-2"} 1')
    check(
        HISTOGRAMS,
        'count_values("v", h{i="2"})',
        '{v="{count:2, sum:1, (0.5,1]:2}"} 1',
    )


def test_histograms() -> None:
    check(HISTOGRAMS, "sum(h)", "{} {{schema:0 count:6 sum:9 buckets:[3 3]}}")
    check(HISTOGRAMS, "avg(h)", "{} {{schema:0 count:3 sum:4.5 buckets:[1.5 1.5]}}")
    check(HISTOGRAMS, "count(h)", "{} 2")
    check(HISTOGRAMS, "group(h)", "{} 1")
    check(HISTOGRAMS, "limitk(5, h)", *HISTOGRAMS)


@pytest.mark.parametrize("op", ["min", "max", "stddev", "stdvar"])
def test_histograms_are_ignored(op: str) -> None:
    value = "5" if op in ("min", "max") else "0"
    check(MIXED, f"{op}(h)", f"{{}} {value}", info=f"ignored histogram in {op} aggregation")


def test_histograms_are_not_chosen() -> None:
    check(MIXED, "topk(2, h)", 'h{i="3"} 5', info="ignored histogram in topk aggregation")
    check(MIXED, "quantile(0, h)", "{} 5", info="ignored histogram in quantile aggregation")


@pytest.mark.parametrize("op", ["sum", "avg"])
def test_what_has_no_sum(op: str) -> None:
    check(MIXED, f"{op}(h)", warn="mix of histograms and floats for aggregation")
    custom = 'h{i="4"} {{schema:-53 count:1 sum:1 custom_values:[1] buckets:[1]}}'
    mix = "mix of histograms with exponential and custom buckets"
    check((*HISTOGRAMS, custom), f"{op}(h)", warn=mix)


def test_custom_bounds_are_reconciled() -> None:
    lines = (
        'h{i="1"} {{schema:-53 count:3 sum:3 custom_values:[1 2 5] buckets:[1 1 1]}}',
        'h{i="2"} {{schema:-53 count:4 sum:4 custom_values:[1 5] buckets:[2 1 1]}}',
    )
    check(
        lines,
        "sum(h)",
        "{} {{schema:-53 count:7 sum:7 custom_values:[1 5] buckets:[3 3 1]}}",
        info="mismatched custom buckets were reconciled during aggregation",
    )


def test_zero_buckets_are_widened() -> None:
    lines = (
        'h{i="1"} {{count:3 sum:1 z_bucket:1 z_bucket_w:0.25 buckets:[1 1]}}',
        # The zero bucket up to 0.6 would cut (0.5, 1], so it takes that in.
        'h{i="2"} {{count:2 sum:1 z_bucket:2 z_bucket_w:0.6}}',
    )
    check(lines, "sum(h)", "{} {{count:5 sum:2 z_bucket:4 z_bucket_w:1 offset:1 buckets:[1]}}")


def test_count_values_keeps_a_name_that_is_its_label() -> None:
    check(('m{i="1"} 2', 'm{i="2"} 2'), 'count_values("__name__", -m)', '{__name__="-2"} 2')


def test_places_of_ignored_histograms() -> None:
    ignored = r"ignored histogram in {} aggregation \({}\)$"
    check(MIXED, "max((h))", "{} 5", info=ignored.format("max", "1:5"))
    check(MIXED, "-topk(1, h)", '{i="3"} -5', info=ignored.format("topk", "1:2"))
    check(MIXED, "topk(0, h)")


def test_numbers_in_warnings_are_as_go_prints_them() -> None:
    warning = r"between 0 and 1, got 1\.2345678e\+07 \(1:10\)$"
    check(FLOATS, 'quantile(12345678, m{i="1"})', "{} Inf", warn=warning)


SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1e308, -1e308, 1e-300, 1e16, 1.0]


def plain_sum(values: list[float]) -> float:
    """Neumaier's sum, one after the other."""
    total, rest = -0.0, -0.0
    for x in values:
        after = total + x
        larger, smaller = (total, x) if abs(total) >= abs(x) else (x, total)
        rest = 0.0 if np.isinf(after) else rest + ((larger - after) + smaller)
        total = after
    return total + rest


def plain_best(op: str, values: list[float]) -> float:
    numbers = [x for x in values if x == x]
    return (min if op == "min" else max)(numbers) if numbers else np.nan


@pytest.mark.parametrize("steps", [1, 7, 64])
def test_rows_are_added_as_numbers_are(steps: int) -> None:
    rng = np.random.default_rng(steps)
    values = np.where(
        rng.random((60, steps)) < 0.3,
        rng.choice(SPECIAL, (60, steps)),
        rng.normal(0, 1e3, (60, steps)),
    )
    present, group = rng.random((60, steps)) < 0.7, rng.integers(0, 4, 60)
    twins = {
        "sum": plain_sum,
        "count": lambda them: float(len(them)),
        "min": lambda them: plain_best("min", them),
        "max": lambda them: plain_best("max", them),
    }
    for op, twin in twins.items():
        reduction = Reduction(op, 4, steps)
        with np.errstate(all="ignore"):
            for a in range(0, 60, 20):
                reduction.add(values[a:], present[a:], group[a:], 20)
            for g in range(4):
                for t in range(steps):
                    mine = values[(group == g) & present[:, t], t].tolist()
                    assert reduction.seen[g, t] == bool(mine)
                    if mine:
                        np.testing.assert_array_equal(reduction.result()[g, t], twin(mine))
