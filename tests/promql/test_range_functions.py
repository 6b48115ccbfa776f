"""Kernels of range functions against their plain definitions, through a whole engine."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promql.result import Matrix
from promlab.promqltest.memory import MemoryQuerier
from tests.promql.twins import TWINS, quantile, regression

OPTIONS = EngineOptions(features=frozenset({"promql-experimental-functions"}), threads=1)
VALUES = st.floats(-1e6, 1e6).map(lambda x: round(x, 3)) | st.integers(0, 9).map(float)
SERIES = st.lists(st.tuples(st.integers(1, 90), VALUES), min_size=0, max_size=40)


def samples_of(gaps: list[tuple[int, float]]) -> list[tuple[int, float]]:
    times = np.cumsum([gap for gap, _ in gaps]) * 1000
    return list(zip(times.tolist(), [value for _, value in gaps], strict=True))


def engine_of(series: list[list[tuple[int, float]]]) -> Engine:
    querier = MemoryQuerier()
    for i, samples in enumerate(series):
        querier.add({"__name__": "m", "i": str(i)}, samples)
    return Engine(querier, OPTIONS)


def ask(engine: Engine, query: str, end_s: int, step_s: int) -> dict[tuple[int, int], float]:
    """Values by series number and step time."""
    value = engine.range(query, 0, end_s * 1000, step_s * 1000).value
    assert isinstance(value, Matrix)
    found = {}
    for row, labels in enumerate(value.labels.rows()):
        for step in np.flatnonzero(value.present[row]):
            found[int(labels["i"]), int(value.t_ms[step])] = float(value.values[row, step])
    return found


def expect(series, twin, end_s, step_s, range_s):
    wanted = {}
    for i, samples in enumerate(series):
        for right in range(0, end_s * 1000 + 1, step_s * 1000):
            window = [(t, x) for t, x in samples if right - range_s * 1000 < t <= right]
            value = twin(window, right, range_s * 1000)
            if value is not None:
                wanted[i, right] = value
    return wanted


def assert_close(found, wanted, scale=1.0):
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        if math.isnan(value):
            assert math.isnan(found[key]), key
        else:
            assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-9 * scale), key


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=25, deadline=None)
@given(
    gaps=st.lists(SERIES, min_size=1, max_size=3),
    step=st.integers(7, 200),
    size=st.integers(1, 400),
)
def test_function_equals_its_definition(name, gaps, step, size):
    series = [samples_of(one) for one in gaps]
    found = ask(engine_of(series), f"{name}(m[{size}s])", 1200, step)
    # Means and moments are as exact as the values are large.
    scale = max([abs(x) for one in series for _, x in one], default=1.0) + 1
    assert_close(found, expect(series, TWINS[name], 1200, step, size), scale * scale)


@pytest.mark.parametrize("name", ["rate", "increase", "delta"])
@settings(max_examples=25, deadline=None)
@given(
    gaps=st.lists(SERIES, min_size=1, max_size=3),
    first=st.sampled_from([0.0, 0.5, 40.0, -3.0]),
    step=st.integers(7, 200),
    size=st.integers(1, 400),
)
def test_counters_that_rise_from_near_zero(name, gaps, first, step, size):
    rising = [[(gap, abs(x) / 1e5) for gap, x in one] for one in gaps]
    series = [
        [(t, first + sum(x for _, x in one[: i + 1])) for i, (t, _) in enumerate(samples_of(one))]
        for one in rising
    ]
    found = ask(engine_of(series), f"{name}(m[{size}s])", 1200, step)
    assert_close(found, expect(series, TWINS[name], 1200, step, size), 100)


@settings(max_examples=40, deadline=None)
@given(gaps=SERIES, step=st.integers(7, 200), size=st.integers(1, 400), q=st.floats(-0.2, 1.2))
def test_quantile_over_time(gaps, step, size, q):
    series = [samples_of(gaps)]
    found = ask(engine_of(series), f"quantile_over_time({q!r}, m[{size}s])", 1200, step)
    twin = lambda s, _right, _range: quantile(q, [x for _, x in s]) if s else None  # noqa: E731 - a table's entry
    assert_close(found, expect(series, twin, 1200, step, size))


@settings(max_examples=40, deadline=None)
@given(gaps=SERIES, step=st.integers(7, 200), size=st.integers(1, 400), ahead=st.integers(-99, 999))
def test_predict_linear_counts_from_the_step(gaps, step, size, ahead):
    series = [samples_of(gaps)]
    query = f"predict_linear(m[{size}s] offset 30s, {ahead})"
    found = ask(engine_of(series), query, 1200, step)

    def twin(samples, right, _range):
        line = regression(samples, right)
        return line and line[1] + line[0] * (ahead + 30)

    moved = [[(t + 30_000, x) for t, x in one] for one in series]
    wanted = expect(
        moved,
        lambda s, e, r: twin([(t - 30_000, x) for t, x in s], e - 30_000, r),
        1200,
        step,
        size,
    )
    assert_close(found, wanted, 1e9)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("query", "values", "expected"),
    [
        ("max_over_time(m[5m])", [NAN, NAN], NAN),
        ("max_over_time(m[5m])", [NAN, -3, NAN], -3),
        ("min_over_time(m[5m])", [NAN, 4, 9], 4),
        ("sum_over_time(m[5m])", [1e100, 1, -1e100], 1),
        ("sum_over_time(m[5m])", [INF, 1], INF),
        ("sum_over_time(m[5m])", [INF, -INF], NAN),
        ("avg_over_time(m[5m])", [1.7e308, 1.7e308], 1.7e308),
        ("avg_over_time(m[5m])", [-1.7e308, 1.7e308, 1.7e308], 1.7e308 / 3),
        ("stddev_over_time(m[5m])", [0.1, 0.1, 0.1], 0),
        ("stddev_over_time(m[5m])", [1, INF], NAN),
        ("stddev_over_time(m[5m])", [NAN], NAN),
        ("stdvar_over_time(m[5m])", [-INF], NAN),
        ("changes(m[5m])", [NAN, NAN, 1, 1, NAN], 2),
        ("resets(m[5m])", [3, 2, NAN, 1], 1),
        ("deriv(m[5m])", [7, 7, 7], 0),
        ("deriv(m[5m])", [INF, INF], NAN),
        ("increase(m[3m])", [10, 20, 5], 15 * 1.5),
        ("quantile_over_time(0.5, m[5m])", [NAN, 1, 2], 1),
        ("quantile_over_time(NaN, m[5m])", [1], NAN),
        ("double_exponential_smoothing(m[5m], 0.5, 0.5)", [1, 2, 3], 3),
    ],
)  # fmt: skip
def test_special_values(query, values, expected):
    engine = engine_of([[(60_000 * i, x) for i, x in enumerate(values, 1)]])
    result = engine.instant(query, 60_000 * len(values)).value
    assert result.values.tolist() == pytest.approx([expected], rel=1e-12, nan_ok=True)
