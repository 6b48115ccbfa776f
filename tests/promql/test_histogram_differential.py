"""Random queries over native histograms: the engine's answers against the real Prometheus's."""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promlab.errors import PromQLError
from promlab.model.histograms import CUSTOM_SCHEMA, GAUGE, HistogramColumn, ordered_buckets
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promql.result import InstantVector, Matrix
from promlab.promqltest.histograms import Plain
from promlab.promqltest.memory import MemoryQuerier
from promlab.promqltest.runner import FEATURES
from tests.promql.queries import steady
from tests.promql.real import RealPrometheus

pytestmark = pytest.mark.peers

SEED = int(os.environ.get("PROMLAB_SEED", "1"))
COUNT = int(os.environ.get("PROMLAB_QUERIES", "600"))
MINUTES = 60
START_MS = 1_699_999_200_000
INFINITE_MEAN = re.compile(r"\[inf(, inf)?\] instead of \[nan(, nan)?\]$")
STEPS = {"instant": [0], "range": [60_000, 77_000], "odd": [7_001, 59_999, 60_001, 777_777]}


def data_set(rng: random.Random) -> MemoryQuerier:
    data = MemoryQuerier()
    for i in range(6):
        for name, schema, gauge in (("h_total", 0, False), ("fine", 3, False), ("g", 1, True)):
            labels = {"__name__": name, "i": str(i), "job": "ab"[i % 2]}
            schema_now = schema + (i == 5)
            data.add(labels, series(rng, schema_now, gauge))
        labels = {"__name__": "custom", "i": str(i), "job": "ab"[i % 2]}
        data.add(labels, series(rng, CUSTOM_SCHEMA, False))
        times = [START_MS + m * 60_000 for m in range(MINUTES)]
        labels = {"__name__": "f_total", "i": str(i), "job": "ab"[i % 2]}
        data.add(labels, [(t, float(n + i)) for n, t in enumerate(times)])
        mixed = [(t, float(n)) for n, t in enumerate(times) if n % 20 < 10]
        others = [(t, x) for t, x in series(rng, 0, False) if (t - START_MS) // 60_000 % 20 >= 10]
        data.add({"__name__": "mixed", "i": str(i), "job": "ab"[i % 2]}, sorted(mixed + others))
    return data


def series(rng: random.Random, schema: int, gauge: bool) -> list[tuple[int, Plain]]:
    """A histogram that grows by some observations a minute, begins anew at times, has gaps."""
    found = []
    # So many observations that no rate is limited by the counter's zero: that is newer.
    # Both signs from the start: storage gives back a bucket that will be filled later as empty.
    now = Plain(schema, 52.0, 10.0, 50.0, 0.01, {1: 1.0}, {1: 1.0})
    if schema == CUSTOM_SCHEMA:
        now = Plain(schema, 50.0, 10.0, positive={1: 50.0}, bounds=(0.5, 1.0, 2.5))
    fresh = now
    for minute in range(MINUTES):
        if rng.random() < (0.3 if gauge else 0.04):
            now = fresh
        for _ in range(rng.randrange(4)):
            now = observed(rng, now)
        if rng.random() < 0.95:
            found.append((START_MS + minute * 60_000, replace(now, hint=GAUGE if gauge else None)))
    return found


def observed(rng: random.Random, now: Plain) -> Plain:
    index = rng.randrange(3) if now.schema == CUSTOM_SCHEMA else rng.randrange(-3, 6)
    now = replace(now, count=now.count + 1, sum=now.sum + rng.randrange(1, 5))
    kinds = ["positive"] * 4 + ["negative", "zero"]
    kind = "positive" if now.schema == CUSTOM_SCHEMA else rng.choice(kinds)
    if kind == "zero":
        return replace(now, zero_count=now.zero_count + 1)
    side = dict(getattr(now, kind))
    side[index] = side.get(index, 0.0) + 1
    return replace(now, **{kind: side})


class Queries:
    """Random expressions that have histograms in them."""

    def __init__(self, rng: random.Random, *, odd: bool = False) -> None:
        self.rng, self.odd = rng, odd

    def query(self) -> str:
        pick = self.rng.choice
        return pick([self.vector, self.vector, self.numbers])(pick([1, 2, 3]))

    def numbers(self, depth: int) -> str:
        inner, pick = self.vector(depth - 1), self.rng.choice
        while "-" in inner.replace("[0-3]", "") or "delta" in inner:
            inner = self.vector(depth - 1)  # of negative buckets a quantile means nothing
        q = pick(["0", "0.1", "0.5", "0.9", "0.99", "1", "1.5", "-1", "NaN"])
        low, high = pick(["-Inf", "-1", "0", "0.3"]), pick(["0.005", "0.7", "1.5", "3", "Inf"])
        return pick(
            [
                f"histogram_count({inner})",
                f"histogram_sum({inner})",
                f"histogram_avg({inner})",
                f"histogram_stddev({inner})",
                f"histogram_quantile({q}, {inner})",
                f"histogram_quantile({q}, {inner})",
                f"histogram_fraction({low}, {high}, {inner})",
            ]
        )

    def selector(self) -> str:
        name = self.rng.choice(["h_total", "h_total", "fine", "g", "custom", "mixed", "f_total"])
        return name + self.rng.choice(["", "", '{job="a"}', '{i="5"}', '{i=~"[0-3]"}'])

    def moved(self) -> str:
        """An offset or a fixed moment that no grid of samples goes with."""
        if not self.odd or self.rng.random() < 0.4:
            return ""
        offset = " offset " + self.rng.choice(["1ms", "-1ms", "59s999ms", "-7m13s", "1h1m1s1ms"])
        at = self.rng.choice(["start()", "end()", f"{START_MS // 1000 + 1234}.001"])
        return self.rng.choice([offset, f" @ {at}", f" @ {at}{offset}"])

    def vector(self, depth: int) -> str:
        pick = self.rng.choice
        if depth <= 0:
            return self.selector() + self.moved()
        inner = self.vector(depth - 1)
        function = pick(
            ["rate", "increase", "delta", "irate", "idelta", "resets", "changes", "sum_over_time",
             "avg_over_time", "last_over_time", "count_over_time", "max_over_time",
             "present_over_time", "stddev_over_time"]
        )  # fmt: skip
        # Counters in subqueries: Prometheus believed hints there that say nothing,
        # and mixed up custom buckets.
        sums = ["delta", "sum_over_time", "avg_over_time", "last_over_time", "count_over_time"]
        exponential = ["h_total", 'fine{job="b"}', "g", "mixed", "f_total"]
        span = pick(["4m", "5m", "7m30s", "20m"])
        resolution = pick(["1m", "90s"])
        if self.odd:
            span = pick(["1m0s1ms", "1m", "59s999ms", "7m13s", "1d"])
            resolution = pick(["59s999ms", "7s", "1m0s1ms", "13m", "1h"])
        operator = pick(
            ["+", "-", "*", "/", "==", "!=", "> bool", "== bool", "and", "or", "unless"]
        )
        number = pick(["2", "0", "-1.5"])
        aggregation = pick(["sum", "avg", "count", "group", "max", "stddev"])
        return pick(
            [
                f"{function}({self.selector()}[{span}]{self.moved()})",
                f"{function}({self.selector()}[{span}]{self.moved()})",
                f"{pick(sums)}({pick(exponential)}[10m:{resolution}]{self.moved()})",
                f"{aggregation} by ({pick(['job', 'i', ''])}) ({inner})",
                f"{aggregation} ({inner})",
                f"({inner}) {operator} ({self.vector(depth - 1)})",
                f"({inner}) {pick(['*', '/', '+', '== bool'])} {number}",
                f"{number} {pick(['*', '/'])} ({inner})",
                f"-({inner})",
                f"label_replace({inner}, 'x', '$1', 'i', '(.*)')",
                f"abs({inner})",
                f"timestamp({steady(inner)})",
                f"absent({inner})",
            ]
        )


@pytest.fixture(scope="module")
def both(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ...]]:
    data = data_set(random.Random(SEED))
    with RealPrometheus(peers, tmp_path_factory.mktemp("prometheus")) as real:
        real.load(data)
        yield real, Engine(data, EngineOptions(features=FEATURES))


