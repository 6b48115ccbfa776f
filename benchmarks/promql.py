"""Times of the query engine alone: 28,000 series of 6 h at 15 s in memory, no HTTP, no text.

python benchmarks/promql.py [pattern]: median and fastest of several runs, in milliseconds.
The data are counters and gauges of 20 targets (200 for the big metric) whose series share
their times, as storage gives them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.promql.engine import Engine

SAMPLES = 1440
STEP_MS = 15_000
END_MS = 1_800_000_000_000
BOUNDS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"]


class DenseQuerier:
    """All series in one matrix; selections are remembered."""

    def __init__(self, rows: list[dict[str, str]], values: np.ndarray) -> None:
        self.symbols = Symbols()
        self.generation = 0
        self.values = values
        self.t_ms = END_MS - STEP_MS * np.arange(SAMPLES - 1, -1, -1)
        self.labels = LabelTable.from_dicts(rows, self.symbols)
        targets: dict[tuple[str, str], int] = {}
        self.target = np.array(
            [targets.setdefault((r["job"], r["instance"]), len(targets)) for r in rows], np.int64
        )
        self._selected: dict[Sequence[Matcher], tuple[np.ndarray, LabelTable]] = {}

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        if matchers not in self._selected:
            kept = np.ones(self.labels.n, np.bool_)
            for matcher in matchers:
                distinct, inverse = np.unique(self.labels.column(matcher.name), return_inverse=True)
                passing = [matcher.matches(text) for text in self.symbols.texts(distinct)]
                kept &= np.array(passing)[inverse]
            rows = np.flatnonzero(kept)
            self._selected[matchers] = rows, self.labels.take(rows)
        rows, labels = self._selected[matchers]
        a, b = np.searchsorted(self.t_ms, [start_ms, end_ms + 1])
        count = int(b - a)
        flat = np.ascontiguousarray(self.values[rows, a:b]).reshape(-1)
        targets, at = np.unique(self.target[rows], return_inverse=True)
        times = np.tile(self.t_ms[a:b], len(targets))
        return SeriesBatch(labels, np.arange(len(rows) + 1) * count, at * count, times, flat)


def data_set() -> DenseQuerier:
    rng = np.random.default_rng(7)
    rows: list[dict[str, str]] = []
    for name, targets in (
        ("bench_requests_total", 20),
        ("bench_errors_total", 20),
        ("bench_memory_bytes", 20),
        ("bench_big_total", 200),
    ):
        rows += [
            {
                "__name__": name,
                "code": code,
                "handler": f"/api/h{h}",
                "instance": f"i-{i}",
                "job": "bench",
            }
            for i in range(targets)
            for h in range(25)
            for code in ("200", "400", "404", "500")
        ]
    rows += [
        {
            "__name__": "bench_duration_seconds_bucket",
            "handler": f"/api/h{h}",
            "instance": f"i-{i}",
            "job": "bench",
            "le": le,
        }
        for i in range(20)
        for h in range(10)
        for le in BOUNDS
    ]
    values = rng.integers(0, 900, (len(rows), SAMPLES)).astype(np.float64).cumsum(axis=1)
    buckets = values[-2000:].reshape(-1, len(BOUNDS), SAMPLES)
    buckets[:] = buckets.cumsum(axis=1)
    for row in range(0, len(rows), 50):  # one counter in 50 resets once
        place = int(rng.integers(SAMPLES // 4, SAMPLES))
        values[row, place:] -= values[row, place]
    return DenseQuerier(rows, values)


QUERIES = [
    ("constant 1", "1", 0, 0),
    (
        "instant, 1 series",
        'bench_requests_total{instance="i-3",handler="/api/h3",code="200"}',
        0,
        0,
    ),
    ("instant, 2,000 series", "bench_requests_total", 0, 0),
    ("instant sum by, 2,000", "sum by (instance) (bench_requests_total)", 0, 0),
    ("instant regex select", 'bench_requests_total{handler=~"/api/h1.*"}', 0, 0),
    ("instant join, 2,000 / 2,000", "bench_errors_total / bench_requests_total", 0, 0),
    ("instant sum, 20,000", "sum(bench_big_total)", 0, 0),
    (
        "range rate[5m], 1 series",
        'rate(bench_requests_total{instance="i-3",handler="/api/h3",code="200"}[5m])',
        3600,
        15,
    ),
    ("range rate[5m], 2,000 series", "rate(bench_requests_total[5m])", 3600, 15),
    ("range sum by rate, 2,000", "sum by (instance) (rate(bench_requests_total[5m]))", 3600, 15),
    (
        "range sum by rate, 2,000, 6 h@60s",
        "sum by (instance) (rate(bench_requests_total[5m]))",
        21_600,
        60,
    ),
    ("range max_over_time[1h], 2,000", "max_over_time(bench_memory_bytes[1h])", 3600, 15),
    ("range avg_over_time[1h], 2,000", "avg_over_time(bench_memory_bytes[1h])", 3600, 15),
    ("range stddev_over_time[1h], 2,000", "stddev_over_time(bench_memory_bytes[1h])", 3600, 15),
    (
        "range quantile_over_time[1h], 100",
        'quantile_over_time(0.9, bench_memory_bytes{instance="i-1"}[1h])',
        3600,
        15,
    ),
    (
        "range join, 2,000 / 2,000",
        "rate(bench_errors_total[5m]) / rate(bench_requests_total[5m])",
        3600,
        15,
    ),
    (
        "range histogram_quantile, 2,000 buckets",
        "histogram_quantile(0.9, sum by (le, handler) (rate(bench_duration_seconds_bucket[5m])))",
        3600,
        15,
    ),
    ("range topk(5, rate), 2,000", "topk(5, rate(bench_requests_total[5m]))", 3600, 15),
    (
        "range subquery, 100",
        'max_over_time(rate(bench_requests_total{instance="i-1"}[5m])[30m:1m])',
        3600,
        15,
    ),
    ("range rate[5m], 20,000 series", "rate(bench_big_total[5m])", 3600, 15),
    ("range sum by rate, 20,000", "sum by (instance) (rate(bench_big_total[5m]))", 3600, 15),
    (
        "range sum by rate, 20,000, 6 h@60s",
        "sum by (instance) (rate(bench_big_total[5m]))",
        21_600,
        60,
    ),
    ("instant sum of increase[6h], 20,000", "sum(increase(bench_big_total[6h]))", 0, 0),
]


def main() -> None:
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    querier = data_set()
    engine = Engine(querier)
    print(f"{'':42}{'median':>9}{'fastest':>9}{'storage':>9}  ms")
    for title, text, back_s, step_s in QUERIES:
        if pattern not in title:
            continue
        took, storage = [], []
        select = querier.select

        def timed(
            *args: object, _select: object = select, _log: list[float] = storage
        ) -> SeriesBatch:
            started = time.perf_counter()
            batch = _select(*args)
            _log[-1] += time.perf_counter() - started
            return batch

        querier.select = timed  # what the in-memory storage takes is shown apart
        for _ in range(9):
            storage.append(0.0)
            started = time.perf_counter()
            if step_s:
                engine.range(text, END_MS - back_s * 1000, END_MS, step_s * 1000)
            else:
                engine.instant(text, END_MS)
            took.append(time.perf_counter() - started)
        querier.select = select
        figures = [np.median(took), min(took), np.median(storage)]
        print(f"{title:42}" + "".join(f"{figure * 1e3:9.3f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
