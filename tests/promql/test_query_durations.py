"""Durations of queries in milliseconds, step and range known."""

from __future__ import annotations

import math

import pytest

from promlab.errors import PromQLSyntaxError
from promlab.promql import ast, parse
from promlab.promql.durations import duration_ms


def range_of(text: str) -> ast.Duration:
    expr = parse(f"x[{text}]")
    assert isinstance(expr, ast.MatrixSelector)
    return expr.range


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("5m", 300_000),
        ("1.5", 1500),
        ("0.0019", 1),
        ("5m + 30", 330_000),
        ("11s+10s-5*2^2", 1000),
        ("-(10s-5s)+20s", 15_000),
        ("1h30m % 1h", 1_800_000),
        ("7 % 4 * 1m", 180_000),
        ("step() * 4", 60_000),
        ("range() / 2", 1_800_000),
        ("min_of(5m, step())", 15_000),
        ("max_of(5m, step() + 1h)", 3_615_000),
        ("2 ^ 3 ^ 2", 512_000),
    ],
)
def test_values(text: str, expected_ms: int) -> None:
    assert duration_ms(range_of(text), step_ms=15_000, range_ms=3_600_000) == expected_ms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step()", "duration must be greater than 0"),
        ("5m - 6m", "duration must be greater than 0"),
        ("1 / step()", "division by zero"),
        ("1 % step()", "modulo by zero"),
        ("9e9 * 9e9", "duration out of range"),
        ("10 ^ 9e9", "duration out of range"),
        ("10 ^ 9e9 % 2", "duration must be greater than 0"),
        ("(0 - 1) ^ 0.5", "duration must be greater than 0"),
        ("0 ^ (0 - 1)", "duration out of range"),
    ],
)
def test_errors(text: str, message: str) -> None:
    query = f"x[{text}]"
    with pytest.raises(PromQLSyntaxError, match=message) as caught:
        duration_ms(range_of(text), query=query)
    assert caught.value.query == query
    assert 2 <= caught.value.start < caught.value.end <= len(query) - 1


def test_offsets_may_be_negative_or_nothing() -> None:
    expr = parse("x offset (step() - 1m)")
    assert isinstance(expr, ast.VectorSelector)
    assert duration_ms(expr.offset, step_ms=15_000, positive=False) == -45_000
    assert duration_ms(expr.offset, step_ms=60_000, positive=False) == 0
    nan = ast.DurationBinary("-", ast.NumberLiteral(math.inf), ast.NumberLiteral(math.inf))
    with pytest.raises(PromQLSyntaxError, match="out of range"):
        duration_ms(nan, positive=False)
