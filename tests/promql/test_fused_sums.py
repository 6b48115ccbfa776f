"""Sums of rates that are never held: the same as those that are."""

from __future__ import annotations

import numpy as np
import pytest

from promlab.promql import fused_sums
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promql.result import Matrix
from promlab.promqltest.memory import MemoryQuerier

MINUTE = 60_000


def data() -> MemoryQuerier:
    rng = np.random.default_rng(5)
    querier = MemoryQuerier()
    for i in range(150):
        gaps = rng.integers(1, 4, 40).cumsum() * 30_000 + (i % 3) * 7_000
        values = rng.integers(0, 90, 40).cumsum().astype(float)
        values[rng.integers(0, 40) :] -= values[rng.integers(0, 40)] * (i % 4 == 0)
        name = "m_total" if i < 140 else "gauge"
        labels = {"__name__": name, "i": str(i), "job": "abc"[i % 3], "x": "" if i % 5 else "y"}
        querier.add(labels, list(zip(gaps.tolist(), values.tolist(), strict=True)))
    return querier


@pytest.mark.parametrize(
    "query",
    [
        "sum by (job) (rate(m_total[5m]))",
        "sum (increase(m_total[7m] offset 1m))",
        "sum by (job, x) (delta(gauge[5m]))",
        "sum without (i, job) ((rate(m_total[2m])))",
        "sum(rate(gauge[5m]))",
        "sum by (job) (rate({x='y'}[5m]))",
        "sum by (i) (rate(m_total[5m]))",
        "sum(rate(nothing[5m]))",
        "sum(rate(m_total[5m])) / count(rate(m_total[5m]))",
        "sum(rate(m_total[5m] @ 600))",
    ],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_sums(query: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    options = EngineOptions(threads=threads)
    held = Engine(data(), options).range(query, 0, 40 * MINUTE, 45_000)
    monkeypatch.setattr(fused_sums, "MANY_CELLS", 0)
    monkeypatch.setattr("promlab.promql.context._SPLIT", 0)
    engine = Engine(data(), options)
    fused = engine.range(query, 0, 40 * MINUTE, 45_000)
    engine.close()
    assert isinstance(held.value, Matrix)
    assert isinstance(fused.value, Matrix)
    assert list(fused.value.labels.rows()) == list(held.value.labels.rows())
    np.testing.assert_array_equal(fused.value.present, held.value.present)
    there = held.value.present
    np.testing.assert_allclose(fused.value.values[there], held.value.values[there], rtol=1e-12)
    assert (fused.infos, fused.warnings) == (held.infos, held.warnings)
