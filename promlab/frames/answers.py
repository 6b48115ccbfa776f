"""The engine's columns as the result objects that the client gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from promlab.client.decode import HistogramSample
from promlab.client.results import (
    InstantVector,
    RangeVector,
    Result,
    Scalar,
    StringResult,
)
from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch, Times
from promlab.promql import result as engine


def to_result(
    found: engine.QueryResult, query: str, step_ms: int = 0, why_empty: str = ""
) -> Result:
    """The result object of an answer; histograms go beside the floats."""
    value = found.value
    notes: dict[str, Any] = {"query": query, "warnings": found.warnings, "infos": found.infos}
    if isinstance(value, engine.Scalar):
        return Scalar(value.t_ms, value.value, **notes)
    if isinstance(value, engine.String):
        return StringResult(value.t_ms, value.value, **notes)
    if isinstance(value, engine.InstantVector):
        times = np.full(value.labels.n, value.t_ms, np.int64)
        batch = _flat(value.labels, np.arange(value.labels.n), times, value.values)
    elif isinstance(value, engine.Matrix):
        rows, steps = np.nonzero(value.present)
        batch = _flat(value.labels, rows, value.t_ms[steps], value.values[rows, steps])
        if value.histograms is not None:
            column = value.histograms
            index = np.ascontiguousarray(column.index[rows, steps])
            batch = batch._replace(histograms=replace(column, index=index))
    else:
        batch = value.batch
    if isinstance(value, engine.InstantVector) and value.histograms is not None:
        batch = batch._replace(histograms=value.histograms)
    histograms: tuple[HistogramSample, ...] = ()
    if batch.histograms is not None:
        from promlab.frames.histograms import split

        batch, histograms = split(batch)
    notes |= {"histograms": histograms, "why_empty": why_empty}
    if isinstance(value, engine.InstantVector):
        return InstantVector(batch, **notes)
    return RangeVector(batch, step_ms=step_ms, **notes)


def _flat(labels: LabelTable, rows: Any, times: Times, values: Any) -> SeriesBatch:
    offsets = np.searchsorted(rows, np.arange(labels.n + 1)).astype(np.int64)
    return SeriesBatch(labels, offsets, offsets[:-1].copy(), times, np.ascontiguousarray(values))
