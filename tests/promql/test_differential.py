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

from promlab.errors import PromQLError
from promlab.promql.ast import COMPARISONS, Binary, walk
from promlab.promql.engine import Engine
from promlab.promql.eval_binary import EXPLICIT
from promlab.promql.options import EngineOptions
from promlab.promql.result import InstantVector, Matrix, QueryResult, Scalar
from promlab.promqltest.runner import FEATURES
from tests.promql.queries import MINUTES, Queries, data_set
from tests.promql.real import RealPrometheus

pytestmark = pytest.mark.peers

SEED = int(os.environ.get("PROMLAB_SEED", "1"))
COUNT = int(os.environ.get("PROMLAB_QUERIES", "1500"))
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


@pytest.mark.parametrize("kind", ["instant", "range"])
def test_random_queries(both: tuple[Any, ...], kind: str) -> None:
    real, engine, start_ms = both
    rng = random.Random(f"{SEED} {kind}")
    queries = Queries(rng, start_ms)
    wrong = []
    answered = newer = 0
    for _ in range(COUNT):
        query = queries.query()
        at = start_ms + rng.randrange(5, MINUTES) * 60_000 + rng.choice([0, 0, 1, 14_999])
        step = rng.choice([15_000, 60_000, 77_000]) if kind == "range" else 0
        end = at + step * rng.randrange(0, 40)
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
    assert answered > COUNT / 3
    assert newer < COUNT / 100


@pytest.mark.parametrize("ratio", [0.1, 0.35, 0.5, 0.8, -0.2, -0.65])
def test_limit_ratio_chooses_the_same_series(both: tuple[Any, ...], ratio: float) -> None:
    real, engine, start_ms = both
    query, at = f'limit_ratio({ratio}, {{__name__=~".+"}})', start_ms + 1_200_000
    found, error = ours(engine, query, at, at, 0)
    assert error is None
    wanted, _ = theirs(real, query, at, at, 0)
    assert found.keys() == wanted.keys()
    assert wanted


def is_newer(engine: Engine, query: str, error: str | None, refused: str | None) -> bool:
    """Whether we refuse what this Prometheus takes, as its later versions do.

    There two series that match the same one are an error also where a comparison drops one.
    """
    if error != EXPLICIT or refused is not None:
        return False
    return any(
        isinstance(node, Binary) and node.op in COMPARISONS and node.matching is not None
        for node in walk(engine.plan(query).expr)
    )


def tolerance(query: str) -> float:
    """Timestamps are large: of a line through them still fewer digits are left."""
    if not LINES.search(query):
        return 1e-9
    return 1e-6 if "ts_of_" in query or "time" in query else 1e-8


def is_explained(query: str, difference: str) -> bool:
    """Whether docs/reference/query-engine.md names this difference.

    Infinitely far ahead, a line's value is infinite, or NaN where its slope is exactly zero:
    whether rounding leaves nothing of a slope depends on the order of the sums.
    """
    if "predict_linear" in query and "nan" in difference:
        endless = re.search(r"predict_linear\(.*, [+-]?Inf\)", query) is not None
        # An infinity in the window is a NaN here, and a NaN goes through an aggregation.
        return "nan instead of" in difference or (endless and "inf" in difference)
    if "histogram_fraction(" in query:  # a lone +Inf bucket: 0 in newer versions
        return difference.endswith(" 0.0 instead of nan")
    # The last digit of cosh(99) is beyond all whole numbers, and decides what remains.
    return (
        re.search(r"\b(cosh|sinh|exp)\(", query) is not None
        and "%" in query
        and not difference.startswith("series")
    )


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
