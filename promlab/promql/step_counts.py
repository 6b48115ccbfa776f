"""How many samples a query looks at for each of its steps: what `stats` tells of it.

Two numbers a step. *Queryable* samples are those that the step's values are made from: a
sample in several windows counts in each of them. Of those, *read* are the ones that no earlier
step of the same selector had. Counted only where somebody asks, from columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn, HistogramTable
from promlab.model.samples import SeriesBatch, Times

if TYPE_CHECKING:
    from promlab.promql.context import QueryContext
    from promlab.promql.steps import Steps
    from promlab.promql.vector import Mask

Longs = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]

# What Prometheus takes a histogram for, in samples of 16 bytes: its time and fixed fields, then
# 8 bytes for each bucket, bound and run of buckets.
_SAMPLE_BYTES, _FIXED_BYTES, _PART_BYTES = 16, 8 + 168, 8


class Stored(NamedTuple):
    """Samples of n series: some columns of a `SeriesBatch` or a `Tile`."""

    offsets: Longs
    times_at: Longs
    t_ms: Times
    histograms: HistogramColumn | None = None

    @staticmethod
    def of(batch: SeriesBatch) -> Stored:
        """Those of a batch."""
        return Stored(batch.offsets, batch.times_at, batch.t_ms, batch.histograms)


@dataclass(slots=True)
class StepCounts:
    """Samples by step: `queryable` and `read`, i64[steps]."""

    queryable: Longs
    read: Longs

    @staticmethod
    def none(steps: int) -> StepCounts:
        """Nothing counted yet."""
        return StepCounts(np.zeros(steps, np.int64), np.zeros(steps, np.int64))

    def add(self, other: StepCounts) -> None:
        """Count what was counted elsewhere for the same steps."""
        self.queryable += other.queryable
        self.read += other.read

    def add_once(self, other: StepCounts) -> None:
        """Count what was evaluated once for all steps: used by each, read for the first."""
        self.queryable += other.queryable.sum()
        self.read[0] += other.read.sum()

    def add_values(self, present: Mask, histograms: HistogramColumn | None = None) -> None:
        """Count the samples of an instant selector: bool[n, steps]."""
        if histograms is None:
            found = np.count_nonzero(present, axis=0)
        else:
            sizes = np.append(histogram_sizes(histograms.table), 1)  # -1 is a float
            found = np.where(present, sizes[histograms.index], 0).sum(axis=0)
        self.queryable += found
        self.read += found

    def add_windows(self, stored: Stored, ends: Steps, range_ms: int) -> None:
        """Count the samples in the windows (end - range, end] of a range selector."""
        times, sizes = _sample_times(stored), None
        if stored.histograms is not None:
            index, table = stored.histograms.index, stored.histograms.table
            sizes = np.append(histogram_sizes(table), 1)[index].astype(np.float64)
        if not ends.step_ms or ends.count == 1:
            inside = (times > ends.start_ms - range_ms) & (times <= ends.start_ms)
            found = int(np.count_nonzero(inside) if sizes is None else sizes[inside].sum())
            self.queryable += found
            self.read[0] += found
            return
        until = _until(times, ends, 0, sizes)
        queryable = until - _until(times, ends, range_ms, sizes)
        self.queryable += queryable
        self.read[0] += queryable[0]
        self.read[1:] += np.minimum(queryable[1:], np.diff(until))

    def add_subquery(self, inner: StepCounts, grid: Steps, ends: Steps) -> None:
        """Count what a subquery's own steps read, for the first step that needs each of them."""
        first = _first_end(grid.times, ends)
        np.add.at(self.read, np.minimum(first, ends.count - 1), inner.read)


@contextmanager
def counted_apart(ctx: QueryContext, steps: int) -> Iterator[StepCounts]:
    """What is evaluated meanwhile counts by itself."""
    outer, inner = ctx.counts, StepCounts.none(steps)
    ctx.counts = inner
    try:
        yield inner
    finally:
        ctx.counts = outer


def histogram_sizes(table: HistogramTable) -> Longs:
    """What each histogram of a table counts for, in samples."""
    parts = np.zeros(table.n, np.int64)
    for buckets in (table.positive, table.negative):
        parts += np.diff(buckets.offsets)
        begins = np.ones(len(buckets.indices), np.int64)
        begins[1:] = np.diff(buckets.indices) != 1
        starts = buckets.offsets[:-1]
        begins[starts[starts < len(begins)]] = 1
        runs = np.concatenate([[0], np.cumsum(begins)])
        parts += runs[buckets.offsets[1:]] - runs[starts]
    bounds = np.array([*map(len, table.bounds), 0], np.int64)  # -1: none
    parts += bounds[table.custom]
    return (_FIXED_BYTES + _PART_BYTES * parts) // _SAMPLE_BYTES


def _sample_times(stored: Stored) -> Times:
    """The time of every sample."""
    offsets = stored.offsets
    shift = np.repeat(stored.times_at - offsets[:-1], np.diff(offsets))
    times: Times = stored.t_ms[shift + np.arange(offsets[0], offsets[-1])]
    return times


def _first_end(times: Times, ends: Steps) -> Longs:
    """The first step at or after each time; `ends.count` for none."""
    if not ends.step_ms:
        return np.where(times <= ends.start_ms, 0, ends.count)
    return np.clip(-((ends.start_ms - times) // ends.step_ms), 0, ends.count)


def _until(times: Times, ends: Steps, back_ms: int, sizes: Weights | None) -> Longs:
    """How many samples there are up to `back_ms` before each step."""
    first = _first_end(times + back_ms, ends)
    found = np.bincount(first, sizes, ends.count)[: ends.count]
    return np.cumsum(found).astype(np.int64)
