"""A batch of samples as a Polars frame, for notebooks."""

from __future__ import annotations

import numpy as np
import polars as pl

from promlab.model.samples import SeriesBatch, is_stale


def to_frame(batch: SeriesBatch) -> pl.DataFrame:
    """One row a sample: timestamp (ms, UTC), value, one column a label, sorted by name.

    Staleness markers are left out; a label that a series lacks is null.
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
    for name in sorted(batch.labels.columns):
        codes = batch.labels.columns[name]
        distinct, inverse = np.unique(codes, return_inverse=True)
        texts = [text or None for text in batch.labels.symbols.texts(distinct)]
        title = name if name not in ("timestamp", "value") else f"label_{name}"
        values = pl.Series(title, texts, pl.String).gather(inverse[rows])
        columns.append(values)
    return pl.DataFrame(columns)
