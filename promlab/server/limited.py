"""The `limit` of a query: so many series of its result, and a warning that there are more."""

from __future__ import annotations

import numpy as np

from promlab.model.histograms import HistogramColumn
from promlab.promql.result import InstantVector, Matrix, QueryResult, RawMatrix
from promlab.server.envelope import TRUNCATED


def limited(result: QueryResult, limit: int) -> QueryResult:
    """At most `limit` series, with a warning where some were left out."""
    value = result.value
    labels = value.batch.labels if isinstance(value, RawMatrix) else getattr(value, "labels", None)
    if labels is None or labels.n <= limit:
        return result
    rows = np.arange(limit, dtype=np.int64)
    match value:
        case InstantVector():
            value = value._replace(
                labels=labels.take(rows),
                values=value.values[:limit],
                histograms=_first(value.histograms, limit),
            )
        case Matrix():
            value = value._replace(
                labels=labels.take(rows),
                values=value.values[:limit],
                present=value.present[:limit],
                histograms=_first(value.histograms, limit),
            )
        case RawMatrix():
            batch = value.batch
            end = int(batch.offsets[limit])
            value = RawMatrix(
                batch._replace(
                    labels=labels.take(rows),
                    offsets=batch.offsets[: limit + 1],
                    times_at=batch.times_at[:limit],
                    values=batch.values[:end],
                    histograms=_first(batch.histograms, end),
                    start_ms=None if batch.start_ms is None else batch.start_ms[:end],
                )
            )
    warnings = (*result.warnings, TRUNCATED)
    return QueryResult(value, warnings, result.infos, result.stats)


def _first(column: HistogramColumn | None, rows: int) -> HistogramColumn | None:
    return None if column is None else HistogramColumn(column.table, column.index[:rows])
