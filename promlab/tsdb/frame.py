"""A batch of samples as a Polars frame, for notebooks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from promlab.model.histograms import HistogramColumn
from promlab.model.samples import SeriesBatch, is_stale

_OWN = {"timestamp", "value", "histogram_count", "histogram_sum"}


def to_frame(batch: SeriesBatch) -> pl.DataFrame:
    """One row a sample: timestamp (ms, UTC), value, one column a label, sorted by name.

    Staleness markers are left out; a label that a series lacks is null. Where there are native
    histograms, they have no value but `histogram_count` and `histogram_sum`.
    """
    counts = np.diff(batch.offsets)
    rows = np.repeat(np.arange(batch.n), counts)
    at = np.repeat(batch.times_at - batch.offsets[:-1], counts) + np.arange(batch.sample_count)
    keep = ~is_stale(batch.values)
    rows = rows[keep]
    t_ms = pl.Series("timestamp", batch.t_ms[at[keep]], pl.Int64)
    columns = [
        t_ms.cast(pl.Datetime("ms", "UTC")),
        pl.Series("value", batch.values[keep], pl.Float64),
    ]
    if batch.histograms is not None:
        columns = [columns[0], *_histograms(batch.histograms, columns[1], keep)]
    for name in sorted(batch.labels.columns):
        codes = batch.labels.columns[name]
        distinct, inverse = np.unique(codes, return_inverse=True)
        texts = [text or None for text in batch.labels.symbols.texts(distinct)]
        title = name if name not in _OWN else f"label_{name}"
        values = pl.Series(title, texts, pl.String).gather(inverse[rows])
        columns.append(values)
    return pl.DataFrame(columns)


def _histograms(
    column: HistogramColumn, values: pl.Series, keep: npt.NDArray[np.bool_]
) -> list[pl.Series]:
    """The values without those of histograms; count and sum of these."""
    index = column.index[keep]
    is_histogram = pl.Series(index >= 0)
    found = [pl.select(pl.when(~is_histogram).then(values).alias("value")).to_series()]
    for name, numbers in (("count", column.table.count), ("sum", column.table.sum)):
        own = pl.Series(np.append(numbers, np.nan)[index], dtype=pl.Float64)
        kept = pl.when(is_histogram).then(own).alias(f"histogram_{name}")
        found.append(pl.select(kept).to_series())
    return found
