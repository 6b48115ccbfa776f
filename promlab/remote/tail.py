"""What is new in storage since the last look: the source of remote write.

Samples are found by time. Of each series it is known what was sent last, and each look goes back
a while behind the newest: so a sample that is stored late, by up to LATE_MS, is still sent, and
none is sent twice. What comes later than that, or out of order, does not come by scraping: the
storage's log tells of it. After a restart what lies behind the mark, by LATE_MS, is sent once
more: receivers ignore samples that they have.
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import TooManySamples
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import SeriesBatch, Times, Values
from promlab.model.storage import Position, Querier, SelectHints, Stored, StoredLog

LATE_MS = 15_000
MAX_SAMPLES = 1_000_000  # of one look
_FORGET_MS = 3_600_000
_LOOKS = 4  # that the log may be behind what is found by time
_TIME_FACTOR = np.uint64(0xC2B2AE3D27D4EB4F)
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
    start_ms: Times | None = None  # since when each counts, 0 where unknown

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.t_ms)


class Tail:
    """Looks for what is new: by time from `since_ms` on, in the log behind `position`."""

    def __init__(self, querier: Querier, since_ms: int, position: Position | None = None) -> None:
        self._querier = querier
        self._log = querier if isinstance(querier, StoredLog) else None
        self.position = position  # everything before it in the log has been sent
        self._told: list[Stored] = []  # by the log, since
        if self._log is not None and position is None:
            self.position = self._log.loose_since(None).position
        self._read_to = self.position
        self._recent: deque[Keys] = deque(maxlen=_LOOKS)  # samples that were sent
        self.mark_ms = since_ms  # everything up to here has been sent
        self._symbols: Symbols | None = None
        self._name_keys: dict[str, int] = {}
        self._keys, self._last = np.zeros(0, np.uint64), np.zeros(0, np.int64)

    @property
    def oldest_needed_ms(self) -> int:
        """Where the next look begins: what is older is not looked for any more."""
        return self.mark_ms - LATE_MS + 1

    def look(self, now_ms: int) -> Fresh:
        """What is new up to `now_ms`, or as much of it as one look may take."""
        end_ms = now_ms
        while True:
            try:
                return self._look(self.oldest_needed_ms, end_ms)
            except TooManySamples:
                if end_ms <= self.mark_ms + 1:
                    raise
                end_ms = self.mark_ms + max(1, (end_ms - self.mark_ms) // 2)

    def _look(self, start_ms: int, end_ms: int) -> Fresh:
        hints = SelectHints(max_samples=MAX_SAMPLES)
        batch = self._querier.select(_ALL, start_ms, end_ms, hints)
        keys = self._series_keys(batch.labels)
        series, t_ms = _flat(batch)
        new = np.flatnonzero(t_ms > self._sent(keys)[series])
        histograms = None if batch.histograms is None else batch.histograms.take(new)
        starts = None if batch.start_ms is None else batch.start_ms[new]
        fresh = Fresh(
            batch.labels, keys, series[new], t_ms[new], batch.values[new], histograms, end_ms,
            starts,
        )  # fmt: skip
        late = self._late(fresh)
        return fresh if late is None else stacked(late, fresh)

    def _late(self, fresh: Fresh) -> Fresh | None:
        """What the log tells of that is not found by time, neither now nor before."""
        if self._log is None:
            return None
        told = self._log.loose_since(self._read_to)
        self._read_to = told.position
        if len(told.t_ms):
            self._told.append(told)
        found = [self._unsent(each, fresh) for each in self._told]
        found = [each for each in found if each is not None]
        if not found:
            return None
        series = np.concatenate([each[0] for each in found if each is not None])
        t_ms = np.concatenate([each[1] for each in found if each is not None])
        owners = np.unique(series)
        batch, rows = self._log.of_series(owners, int(t_ms.min()), int(t_ms.max()))
        return self._picked(
            batch, owners[rows], _sample_keys(series.astype(np.uint64), t_ms), fresh
        )

    def _unsent(self, told: Stored, fresh: Fresh) -> tuple[Index, Times] | None:
        keys = self._series_keys(told.labels)[told.rows]
        own = _sample_keys(keys, told.t_ms)
        known = [_sample_keys(fresh.keys[fresh.series], fresh.t_ms), *self._recent]
        # What is newer than this look is found by time in one of the next ones.
        late = (told.t_ms <= fresh.end_ms) & ~np.isin(own, np.concatenate(known))
        rows = np.flatnonzero(late)
        return (told.series[told.rows[rows]], told.t_ms[rows]) if len(rows) else None

    def _picked(self, batch: SeriesBatch, owners: Index, wanted: Keys, fresh: Fresh) -> Fresh:
        series, t_ms = _flat(batch)
        rows = np.flatnonzero(np.isin(_sample_keys(owners[series].astype(np.uint64), t_ms), wanted))
        return Fresh(
            batch.labels,
            self._series_keys(batch.labels),
            series[rows],
            t_ms[rows],
            batch.values[rows],
            None if batch.histograms is None else batch.histograms.take(rows),
            fresh.end_ms,
            None if batch.start_ms is None else batch.start_ms[rows],
        )

    def sent(self, fresh: Fresh) -> None:
        """These samples have arrived, or will never be sent."""
        self.mark_ms = max(self.mark_ms, fresh.end_ms)
        self._told, self.position = [], self._read_to
        self._recent.append(_sample_keys(fresh.keys[fresh.series], fresh.t_ms))
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


def _flat(batch: SeriesBatch) -> tuple[Index, Times]:
    """Series and time of each sample."""
    counts = np.diff(batch.offsets)
    series = np.repeat(np.arange(batch.n), counts)
    within = np.arange(len(series)) - np.repeat(batch.offsets[:-1], counts)
    return series, batch.t_ms[np.repeat(batch.times_at, counts) + within]


def _sample_keys(series: Keys, t_ms: Times) -> Keys:
    """A number for each sample: two of 64 bits are the same by accident hardly ever."""
    return series * np.uint64(0x9E3779B97F4A7C15) + t_ms.astype(np.uint64) * _TIME_FACTOR


def stacked(first: Fresh, second: Fresh) -> Fresh:
    """Both; a series may have a row in each."""
    names = {**first.labels.columns, **second.labels.columns}
    tables = first.labels, second.labels
    columns = {name: np.concatenate([table.column(name) for table in tables]) for name in names}
    labels = LabelTable(first.labels.n + second.labels.n, columns, second.labels.symbols)
    starts = None
    if first.start_ms is not None or second.start_ms is not None:
        parts = [
            np.zeros(f.n, np.int64) if f.start_ms is None else f.start_ms for f in (first, second)
        ]
        starts = np.concatenate(parts)
    return Fresh(
        labels,
        np.concatenate([first.keys, second.keys]),
        np.concatenate([first.series, second.series + first.labels.n]),
        np.concatenate([first.t_ms, second.t_ms]),
        np.concatenate([first.values, second.values]),
        HistogramColumn.stack([first.histograms, second.histograms], [first.n, second.n]),
        second.end_ms,
        starts,
    )
