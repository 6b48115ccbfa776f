"""Samples of many series as columns, and the staleness marker.

A staleness marker is a sample whose value is one particular NaN (`STALE_BITS`): "this series
has ended here". It is told from an ordinary NaN by its bits alone, so it has to be dropped,
or kept aside, before any arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

STALE_BITS = 0x7FF0000000000002
STALE_NAN = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])


def is_stale(values: Values) -> npt.NDArray[np.bool_]:
    """Which values are staleness markers; ordinary NaN are not."""
    stale: npt.NDArray[np.bool_] = values.view(np.uint64) == STALE_BITS
    return stale


def stale_values(n: int) -> Values:
    """`n` staleness markers (Python floats may lose the bits; arrays don't)."""
    return np.full(n, STALE_BITS, np.uint64).view(np.float64)


class SeriesBatch(NamedTuple):
    """Samples of n series, as any `Querier` gives them.

    Series s has the values `values[offsets[s]:offsets[s+1]]`; their times, in ms UTC and
    strictly increasing, are `t_ms[times_at[s]:]`, as many as there are values. Series of one
    scrape target share their times: equal `times_at` means equal times, and saves both
    memory and work. Staleness markers are in `values`, bit-exact.

    `histograms` has an index for each of `values`: where it is not -1, the sample is that
    histogram and its value means nothing. `start_ms` says since when each sample has been
    counting (0 where that is not known). Both are None where no sample has any. Without
    `markers` there is no staleness marker among the values for sure.
    """

    labels: LabelTable
    offsets: npt.NDArray[np.int64]  # i64[n + 1]
    times_at: npt.NDArray[np.int64]  # i64[n]
    t_ms: Times
    values: Values
    histograms: HistogramColumn | None = None
    start_ms: Times | None = None
    markers: bool = True

    @property
    def n(self) -> int:
        """Number of series."""
        return self.labels.n

    @property
    def sample_count(self) -> int:
        """Number of samples."""
        return int(self.offsets[-1])

    @staticmethod
    def empty(symbols: Symbols) -> SeriesBatch:
        """A batch of no series."""
        none = np.zeros(0, np.int64)
        return SeriesBatch(
            LabelTable(0, {}, symbols), np.zeros(1, np.int64), none, none, np.zeros(0)
        )

    @staticmethod
    def from_series(
        labels: LabelTable, times: Sequence[npt.ArrayLike], values: Sequence[npt.ArrayLike]
    ) -> SeriesBatch:
        """A batch from one list of times and values a series (tests, small input)."""
        counts = np.array([len(np.atleast_1d(v)) for v in values], np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        t_ms = np.concatenate([np.zeros(0), *map(np.atleast_1d, times)]).astype(np.int64)
        flat = np.concatenate([np.zeros(0), *map(np.atleast_1d, values)]).astype(np.float64)
        return SeriesBatch(labels, offsets, offsets[:-1].copy(), t_ms, flat)

    def series(self, s: int) -> tuple[Times, Values]:
        """Times and values of one series."""
        start, end = int(self.offsets[s]), int(self.offsets[s + 1])
        at = int(self.times_at[s])
        return self.t_ms[at : at + end - start], self.values[start:end]
