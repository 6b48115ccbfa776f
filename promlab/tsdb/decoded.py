"""`Decoded`: a batch of the head's samples; what of them are references becomes histograms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import NOT_RESET, RESET, UNKNOWN, HistogramColumn
from promlab.model.samples import SeriesBatch
from promlab.tsdb.histogram_files import Bools, HistogramFiles, column_of
from promlab.tsdb.plan import LATE, Plan

Longs = npt.NDArray[np.int64]


class Decoded(NamedTuple):
    """A batch, and the number in its selection of each series that has samples."""

    batch: SeriesBatch
    rows: Longs


def with_histograms(found: Decoded, plan: Plan, files: HistogramFiles) -> Decoded:
    """References become histograms; samples whose histogram is gone are left out."""
    batch = found.batch
    column, lost = column_of(files, batch.values.view(np.int64))
    batch.values[column.index >= 0] = np.nan
    several = np.diff(plan.places_at) > 1
    loose = plan.loose[plan.sources]
    several[np.repeat(np.arange(len(several)), np.diff(plan.places_at))[loose == LATE]] = True
    if several[found.rows].any():
        # What stands before a sample is not what did when it was written.
        counts = np.diff(batch.offsets)
        mixed = np.repeat(several[found.rows], counts)[column.index >= 0]
        hint = column.table.hint.copy()
        hint[mixed & ((hint == RESET) | (hint == NOT_RESET))] = UNKNOWN
        column = HistogramColumn(column.table.hinted(hint), column.index)
    found = Decoded(batch._replace(histograms=column), found.rows)
    return _without(found, lost) if lost.any() else found


def _without(found: Decoded, lost: Bools) -> Decoded:
    """The batch without some samples."""
    batch, rows = found
    counts = np.diff(batch.offsets)
    series = np.repeat(np.arange(batch.n), counts)
    shift = np.repeat(batch.times_at - batch.offsets[:-1], counts)
    t_ms = batch.t_ms[np.arange(batch.sample_count) + shift]
    left = np.bincount(series[~lost], minlength=batch.n)
    kept = np.flatnonzero(left > 0)
    offsets = np.concatenate([[0], np.cumsum(left[kept])]).astype(np.int64)
    column = batch.histograms
    assert column is not None
    smaller = SeriesBatch(
        batch.labels.take(kept),
        offsets,
        offsets[:-1].copy(),
        t_ms[~lost],
        batch.values[~lost],
        column.take(~lost),
    )
    return Decoded(smaller, rows[kept])