@pytest.mark.parametrize("kind", ["instant", "range", "odd"])
def test_random_queries(both: tuple[Any, ...], kind: str) -> None:
    real, engine = both
    rng = random.Random(f"{SEED} {kind}")
    count = COUNT // 5 if kind == "odd" else COUNT
    queries, wrong, answered = Queries(rng, odd=kind == "odd"), [], 0
    for _ in range(count):
        query = queries.query()
        at = START_MS + rng.randrange(5, MINUTES) * 60_000 + rng.choice([0, 0, 1, 14_999])
        step = rng.choice(STEPS[kind])
        end = at + step * rng.randrange(0, 4) + (rng.randrange(step) if kind == "odd" else 0)
        try:
            found, error = ours(engine, query, at, end, step), None
        except PromQLError as refusal:
            found, error = {}, refusal.message
        wanted, refused = theirs(real, query, range(at, end + 1, step or 1))
        answered += bool(wanted)
        difference = compare(found, wanted)
        if (error is None) != (refused is None):
            difference = f"{error!r} instead of {refused!r}"
        # The mean of infinite histograms is infinite in newer versions.
        if "avg" in query and INFINITE_MEAN.search(difference):
            difference = ""
        if difference:
            wrong.append((query, at - START_MS, end - at, step, difference))
    assert not wrong, "\n".join(map(str, wrong[:30]))
    assert answered > count / 3


