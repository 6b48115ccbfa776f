"""What is new in storage since the last look: the source of remote write.

Samples are found by time. Of each series it is known what was sent last, and each look goes back
a while behind the newest: so a sample that is stored late, by up to LATE_MS, is still sent, and
none is sent twice. After a restart what lies behind the mark, by as much, is sent once more:
receivers ignore samples that they have.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import TooManySamples
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import Times, Values
from promlab.model.storage import Querier, SelectHints

LATE_MS = 15_000
MAX_SAMPLES = 1_000_000  # of one look
_FORGET_MS = 3_600_000
_ALL = [Matcher(METRIC_NAME, MatchType.NOT_EQUAL, "")]
Keys = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]


class Fresh(NamedTuple):
    """New samples, by series and then by time; `end_ms` is how far was looked."""

    labels: LabelTable
    keys: Keys  # u64[n], of each series
    series: Index  # of each sample
    t_ms: Times
    values: Values
    histograms: HistogramColumn | None
    end_ms: int

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.t_ms)


class Tail:
    """Looks for what is new, from `since_ms` on."""

    def __init__(self, querier: Querier, since_ms: int) -> None:
        self._querier = querier
        self.mark_ms = since_ms  # everything up to here has been sent
        self._symbols: Symbols | None = None
        self._name_keys: dict[str, int] = {}
        self._keys, self._last = np.zeros(0, np.uint64), np.zeros(0, np.int64)

    def look(self, now_ms: int) -> Fresh:
        """What is new up to `now_ms`, or as much of it as one look may take."""
        end_ms = now_ms
        while True:
            start_ms = self.mark_ms - LATE_MS + 1
            try:
                return self._look(start_ms, end_ms)
            except TooManySamples:
                if end_ms <= self.mark_ms + 1:
                    raise
                end_ms = self.mark_ms + max(1, (end_ms - self.mark_ms) // 2)

    def _look(self, start_ms: int, end_ms: int) -> Fresh:
        hints = SelectHints(max_samples=MAX_SAMPLES)
        batch = self._querier.select(_ALL, start_ms, end_ms, hints)
        keys = self._series_keys(batch.labels)
        counts = np.diff(batch.offsets)
        series = np.repeat(np.arange(batch.n), counts)
        within = np.arange(len(series)) - np.repeat(batch.offsets[:-1], counts)
        t_ms = batch.t_ms[np.repeat(batch.times_at, counts) + within]
        new = np.flatnonzero(t_ms > self._sent(keys)[series])
        histograms = None if batch.histograms is None else batch.histograms.take(new)
        return Fresh(
            batch.labels, keys, series[new], t_ms[new], batch.values[new], histograms, end_ms
        )

    def sent(self, fresh: Fresh) -> None:
        """These samples have arrived, or will never be sent."""
        self.mark_ms = max(self.mark_ms, fresh.end_ms)
        if not fresh.n:
            return
        ends = np.flatnonzero(np.append(np.diff(fresh.series) != 0, True))
        keys = np.concatenate([self._keys, fresh.keys[fresh.series[ends]]])
        last = np.concatenate([self._last, fresh.t_ms[ends]])
        order = np.lexsort((last, keys))
        keys, last = keys[order], last[order]
        newest = np.append(keys[1:] != keys[:-1], True) & (last > self.mark_ms - _FORGET_MS)
        self._keys, self._last = keys[newest], last[newest]

    def _sent(self, keys: Keys) -> Index:
        """Time of the last sample that was sent of each series."""
        if not len(self._keys):
            return np.full(len(keys), np.iinfo(np.int64).min)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._last[at], np.iinfo(np.int64).min)

    def _series_keys(self, labels: LabelTable) -> Keys:
        """A number for each label set: a sum of products with secret factors."""
        base = labels.symbols.base
        if base is not self._symbols:
            # Codes of another process of the writer: what was sent is known by time alone.
            self._symbols = base
            self._keys, self._last = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        found = np.zeros(labels.n, np.uint64)
        for name, codes in labels.columns.items():
            factor = self._name_keys.setdefault(name, secrets.randbits(64) | 1)
            found += codes.astype(np.uint64) * np.uint64(factor)
        return found
