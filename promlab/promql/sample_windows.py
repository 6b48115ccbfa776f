"""Where windows begin and end among samples, by bisection in plain numpy.

For what is rarer than a float's rate: histograms, start timestamps, `anchored` and `smoothed`.
Windows are [n, steps] index pairs into the samples of the batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.samples import SeriesBatch, Times
from promlab.promql.steps import Steps

Index = npt.NDArray[np.int64]


class SampleWindows(NamedTuple):
    """Window [s, t] holds the samples first[s, t] <= i < end[s, t]; `times` i64[samples]."""

    times: Times
    first: Index
    end: Index

    @property
    def size(self) -> Index:
        """Samples in each window."""
        return self.end - self.first


class SampleClock:
    """Finds samples of all series by time at once."""

    def __init__(self, batch: SeriesBatch) -> None:
        offsets = batch.offsets
        counts = np.diff(offsets)
        shift = np.repeat(batch.times_at - offsets[:-1], counts)
        self.times: Times = batch.t_ms[shift + np.arange(int(offsets[-1]))]
        self._offsets = offsets
        self._low = int(self.times.min(initial=0))
        self._span = int(self.times.max(initial=0)) - self._low + 2
        self._keys = np.repeat(np.arange(batch.n), counts) * self._span + (self.times - self._low)
        self._n = batch.n

    def after(self, moments: Times) -> Index:
        """For each series and moment, the index of the first sample later than the moment."""
        within = np.clip(moments - self._low, -1, self._span - 1)
        wanted = (np.arange(self._n) * self._span)[:, None] + within[None, :]
        found = np.searchsorted(self._keys, wanted.reshape(-1), side="right")
        clipped: Index = np.clip(
            found.reshape(wanted.shape), self._offsets[:-1, None], self._offsets[1:, None]
        )
        return clipped

    def windows(self, ends: Steps, back_ms: int, ahead_ms: int = 0) -> SampleWindows:
        """Windows (end - back_ms, end + ahead_ms]."""
        moments = ends.times
        return SampleWindows(
            self.times, self.after(moments - back_ms), self.after(moments + ahead_ms)
        )


def pick(values: npt.NDArray[Any], index: Index) -> Any:
    """values[index], where an index out of range (an empty window's) gives anything."""
    if not len(values):
        return np.zeros(index.shape, values.dtype)
    return values[np.clip(index, 0, len(values) - 1)]


def counted(flags: npt.NDArray[np.bool_]) -> Index:
    """Running count: c[j] - c[i] of the flags are set in [i, j)."""
    return np.concatenate([[0], np.cumsum(flags)]).astype(np.int64)


def within_series(batch: SeriesBatch, flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Flags about a sample and the one before it, off for the first sample of each series."""
    starts = batch.offsets[:-1]
    flags[starts[starts < len(flags)]] = False
    return flags
