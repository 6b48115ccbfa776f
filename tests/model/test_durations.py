from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promlab.model.durations import MAX_MS, format_duration_ms, parse_duration_ms

CASES = [
    ("0", 0),
    ("0s", 0),
    ("15s", 15_000),
    ("1h30m", 5_400_000),
    ("54s321ms", 54_321),
    ("2w", 14 * 86_400_000),
    ("1y", 365 * 86_400_000),
    ("1d12h", 36 * 3_600_000),
]


@pytest.mark.parametrize(("text", "duration_ms"), CASES)
def test_parse(text: str, duration_ms: int) -> None:
    assert parse_duration_ms(text) == duration_ms


@pytest.mark.parametrize("text", ["", "1", "1.5h", "-1m", "1m1h", "5min", "1m1m", " 1m", "1M"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration_ms(text)


def test_out_of_range() -> None:
    with pytest.raises(ValueError, match="out of range"):
        parse_duration_ms("9999999y")


@given(st.integers(0, MAX_MS))
def test_round_trip(duration_ms: int) -> None:
    assert parse_duration_ms(format_duration_ms(duration_ms)) == duration_ms


def test_format() -> None:
    assert format_duration_ms(5_400_000) == "1h30m"
    assert format_duration_ms(14 * 86_400_000) == "2w"
    assert format_duration_ms(36 * 3_600_000) == "1d12h"
    assert format_duration_ms(-90_000) == "-1m30s"
    assert format_duration_ms(0) == "0s"
