"""Differences that are pushed become totals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from otlp_bodies import gauge, sum_
from test_otlp import read

from promlab.model.histograms import CUSTOM_SCHEMA
from promlab.model.samples import is_stale
from promlab.remote.otlp import cumulative
from promlab.remote.otlp.cumulative import RunningSums
from promlab.remote.otlp.rows import OtlpSamples

T_MS = 1_700_000_000_000
DELTA = 1


def request(*metrics: dict[str, Any]) -> dict[str, Any]:
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": list(metrics)}]}]}


def at(second: int, start: int | None = None, **more: Any) -> dict[str, Any]:
    began = second - 10 if start is None else start
    times = {"timeUnixNano": str((T_MS + second * 1000) * 10**6)}
    return {**times, "startTimeUnixNano": str((T_MS + began * 1000) * 10**6), **more}


def counter(*points: dict[str, Any]) -> dict[str, Any]:
    return request(sum_("hits", "", *points, temporality=DELTA))


def histogram(*points: dict[str, Any], kind: str = "histogram") -> dict[str, Any]:
    return request({"name": "h", kind: {"dataPoints": list(points), "aggregationTemporality": 1}})


def pushed(sums: RunningSums, body: dict[str, Any], options: str = "") -> OtlpSamples:
    return sums.totals(read(body, options, delta=True))


def samples(found: OtlpSamples) -> list[tuple[int, float, int]]:
    """Second, value and second of the start."""
    seconds, starts = (found.t_ms - T_MS) // 1000, (found.start_ms - T_MS) // 1000
    return list(zip(seconds.tolist(), found.values.tolist(), starts.tolist(), strict=True))


def test_differences_add_up_since_the_first() -> None:
    sums = RunningSums()
    assert samples(pushed(sums, counter(at(10, asInt=3)))) == [(10, 3, 0)]
    assert samples(pushed(sums, counter(at(20, asInt=4)))) == [(20, 7, 0)]
    # Several of one series in one request, in any order.
    found = pushed(sums, counter(at(40, asInt=1), at(30, asInt=1)))
    assert sorted(samples(found)) == [(30, 8, 0), (40, 9, 0)]


def test_series_have_sums_of_their_own() -> None:
    sums = RunningSums()
    label = [{"key": "a", "value": {"stringValue": "b"}}]
    for second in (10, 20):
        points = at(second, asInt=1), at(second, asInt=10, attributes=label)
        found = pushed(sums, counter(*points))
    totals = {row.get("a"): v for row, v in zip(found.labels.rows(), found.values, strict=True)}
    assert totals == {None: 2, "b": 20}
    assert len(sums) == 2


def test_what_is_late_is_left_out_and_told() -> None:
    sums = RunningSums()
    pushed(sums, counter(at(20, asInt=3)))
    found = pushed(sums, counter(at(20, asInt=5), at(15, asInt=5), at(30, start=0, asInt=5)))
    assert found.n == 0
    assert "3 differences that are older" in found.skipped[-1]
    assert samples(pushed(sums, counter(at(30, asInt=1)))) == [(30, 4, 10)]


def test_others_are_let_through() -> None:
    sums = RunningSums()
    body = request(gauge("g", "", at(10, asInt=1)), sum_("total", "", at(10, asInt=5)))
    assert samples(pushed(sums, body)) == [(10, 1, 0), (10, 5, 0)]
    assert len(sums) == 0


def test_a_series_without_a_value_begins_anew() -> None:
    sums = RunningSums()
    pushed(sums, counter(at(10, asInt=3)))
    ended = pushed(sums, counter(at(20, flags=1)))
    assert is_stale(ended.values).all()
    assert samples(pushed(sums, counter(at(30, asInt=1)))) == [(30, 1, 20)]


def test_what_is_silent_for_long_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    sums, now = RunningSums(), [1000.0]
    monkeypatch.setattr(cumulative.time, "monotonic", lambda: now[0])
    pushed(sums, counter(at(10, asInt=3)))
    pushed(sums, histogram(exponential(10, 0, [1, 1]), kind="exponentialHistogram"))
    now[0] += 299
    assert samples(pushed(sums, counter(at(20, asInt=3)))) == [(20, 6, 0)]
    now[0] += 2
    assert samples(pushed(sums, counter(at(30, asInt=1)))) == [(30, 7, 0)]
    assert len(sums) == 1


def test_classic_histograms() -> None:
    sums = RunningSums()
    for second in (10, 20):
        point = at(second, count=6, sum=2.5, bucketCounts=[1, 2, 3], explicitBounds=[1, 5])
        found = pushed(sums, histogram(point))
    names = [(row["__name__"], row.get("le")) for row in found.labels.rows()]
    assert dict(zip(names, found.values.tolist(), strict=True)) == {
        ("h_sum", None): 5, ("h_count", None): 12,
        ("h_bucket", "1"): 2, ("h_bucket", "5"): 6, ("h_bucket", "+Inf"): 12,
    }  # fmt: skip


def test_histograms_with_custom_bounds() -> None:
    sums = RunningSums()

    def push(second: int, bounds: list[float]) -> OtlpSamples:
        counts = [1] * (len(bounds) + 1)
        point = at(second, count=len(counts), sum=2, bucketCounts=counts, explicitBounds=bounds)
        return pushed(sums, histogram(point), "convert_histograms_to_nhcb: true")

    push(10, [1, 5])
    found = push(20, [1, 5]).histograms
    assert found is not None
    table = found.table.take(found.index)
    assert table.schema.tolist() == [CUSTOM_SCHEMA]
    assert (table.count.tolist(), table.sum.tolist()) == ([6], [4])
    assert table.positive.counts.tolist() == [2, 2, 2]
    assert table.bounds[table.custom[0]] == (1.0, 5.0)
    # With other bounds there is nothing to add to.
    found = push(30, [1, 2, 5]).histograms
    assert found is not None
    assert found.table.take(found.index).count.tolist() == [4]


def exponential(second: int, scale: int, counts: list[int], **more: Any) -> dict[str, Any]:
    side = {"offset": 0, "bucketCounts": counts}
    return at(second, count=sum(counts), sum=1, scale=scale, positive=side, **more)


def test_exponential_histograms() -> None:
    sums = RunningSums()
    points = [
        exponential(10, 1, [1, 2, 3, 4]),
        exponential(20, 0, [10, 20, 30]),  # coarser: from now on all are
        exponential(30, 1, [0, 0, 0, 0, 1]),
        exponential(40, 0, [1], zeroThreshold=2.0, zeroCount=5),
    ]
    counts = []
    for point in points:
        found = pushed(sums, histogram(point, kind="exponentialHistogram"))
        assert found.histograms is not None
        table = found.histograms.table.take(found.histograms.index)
        counts.append((table.schema.tolist(), table.positive.counts.tolist()))
    # Up to 2 lie the first of the coarser buckets: they are in the zero bucket at last.
    assert counts == [
        ([1], [1, 2, 3, 4]), ([0], [13, 27, 30]), ([0], [13, 27, 31]), ([0], [27, 31]),
    ]  # fmt: skip
    assert table.zero_count.tolist() == [5 + 13 + 1]
    assert table.positive.indices.tolist() == [2, 3]
    assert np.unique(found.start_ms).tolist() == [T_MS]
