"""Batches of series as Polars and pandas frames, and cuts of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from promlab.client.tables import series_text
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols
from promlab.model.samples import SeriesBatch

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Rows = npt.NDArray[np.int64]
RESERVED = ("timestamp", "value")


def column_names(labels: LabelTable) -> dict[str, str]:
    """Column name of each label: its own, or with `label_` before it where that is taken."""
    names = sorted(
        (name for name, codes in labels.columns.items() if codes.any()),
        key=lambda name: (name != METRIC_NAME, name),
    )
    taken, found = {*RESERVED, *names}, {}
    for name in names:
        column = name
        if name in RESERVED:
            column = f"label_{name}"
            while column in taken:
                column = f"label_{column}"
            taken.add(column)
        found[name] = column
    return found


def long_frame(batch: SeriesBatch) -> pl.DataFrame:
    """One row a sample: timestamp, value, one column a label."""
    import polars as pl

    flat = contiguous_times(batch)
    columns = {
        "timestamp": pl.Series(flat, dtype=pl.Int64).cast(pl.Datetime("ms", "UTC")),
        "value": pl.Series(batch.values, dtype=pl.Float64),
    }
    rows = np.repeat(np.arange(batch.n), np.diff(batch.offsets))
    for name, column in column_names(batch.labels).items():
        distinct, codes = np.unique(batch.labels.columns[name], return_inverse=True)
        texts = pl.Series(batch.labels.symbols.texts(distinct), dtype=pl.String)
        columns[column] = texts.gather(pl.Series(codes.astype(np.uint32)[rows]))
    return pl.DataFrame(columns)


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """A pandas frame; timestamps keep their time zone."""
    return frame.to_pandas()


def wide_frame(batch: SeriesBatch) -> pl.DataFrame:
    """One row a timestamp, one column a series; null where a series has no sample."""
    import polars as pl

    flat = contiguous_times(batch)
    times, at = np.unique(flat, return_inverse=True)
    columns = {"timestamp": pl.Series(times, dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))}
    for s in range(batch.n):
        start, end = int(batch.offsets[s]), int(batch.offsets[s + 1])
        values, present = np.zeros(len(times)), np.zeros(len(times), np.bool_)
        values[at[start:end]], present[at[start:end]] = batch.values[start:end], True
        column = pl.Series(values)
        if not present.all():
            column = pl.select(pl.when(pl.Series(present)).then(column).otherwise(None)).to_series()
        columns[_free_name(series_text(batch.labels.row(s)), columns)] = column
    return pl.DataFrame(columns)


def contiguous_times(batch: SeriesBatch) -> npt.NDArray[np.int64]:
    """The time of each value, i64[m], also where series share their times."""
    if np.array_equal(batch.times_at, batch.offsets[:-1]) and len(batch.t_ms) == len(batch.values):
        return batch.t_ms
    pieces = [batch.series(s)[0] for s in range(batch.n)]
    return np.concatenate([np.zeros(0, np.int64), *pieces])


def take_series(batch: SeriesBatch, rows: Rows) -> SeriesBatch:
    """A batch of these series, in this order."""
    series = [batch.series(int(row)) for row in rows]
    return SeriesBatch.from_series(
        batch.labels.take(rows), [times for times, _ in series], [values for _, values in series]
    )


def between(batch: SeriesBatch, start_ms: int, end_ms: int) -> SeriesBatch:
    """Samples with start <= t <= end; series without any are left out."""
    kept, rows = [], []
    for s in range(batch.n):
        times, values = batch.series(s)
        first, last = np.searchsorted(times, [start_ms, end_ms + 1])
        if first < last:
            rows.append(s)
            kept.append((times[first:last], values[first:last]))
    labels = batch.labels.take(np.array(rows, np.int64))
    return SeriesBatch.from_series(labels, [t for t, _ in kept], [v for _, v in kept])


def last_samples(batch: SeriesBatch) -> SeriesBatch:
    """One sample a series, its newest."""
    ends = batch.offsets[1:] - 1
    offsets = np.arange(batch.n + 1)
    times = contiguous_times(batch)[ends]
    return SeriesBatch(batch.labels, offsets, offsets[:-1], times, batch.values[ends])


def by_last_value(batch: SeriesBatch) -> Rows:
    """Rows sorted by last value, largest first, NaN at the end."""
    last = batch.values[batch.offsets[1:] - 1] if batch.n else np.zeros(0)
    return np.argsort(np.where(np.isnan(last), np.inf, -last), kind="stable")


def single(t_ms: int, value: float) -> SeriesBatch:
    """A batch of one sample without labels."""
    return SeriesBatch.from_series(LabelTable(1, {}, Symbols()), [[t_ms]], [[value]])


def _free_name(name: str, taken: dict[str, pl.Series]) -> str:
    if name not in taken:
        return name
    n = 2
    while f"{name} ({n})" in taken:
        n += 1
    return f"{name} ({n})"
