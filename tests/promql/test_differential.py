"""Thousands of random queries: the engine's answers against the real Prometheus's."""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promlab.errors import PromQLError, TooManySamples
from promlab.promql.ast import COMPARISONS, Binary, walk
from promlab.promql.engine import Engine
from promlab.promql.eval_binary import EXPLICIT
from promlab.promql.options import EngineOptions
from promlab.promql.result import InstantVector, Matrix, QueryResult, Scalar
from promlab.promqltest.runner import FEATURES
from tests.promql.queries import MINUTES, ODD_STEPS, Queries, data_set
from tests.promql.real import RealPrometheus

pytestmark = pytest.mark.peers

SEED = int(os.environ.get("PROMLAB_SEED", "1"))
COUNT = int(os.environ.get("PROMLAB_QUERIES", "1500"))
STEPS = {"instant": [0], "range": [15_000, 60_000, 77_000], "odd": list(ODD_STEPS)}
# Prometheus multiplies times with values before it takes means off: fewer digits are left.
LINES = re.compile("predict_linear|deriv")
Answer = dict[tuple[tuple[str, str], ...], dict[int, float]]


@pytest.fixture(scope="module")
def both(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ...]]:
    start_ms = 1_699_999_200_000
    data = data_set(random.Random(SEED), start_ms)
    with RealPrometheus(peers, tmp_path_factory.mktemp("prometheus")) as real:
        real.load(data)
        yield real, Engine(data, EngineOptions(features=FEATURES)), start_ms


@pytest.mark.parametrize("kind", ["instant", "range", "odd"])
def test_random_queries(both: tuple[Any, ...], kind: str) -> None:
    real, engine, start_ms = both
    rng = random.Random(f"{SEED} {kind}")
    count = COUNT // 5 if kind == "odd" else COUNT
    queries = Queries(rng, start_ms, odd=kind == "odd")
    wrong = []
    answered = newer = 0
    for _ in range(count):
        query = queries.query()
        at = start_ms + rng.randrange(5, MINUTES) * 60_000 + rng.choice([0, 0, 1, 14_999])
        step = rng.choice(STEPS[kind])
        end = at + step * rng.randrange(0, 40) + (rng.randrange(step) if kind == "odd" else 0)
        found, error = ours(engine, query, at, end, step)
        wanted, refused = theirs(real, query, at, end, step)
        answered += refused is None and bool(wanted)
        if is_newer(engine, query, error, refused):
            newer += 1
        elif (error is None) != (refused is None):
            wrong.append((query, at, end, step, f"{error!r} instead of {refused!r}"))
        elif error is None:
            difference = compare(found, wanted, tolerance(query))
            if difference and is_explained(query, difference):
                newer += 1
            elif difference:
                wrong.append((query, at, end, step, difference))
    assert not wrong, "\n".join(map(str, wrong[:20]))
    assert answered > count / 3
    assert newer < count / 100


@pytest.mark.parametrize("ratio", [0.1, 0.35, 0.5, 0.8, -0.2, -0.65])
def test_limit_ratio_chooses_the_same_series(both: tuple[Any, ...], ratio: float) -> None:
    real, engine, start_ms = both
    query, at = f'limit_ratio({ratio}, {{__name__=~".+"}})', start_ms + 1_200_000
    found, error = ours(engine, query, at, at, 0)
    assert error is None
    wanted, _ = theirs(real, query, at, at, 0)
    assert found.keys() == wanted.keys()
    assert wanted


def test_lines_are_infinite_or_level_where_theirs_are(both: tuple[Any, ...]) -> None:
    real, engine, start_ms = both
    rng = random.Random(SEED)
    wrong = []
    for _ in range(100):
        moved = rng.choice(["", "offset 30s", "offset -5m", "offset 7s1ms", f"@ {start_ms / 1e3}"])
        window = f"line[{rng.choice(['1m', '47s', '5m'])}] {moved}"
        ahead = rng.choice(["Inf", "-Inf", "NaN", "1", "-3600"])
        query = rng.choice([f"predict_linear({window}, {ahead})", f"deriv({window})"])
        at, step = start_ms + rng.randrange(40, 500) * 1000, rng.choice([0, 7000, 15_000])
        found, error = ours(engine, query, at, at + 10 * step, step)
        wanted, refused = theirs(real, query, at, at + 10 * step, step)
        assert error is refused is None
        if difference := compare(found, wanted, 1e-6):
            wrong.append((query, at, step, difference))
    assert not wrong, "\n".join(map(str, wrong[:20]))


