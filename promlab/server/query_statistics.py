"""What a query cost, as the API and the query log show it (`stats`).

Per step it is told only where the feature `promql-per-step-stats` is on and `stats=all` asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.promql.result import QueryStats
from promlab.promql.step_counts import Longs

PER_STEP = "promql-per-step-stats"
_MEANT = ("true", "all")


def query_stats(stats: QueryStats, queue_s: float = 0.0, total_s: float = 0.0) -> dict[str, Any]:
    """Times in seconds, and numbers of samples."""
    counts = stats.by_step
    read = stats.samples_read
    return {
        "timings": {
            "evalTotalTime": stats.prepare_s + stats.eval_s,
            "resultSortTime": 0,
            "queryPreparationTime": stats.prepare_s,
            "innerEvalTime": stats.eval_s,
            "execQueueTime": queue_s,
            "execTotalTime": total_s or stats.prepare_s + stats.eval_s,
        },
        "samples": {
            "totalQueryableSamples": read if counts is None else int(counts.queryable.sum()),
            "samplesRead": read if counts is None else int(counts.read.sum()),
            "peakSamples": stats.peak_samples,
        },
    }


def samples_per_step(stats: QueryStats, start_ms: int, step_ms: int) -> dict[str, Any]:
    """The same numbers of samples, for each step."""
    counts = stats.by_step
    assert counts is not None, "counted for whoever asks for statistics"
    return {
        "totalQueryableSamplesPerStep": _pairs(counts.queryable, start_ms, step_ms),
        "samplesReadPerStep": _pairs(counts.read, start_ms, step_ms),
    }


def deprecated(value: str) -> tuple[str, ...]:
    """A warning about a value of `stats` that means the same as `true`, for now."""
    if not value or value in _MEANT:
        return ()
    name = value.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'value "{name}" for parameter "stats" is deprecated and will be rejected in the next '
        'major release, use "true" or "all"',
    )


def _pairs(column: Longs, start_ms: int, step_ms: int) -> list[list[float]]:
    seconds = (start_ms + step_ms * np.arange(len(column))) / 1000.0
    whole = [int(t) if t.is_integer() else t for t in seconds.tolist()]
    return [[t, n] for t, n in zip(whole, column.tolist(), strict=True)]
