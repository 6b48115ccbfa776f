"""A few made-up series, and promlab's engine over them: what every explainer asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from promlab.client.results import InstantVector
from promlab.frames.querier import BatchQuerier
from promlab.frames.source import Source
from promlab.model.histograms import Buckets, HistogramColumn, HistogramTable
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


def native_engine(name: str, observed: npt.NDArray[np.float64], schema: int) -> Source:
    """A source of one native histogram of positive numbers, at second 0."""
    indices, counts = np.unique(bucket_indices(observed, schema), return_counts=True)
    none = Buckets(np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(0))
    one = np.zeros(1)
    table = HistogramTable(
        schema=np.array([schema], np.int8),
        zero_threshold=one,
        zero_count=one,
        count=np.array([len(observed)], np.float64),
        sum=np.array([observed.sum()]),
        hint=np.zeros(1, np.int8),
        positive=Buckets(np.array([0, len(indices)]), indices, counts.astype(np.float64)),
        negative=none,
        custom=np.array([-1], np.int32),
    )
    labels = LabelTable.from_dicts([{"__name__": name}], Symbols())
    batch = SeriesBatch.from_series(labels, [[START_S * 1000]], [[0.0]])
    histograms = HistogramColumn(table, np.zeros(1, np.int64))
    return Source(BatchQuerier(batch._replace(histograms=histograms)), lookback="5m")


def bucket_indices(observed: npt.NDArray[np.float64], schema: int) -> npt.NDArray[np.int32]:
    """The bucket of each number: bucket i ends at 2^(i / 2^schema)."""
    found: npt.NDArray[np.int32] = np.ceil(np.log2(observed) * 2**schema).astype(np.int32)
    return found


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
