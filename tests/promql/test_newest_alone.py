"""A source may give no more than the newest sample where that is all that counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from promlab.model.matchers import Matcher
from promlab.model.samples import STALE_NAN, SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.promql.checks import ALL_FEATURES
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promql.result import InstantVector
from promlab.promqltest.histograms import parse_histogram
from promlab.promqltest.memory import MemoryQuerier

QUERIES = [
    "m",
    "timestamp(m)",
    "sum(m)",
    "m offset 30s",
    "m @ 100",
    'm{kind!="histogram"} + 1',
    "histogram_count(m)",
    "count(m > 0)",
    "m[2m]",
    'm{kind="counter"} smoothed',
]


class NewestAlone(MemoryQuerier):
    """Gives what was asked for, and counts how often that was the newest sample."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        batch = super().select(matchers, start_ms, end_ms, hints)
        if not hints.newest:
            return batch
        self.asked += 1
        last = batch.offsets[1:] - 1
        t_ms = batch.t_ms[batch.times_at + np.diff(batch.offsets) - 1]
        at = np.arange(batch.n + 1)
        column = batch.histograms.take(last) if batch.histograms is not None else None
        return batch._replace(
            offsets=at, times_at=at[:-1], t_ms=t_ms, values=batch.values[last],
            histograms=column, start_ms=None,
        )  # fmt: skip


def fill(querier: MemoryQuerier) -> Engine:
    histogram = parse_histogram("{{schema:0 sum:3 count:4 buckets:[1 2 1]}}")
    samples = {
        "counter": [(t * 1000, float(t)) for t in range(0, 180, 15)],
        "ended": [(1000, 1.0), (90_000, 2.0), (150_000, STALE_NAN)],
        "nan": [(1000, 1.0), (120_000, float("nan"))],
        "histogram": [(1000, 5.0), (150_000, histogram)],
        "old": [(1000, 7.0)],
    }
    for kind, points in samples.items():
        querier.add({"__name__": "m", "kind": kind}, points)
    return Engine(querier, EngineOptions(features=ALL_FEATURES))


@pytest.mark.parametrize("query", QUERIES)
def test_the_answer_is_the_same(query: str) -> None:
    alone = NewestAlone()
    answers = [
        engine.instant(query, 170_000, lookback_ms=100_000).value
        for engine in (fill(MemoryQuerier()), fill(alone))
    ]
    assert alone.asked == ("[" not in query and "smoothed" not in query)
    if isinstance(answers[0], InstantVector):
        assert seen(answers[0]) == seen(answers[1])


def seen(value: object) -> list[tuple[dict[str, str], str, bool]]:
    """Labels, value and whether it is a histogram, row by row."""
    assert isinstance(value, InstantVector)
    column = value.histograms
    index = np.full(value.labels.n, -1) if column is None else column.index
    texts = map(repr, value.values.tolist())
    return list(zip(value.labels.rows(), texts, (index >= 0).tolist(), strict=True))
