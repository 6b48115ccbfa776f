"""`anchored`, `smoothed` and start timestamps, case by case."""

from __future__ import annotations

import pytest

from promlab.errors import QueryError
from tests.promql.cases import MINUTE, check, engine_with

COUNTER = ("m_total 1 3 _ 7 2 4",)
HISTOGRAM = (
    "h {{count:1 sum:1 buckets:[1]}} {{count:3 sum:3 buckets:[3]}} _ {{count:7 sum:7 buckets:[7]}}"
    " {{count:2 sum:2 buckets:[2]}} {{count:4 sum:4 buckets:[4]}}",
)


@pytest.mark.parametrize(
    ("query", "at_min", "value"),
    [
        # From the 3 at 1 min to the 7.
        ("increase(m_total[2m] anchored)", 3, 4),
        ("rate(m_total[2m] anchored)", 3, 4 / 120),
        # From the 3 at 1 min, the sample before the window, over the reset to 4.
        ("increase(m_total[3m] anchored)", 5, 8),
        ("delta(m_total[3m] anchored)", 5, 1),
        ("increase(m_total[1m] smoothed)", 2.5, 2),
        ("delta(m_total[2m] smoothed)", 4, -3),
        ("increase(m_total[2m] smoothed)", 4, 4),
    ],
)
def test_rates(query: str, at_min: float, value: float) -> None:
    check(COUNTER, query, f"{{}} {value}", at_min=at_min)
    if "delta" not in query:
        count = f"histogram_count({query.replace('m_total', 'h')})"
        check(HISTOGRAM, count, f"{{}} {value}", at_min=at_min)
    else:
        count = f"histogram_count({query.replace('m_total', 'h')})"
        check(HISTOGRAM, count, f"{{}} {value}", at_min=at_min, warn="not a gauge")


def test_changes_and_resets() -> None:
    check(COUNTER, "changes(m_total[1m] anchored)", "{} 1", at_min=3)
    check(COUNTER, "changes(m_total[1m])", "{} 0", at_min=3)
    check(COUNTER, "resets(m_total[2m] anchored)", "{} 1", at_min=4)
    check(HISTOGRAM, "resets(h[2m] anchored)", "{} 1", at_min=4)


def test_smoothed_values() -> None:
    check(COUNTER, "m_total smoothed", "m_total 5", at_min=2)
    check(COUNTER, "m_total smoothed", "m_total 7", at_min=3)
    check(COUNTER, "m_total smoothed", "m_total 4", at_min=7)
    check(COUNTER, "timestamp(m_total smoothed)", "{} 120", at_min=2)
    check(HISTOGRAM, "h smoothed", "h {{count:5 sum:5 buckets:[5]}}", at_min=2)
    # Across a reset, a counter begins at nothing.
    check(HISTOGRAM, "h smoothed", "h {{count:1 sum:1 buckets:[1]}}", at_min=3.5)
    mixed = ("x 1 {{count:1 sum:1 buckets:[1]}}",)
    check(mixed, "x smoothed", at_min=0.5, warn="mix of histograms and floats")


def test_a_bare_window_has_no_value() -> None:
    with pytest.raises(QueryError, match="no value of their own"):
        engine_with(*COUNTER).instant("m_total[2m] anchored", 3 * MINUTE)


def test_start_timestamps() -> None:
    # Each sample began half a minute before it: all of them are resets.
    lines = ("@st -30s -30s -30s -30s", "m_total 5 6 7 8")
    check(lines, "increase(m_total[4m])", "{} 26", at_min=3)
    # A start at the very edge is outside: extrapolated by half a minute.
    check(lines, "increase(m_total[3m30s])", "{} 24.5", at_min=3)
    check(lines, "resets(m_total[5m])", "{} 3", at_min=3)
    check(lines, "irate(m_total[5m])", f"{{}} {8 / 60}", at_min=3)
    check(lines, "increase(m_total[45s])", "{} 8", at_min=3)
    check(lines, "start_timestamp(m_total)", "{} 150", at_min=3)
    check(lines, "start_timestamp(m_total * 1)", at_min=3)
    unknown = ("m_total 5 6 7 8",)
    check(unknown, "start_timestamp(m_total)", at_min=3)
    overlap = ("@st -30s -2m", "m_total 5 6")
    message = "start time that overlaps with previous sample timestamp"
    check(overlap, "increase(m_total[2m])", "{} 6", at_min=1, warn=message)


def test_start_timestamps_of_histograms() -> None:
    lines = ("@st -30s -30s", "h {{count:5 sum:5 buckets:[5]}} {{count:6 sum:6 buckets:[6]}}")
    check(lines, "histogram_count(increase(h[2m]))", "{} 11", at_min=1)
    check(lines, "histogram_sum(irate(h[2m]))", "{} 0.1", at_min=1)
    check(lines, "resets(h[2m])", "{} 1", at_min=1)