def is_newer(engine: Engine, query: str, error: str | None, refused: str | None) -> bool:
    """Whether we refuse what this Prometheus takes: as its later versions do, or for its size.

    There two series that match the same one are an error also where a comparison drops one.
    And thousands of series that live for a step each are too many for columns.
    """
    if refused is not None:
        return False
    if error == TooManySamples(0).message:
        return "count_values" in query
    if error != EXPLICIT:
        return False
    return any(
        isinstance(node, Binary) and node.op in COMPARISONS and node.matching is not None
        for node in walk(engine.plan(query).expr)
    )


def tolerance(query: str) -> float:
    """Timestamps are large: of a line through them, or of their variance, fewer digits are left."""
    of_times = "ts_of_" in query or "time" in query
    if not LINES.search(query) and not (of_times and "std" in query):
        return 1e-9
    return 1e-6 if of_times else 1e-8


def is_explained(query: str, difference: str) -> bool:
    """Whether docs/reference/query-engine.md names this difference."""
    # Just between two multiples, the order in which values are added decides.
    if "round(std" in query:
        return True
    # A lone +Inf bucket: 0 in newer versions.
    return "histogram_fraction(" in query and difference.endswith(" 0.0 instead of nan")


def ours(engine: Engine, query: str, at: int, end: int, step: int) -> tuple[Answer, str | None]:
    try:
        result = engine.range(query, at, end, step) if step else engine.instant(query, at)
    except PromQLError as error:
        return {}, error.message
    return as_answer(result), None


def as_answer(result: QueryResult) -> Answer:
    value = result.value
    if isinstance(value, Scalar):
        return {(): {value.t_ms: value.value}}
    if isinstance(value, InstantVector):
        rows = map(tuple, map(sorted, (row.items() for row in value.labels.rows())))
        return {key: {value.t_ms: x} for key, x in zip(rows, value.values.tolist(), strict=True)}
    assert isinstance(value, Matrix)
    found: Answer = {}
    for i, row in enumerate(value.labels.rows()):
        steps = np.flatnonzero(value.present[i])
        times = value.t_ms[steps].tolist()
        found[tuple(sorted(row.items()))] = dict(
            zip(times, value.values[i, steps].tolist(), strict=True)
        )
    return found


def theirs(
    real: RealPrometheus, query: str, at: int, end: int, step: int
) -> tuple[Answer, str | None]:
    if step:
        times = {"start": at / 1000, "end": end / 1000, "step": step / 1000}
        answer = real.ask("query_range", query=query, **times)
    else:
        answer = real.ask("query", query=query, time=at / 1000)
    if answer["status"] != "success":
        return {}, answer["error"]
    result = answer["data"]["result"]
    if answer["data"]["resultType"] == "scalar":
        return {(): point(result)}, None
    found: Answer = {}
    for series in result:
        points = series["values"] if "values" in series else [series["value"]]
        key = tuple(sorted(series["metric"].items()))
        found[key] = {t: x for one in points for t, x in point(one).items()}
    return found, None


def point(pair: list[Any]) -> dict[int, float]:
    return {round(pair[0] * 1000): float(pair[1])}


def compare(found: Answer, wanted: Answer, tolerance: float) -> str:
    """What differs; values may, in the last digits: sums are made in another order."""
    if found.keys() != wanted.keys():
        return f"series {sorted(found)[:4]} instead of {sorted(wanted)[:4]}"
    for key, values in wanted.items():
        if found[key].keys() != values.keys():
            return f"{key}: steps {sorted(found[key])[:9]} instead of {sorted(values)[:9]}"
        for t, x in values.items():
            y = found[key][t]
            if not (x == y or (math.isnan(x) and math.isnan(y))) and not math.isclose(
                x, y, rel_tol=tolerance, abs_tol=1e-9
            ):
                return f"{key} at {t}: {y} instead of {x}"
    return ""
