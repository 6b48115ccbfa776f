"""What no peer has yet, against models of a few lines: anchored and smoothed windows, fill.

Random series with gaps, resets, NaN and staleness markers, at random moments.
"""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from promlab.model.samples import STALE_NAN
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promql.result import Matrix
from promlab.promqltest.memory import MemoryQuerier
from promlab.promqltest.runner import FEATURES

Samples = list[tuple[int, float]]
Cells = dict[tuple[str, int], float]
LOOKBACK = 300_000
END = 3_600_000


def series(rng: random.Random, *, nan: bool = True) -> Samples:
    """A counter that begins anew at times, with gaps; its markers are no samples later."""
    found, value, t = [], float(rng.randrange(50)), rng.randrange(60_000)
    while t < END:
        value = rng.choice([value, value + rng.randrange(9), value + 0.5, float(rng.randrange(3))])
        special = [STALE_NAN, math.nan] if nan else [STALE_NAN]
        found.append((t, rng.choice(special) if rng.random() < 0.03 else value))
        t += rng.choice([15_000, 15_000, 15_001, 60_000, 400_000])
    return found


def is_marker(value: float) -> bool:
    return value is STALE_NAN


def engine_of(data: dict[str, Samples], name: str = "m") -> MemoryQuerier:
    querier = MemoryQuerier()
    for i, samples in data.items():
        querier.add({"__name__": name, "i": i}, samples)
    return querier


def asked(querier: MemoryQuerier, query: str, start: int, step: int) -> Cells:
    value = Engine(querier, EngineOptions(features=FEATURES)).range(query, start, END, step).value
    assert isinstance(value, Matrix)
    return {
        (labels["i"], int(t)): float(value.values[row, at])
        for row, labels in enumerate(value.labels.rows())
        for at, t in enumerate(value.t_ms)
        if value.present[row, at]
    }


def anchored(samples: Samples, t: int, range_ms: int) -> Samples:
    """From the last sample at or before the left edge, or else the first after it."""
    left = t - range_ms
    near = [(at, x) for at, x in samples if left - LOOKBACK < at <= t and not is_marker(x)]
    inside = [pair for pair in near if pair[0] > left]
    before = [pair for pair in near if pair[0] <= left]
    return before[-1:] + inside if inside else []


def lost(values: list[float]) -> float:
    return math.fsum(a for a, b in pairwise(values) if b < a)


ANCHORED = {
    "delta": lambda x: x[-1] - x[0],
    "increase": lambda x: x[-1] - x[0] + lost(x),
    "resets": lambda x: sum(b < a for a, b in pairwise(x)),
    "changes": lambda x: sum(a != b and not (a != a and b != b) for a, b in pairwise(x)),
}


@pytest.mark.parametrize("function", ANCHORED)
@pytest.mark.parametrize("seed", range(3))
def test_anchored(function: str, seed: int) -> None:
    rng = random.Random(f"{function} {seed}")
    counts = function in ("resets", "changes")
    data = {str(i): series(rng, nan=counts) for i in range(6)}
    range_ms, start, step = rng.choice([30_000, 60_001, 900_000]), rng.randrange(END), 13_337
    found = asked(engine_of(data), f"{function}(m[{range_ms}ms] anchored)", start, step)
    wanted = {
        (i, t): ANCHORED[function]([x for _, x in window])
        for i, samples in data.items()
        for t in range(start, END + 1, step)
        if (window := anchored(samples, t, range_ms))
    }
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def at_edge(samples: Samples, t: int) -> float | None:
    """On the line between the samples around a moment; None where one side has none."""
    before = [pair for pair in samples if pair[0] <= t]
    after = [pair for pair in samples if pair[0] >= t]
    if not before or not after:
        return None
    (t0, y0), (t1, y1) = before[-1], after[0]
    return y0 if t0 == t1 else y0 + (y1 - y0) * (t - t0) / (t1 - t0)


@pytest.mark.parametrize("seed", range(3))
def test_smoothed_differences(seed: int) -> None:
    rng = random.Random(seed)
    data = {str(i): [p for p in series(rng) if p[1] == p[1]] for i in range(6)}
    range_ms, start, step = rng.choice([30_000, 60_001, 900_000]), rng.randrange(END), 13_337
    found = asked(engine_of(data), f"delta(m[{range_ms}ms] smoothed)", start, step)
    compared = 0
    for i, samples in data.items():
        for t in range(start, END + 1, step):
            left, right = t - range_ms, t
            near = [(at, x) for at, x in samples if left - LOOKBACK < at <= right + LOOKBACK]
            edges = at_edge(near, left), at_edge(near, right)
            if None not in edges:
                compared += 1
                assert found[i, t] == pytest.approx(edges[1] - edges[0], abs=1e-9)  # type: ignore[operator]
    assert compared > 0


@pytest.mark.parametrize("seed", range(3))
def test_fill(seed: int) -> None:
    rng = random.Random(seed)
    a = {i: series(rng, nan=False) for i in "0123"}
    b = {i: series(rng, nan=False) for i in "2345"}
    querier = engine_of(a, "a")
    for i, samples in b.items():
        querier.add({"__name__": "b", "i": i}, samples)
    left, right = asked(querier, "a", 0, 7919), asked(querier, "b", 0, 7919)
    for modifier, for_left, for_right in (
        ("fill(3)", 3, 3), ("fill_left(3)", 3, None), ("fill_right(5)", None, 5),
        ("fill_left(3) fill_right(5)", 3, 5),
    ):  # fmt: skip
        wanted = {}
        for key in left.keys() | right.keys():
            x, y = left.get(key, for_left), right.get(key, for_right)
            if x is not None and y is not None:
                wanted[key] = x - y
        assert asked(querier, f"a - {modifier} b", 0, 7919) == wanted


@pytest.mark.parametrize("seed", range(3))
def test_limits_choose_some_and_all(seed: int) -> None:
    rng = random.Random(seed)
    querier = engine_of({str(i): series(rng) for i in range(20)})
    every = asked(querier, "m", 0, 77_777)
    for k in (0, 1, 7, 100):
        some = asked(querier, f"limitk({k}, m)", 0, 77_777)
        assert some.items() <= every.items() or any(x != x for x in some.values())
        for t in {t for _, t in every}:
            assert sum(at == t for _, at in some) == min(k, sum(at == t for _, at in every))
    ratio = round(rng.random(), 2)
    one = asked(querier, f"limit_ratio({ratio}, m)", 0, 77_777)
    other = asked(querier, f"limit_ratio({ratio} - 1, m)", 0, 77_777)
    assert one.keys() | other.keys() == every.keys()
    assert not one.keys() & other.keys()