def ours(engine: Engine, query: str, at: int, end: int, step: int) -> dict[Any, Any]:
    if step:
        value = engine.range(query, at, end, step).value
        assert isinstance(value, Matrix)
        cells = [(i, t) for i, t in zip(*np.nonzero(value.present), strict=True)]
        times = value.t_ms
        return {
            (key(value.labels.row(i)), int(times[t])): cell(value.values, value.histograms, (i, t))
            for i, t in cells
        }
    value = engine.instant(query, at).value
    assert isinstance(value, InstantVector)
    return {
        (key(row), at): cell(value.values, value.histograms, (i,))
        for i, row in enumerate(value.labels.rows())
    }


def key(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def cell(values: Any, column: HistogramColumn | None, at: tuple[int, ...]) -> Any:
    if column is None or column.index[at] < 0:
        return float(values[at])
    table = column.table.take(np.array([column.index[at]]))
    buckets = ordered_buckets(table)
    filled = zip(buckets.lower, buckets.upper, buckets.counts, strict=True)
    return [float(table.count[0]), float(table.sum[0]), *(float(x) for b in filled for x in b)]


def theirs(real: RealPrometheus, query: str, times: range) -> tuple[dict[Any, Any], str | None]:
    """The answers at these times, asked for one by one: in a range query, Prometheus 3.5 uses the
    memory of one step's histograms for the next, so that buckets appear twice or not at all."""
    # What `times` stops before is the range's end. (An instant query has neither.)
    query = query.replace("start()", f"{times.start / 1000}")
    query = query.replace("end()", f"{(times.stop - 1) / 1000}")
    found: dict[Any, Any] = {}
    for at in times:
        answer, refused = their_instant(real, query, at)
        if refused is not None:
            return {}, refused
        found.update(answer)
    return found, None


def their_instant(real: RealPrometheus, query: str, at: int) -> tuple[dict[Any, Any], str | None]:
    answer = real.ask("query", query=query, time=at / 1000)
    if answer["status"] != "success":
        return {}, answer["error"]
    found: dict[Any, Any] = {}
    for one in answer["data"]["result"]:
        if "value" in one:
            found[key(one["metric"]), at] = float(one["value"][1])
        else:
            h = one["histogram"][1]
            numbers = [float(x) for b in h.get("buckets", []) for x in b[1:]]
            found[key(one["metric"]), at] = [float(h["count"]), float(h["sum"]), *numbers]
    return found, None


def compare(found: dict[Any, Any], wanted: dict[Any, Any]) -> str:
    if found.keys() != wanted.keys():
        missing, more = wanted.keys() - found.keys(), found.keys() - wanted.keys()
        return f"missing {sorted(missing)[:2]}, too many {sorted(more)[:2]}"
    for at, x in wanted.items():
        a, b = (without_noise(y) if isinstance(y, list) else [y] for y in (found[at], x))
        if len(a) != len(b) or not all(map(close, a, b)):
            return f"{at}: {a} instead of {b}"
    return ""


def without_noise(histogram: list[float]) -> list[float]:
    """Without buckets that hold nothing but what rounding left of a difference."""
    kept, counts = histogram[:2], histogram[4::3]
    least = 1e-12 * max(map(abs, counts), default=0.0)
    for i, count in enumerate(counts):
        if abs(count) > least or math.isnan(count):
            kept += histogram[2 + 3 * i : 5 + 3 * i]
    return kept


def close(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
