"""A few made-up series, and promlab's engine over them: what every explainer asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from promlab.client.results import InstantVector
from promlab.frames.querier import BatchQuerier
from promlab.frames.source import Source
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch, stale_values

START_S = 1_767_600_000  # 2026-01-05, 08:00 UTC: second 0 of every picture

Series = tuple[Mapping[str, str], Sequence[float], npt.ArrayLike]


def engine(series: Sequence[Series]) -> Source:
    """A source of series, given as labels, seconds since the start, and values."""
    labels = LabelTable.from_dicts([dict(names) for names, _, _ in series], Symbols())
    times = [np.asarray(seconds, np.float64) * 1000 + START_S * 1000 for _, seconds, _ in series]
    return Source(
        BatchQuerier(SeriesBatch.from_series(labels, times, [values for _, _, values in series])),
        lookback="5m",
    )


def ask(source: Source, expr: str, second: float) -> float | None:
    """The one value of an expression at a second of the picture; None where there is none."""
    found = source.query(expr, START_S + second)
    if isinstance(found, InstantVector) and len(found):
        return float(found.values[0])
    return None


def with_marker(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """The values, and a staleness marker after them."""
    return np.concatenate([np.asarray(values, np.float64), stale_values(1)])


def ticks(low: float, high: float, step: float, unit: str = "") -> list[tuple[float, str]]:
    """Ticks at multiples of a step."""
    count = round((high - low) / step)
    return [(low + i * step, f"{low + i * step:g}{unit}") for i in range(count + 1)]
