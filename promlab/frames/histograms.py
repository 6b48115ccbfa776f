"""Histogram samples of a batch, taken out of it as the client's results hold them."""

from __future__ import annotations

import numpy as np

from promlab.client.decode import HistogramSample
from promlab.client.frames import contiguous_times
from promlab.model.histograms import boundary_rules, ordered_buckets
from promlab.model.samples import SeriesBatch


def split(batch: SeriesBatch) -> tuple[SeriesBatch, tuple[HistogramSample, ...]]:
    """The floats of a batch, series without any left out, and its histograms one by one."""
    column = batch.histograms
    assert column is not None
    at = np.flatnonzero(column.index >= 0)
    series = np.repeat(np.arange(batch.n), np.diff(batch.offsets))
    times = contiguous_times(batch)
    table = column.table.take(column.index[at])
    buckets = ordered_buckets(table)
    rules = boundary_rules(buckets)
    samples = []
    for k, sample in enumerate(at.tolist()):
        mine = slice(int(buckets.offsets[k]), int(buckets.offsets[k + 1]))
        parts = (rules[mine], buckets.lower[mine], buckets.upper[mine], buckets.counts[mine])
        rows = zip(*(part.tolist() for part in parts), strict=True)
        samples.append(
            HistogramSample(
                batch.labels.row(int(series[sample])),
                int(times[sample]),
                float(table.count[k]),
                float(table.sum[k]),
                tuple(rows),
            )
        )
    floats = column.index < 0
    left = np.bincount(series[floats], minlength=batch.n)
    kept = np.flatnonzero(left)
    offsets = np.concatenate([[0], np.cumsum(left[kept])]).astype(np.int64)
    smaller = batch._replace(
        labels=batch.labels.take(kept),
        offsets=offsets,
        times_at=offsets[:-1].copy(),
        t_ms=times[floats],
        values=batch.values[floats],
        histograms=None,
        start_ms=None,
    )
    return smaller, tuple(samples)
