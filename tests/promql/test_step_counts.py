"""Samples by step: as the real Prometheus counts them, and what of them is read."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promlab.promql.engine import Engine
from promlab.promql.fused import FEW_SERIES
from promlab.promql.result import QueryStats
from promlab.promql.step_counts import StepCounts
from promlab.promqltest.histograms import Plain
from promlab.promqltest.memory import MemoryQuerier
from tests.promql.real import RealPrometheus

START_MS = 1_699_999_200_000
STALE = float(np.uint64(0x7FF0000000000002).view(np.float64))

QUERIES = [
    "m",
    "m + m",
    "m and m",
    "rate(m[1m])",
    "sum by (i) (rate(m[5m]))",
    "sum(rate(m[5m])) / sum(rate(m[5m]))",
    "ended",
    "rate(ended[5m])",
    "m @ {at}",
    "rate(m[1m] @ {at})",
    "predict_linear(m[1m] @ {at}, 60)",
    "sum(m @ start()) + m",
    "m offset 5m",
    "m offset -1m",
    "timestamp(m)",
    "absent(m)",
    "absent_over_time(m[1m])",
    'scalar(m{{i="0"}})',
    "time()",
    "vector(1)",
    "topk(1, m)",
    "max_over_time(m[2m:30s])",
    "max_over_time(rate(m[1m])[5m:1m])",
    "max_over_time((m @ {at})[2m:30s])",
    "max_over_time(m[2m:30s] @ {at})",
    "sum_over_time(vector(1)[5m:1m])",
    "h",
    "rate(h[3m])",
    "histogram_count(h)",
    "timestamp(h)",
    "h or m",
    "sum_over_time(h[2m:30s])",
]


def data_set() -> MemoryQuerier:
    data = MemoryQuerier()
    for i in range(3):
        samples = [(START_MS + 15_000 * k, float(k * i)) for k in range(100 - i * 20) if k % 9]
        data.add({"__name__": "m", "i": str(i)}, samples)
    ended = [(START_MS + 15_000 * k, STALE if k % 10 == 9 else float(k)) for k in range(100)]
    data.add({"__name__": "ended"}, ended)
    custom = Plain(-53, 5.0, 10.0, positive={1: 5.0}, bounds=(0.5, 1.0, 2.5))
    for name, plain in (("a", Plain(0, 5.0, 10.0, 0.0, 0.0, {1: 5.0})), ("b", custom)):
        times = [START_MS + 15_000 * k for k in range(100)]
        data.add({"__name__": "h", "kind": name}, [(t, plain) for t in times])
    return data


def counts(stats: QueryStats) -> StepCounts:
    assert stats.by_step is not None
    return stats.by_step


@pytest.mark.peers
def test_as_prometheus_counts(peers: Path, tmp_path: Path) -> None:
    data, wrong = data_set(), []
    engine = Engine(data)
    with RealPrometheus(peers, tmp_path) as real:
        real.load(data)
        for text in QUERIES:
            query = text.format(at=START_MS // 1000 + 300)
            times = {"start": START_MS - 60_000, "end": START_MS + 1_800_000, "step": 60_000}
            asked = {name: ms / 1000 for name, ms in times.items()}
            found = real.ask("query_range", query=query, stats="all", **asked)
            ours = engine.range(query, *times.values(), by_step=True).stats
            wrong += difference(query, found["data"]["stats"]["samples"], counts(ours))
            found = real.ask("query", query=query, stats="all", time=START_MS // 1000 + 600)
            ours = engine.instant(query, START_MS + 600_000, by_step=True).stats
            wrong += difference(query, found["data"]["stats"]["samples"], counts(ours))
    assert not wrong


def difference(query: str, real: dict[str, Any], ours: StepCounts) -> list[Any]:
    steps = [n for _, n in real["totalQueryableSamplesPerStep"]]
    assert sum(steps) == real["totalQueryableSamples"]
    return [] if steps == ours.queryable.tolist() else [(query, steps, ours.queryable.tolist())]


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("m", [2, 2, 2, 2]),
        ("rate(m[2m])", [2 * 4, 4, 4, 4]),  # all of the first window, then what is new
        ("rate(m[30s])", [2, 2, 2, 2]),  # not what lies between the windows
        ("rate(m[2m] @ 600)", [8, 0, 0, 0]),
        ("predict_linear(m[2m] @ 600, 1)", [8, 0, 0, 0]),
        ("m + m", [4, 4, 4, 4]),
        ("sum_over_time(m[2m:1m])", [4, 2, 2, 2]),
        ("1", [0, 0, 0, 0]),
    ],
)
def test_what_is_read(query: str, read: list[int]) -> None:
    data = MemoryQuerier()
    for i in range(2):
        data.add({"__name__": "m", "i": str(i)}, [(30_000 * k, float(k)) for k in range(40)])
    found = Engine(data).range(query, 600_000, 780_000, 60_000, by_step=True)
    assert counts(found.stats).read.tolist() == read


def test_the_short_way_of_aggregations_counts_the_same() -> None:
    data, rng = MemoryQuerier(), random.Random(1)
    for i in range(FEW_SERIES * 40):
        times = sorted(rng.sample(range(3_600), 500))
        data.add({"__name__": "m", "i": str(i)}, [(1000 * t, float(t)) for t in times])
    engine = Engine(data)
    short = counts(engine.range("sum(rate(m[10m]))", 0, 3_600_000, 60_000, by_step=True).stats)
    long = counts(engine.range("rate(m[10m])", 0, 3_600_000, 60_000, by_step=True).stats)
    assert short.queryable.tolist() == long.queryable.tolist()
    assert short.read.tolist() == long.read.tolist()
    assert long.read.sum() <= FEW_SERIES * 40 * 500 < long.queryable.sum()


def test_nothing_is_counted_for_nobody() -> None:
    assert Engine(data_set()).instant("m", START_MS).stats.by_step is None
