"""Moments as Go keeps them."""

from __future__ import annotations

import pytest

from promlab.server.moments import (
    FIRST_NS,
    LAST_NS,
    MAX_TIME_MS,
    MIN_TIME_MS,
    between_ns,
    parse_moment,
    query_ms,
    storage_ms,
)

# Each as the real server answers `time()` at it.
AT = {
    "1435781430.781": 1_435_781_430_781,
    "1435781430.7815": 1_435_781_430_782,
    "-0.0005": -1,
    "0x1p4": 16_000,
    "9223372036.854": 9_223_372_036_854,
    "9223372036.855": -9_223_372_036_854,
    "9223372037": -9_223_372_036_709,
    "-9223372037": 9_223_372_036_709,
    "1e12": 3_875_820_019_684,
    "1e19": 0,
    "NaN": -9_223_372_036_854,
    "-Inf": -9_223_372_036_854,
    "1969-12-31T23:59:59.9999Z": 0,
    "0000-02-29T00:00:00Z": -6_821_889_378_871,
    "9999-12-31T23:59:59Z": -4_852_116_232_933,
    "-292273086-05-16T16:47:06Z": 6_795_364_580_679,
}


@pytest.mark.parametrize(("text", "t_ms"), AT.items())
def test_when_a_query_is_evaluated(text: str, t_ms: int) -> None:
    assert query_ms(parse_moment(text)) == t_ms


@pytest.mark.parametrize(
    ("text", "t_ms"),
    [
        ("1969-12-31T23:59:59.9999Z", -1),
        ("1e12", 1_000_000_000_000_000),
        ("9e15", MAX_TIME_MS),
        ("1e16", MIN_TIME_MS),
        ("-1e18", MIN_TIME_MS),
    ],
)
def test_where_series_are_looked_for(text: str, t_ms: int) -> None:
    assert storage_ms(parse_moment(text)) == t_ms


@pytest.mark.parametrize(
    "text", ["", "x", "1e400", "1d", "10000-01-01T00:00:00Z", "2023-02-29T00:00:00Z", "0x10"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="to a valid timestamp"):
        parse_moment(text)


def test_no_span_is_longer_than_three_centuries() -> None:
    assert between_ns(0, 5) == 5
    assert between_ns(FIRST_NS, LAST_NS) == 2**63 - 1
    assert between_ns(LAST_NS, FIRST_NS) == -(2**63)
