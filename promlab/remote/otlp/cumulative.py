"""Differences become totals: a running sum for each series that is pushed as differences.

A series begins with its first point, since when that one counts; what comes five minutes after
the last point begins anew. Points that are not later than the last one are left out. The sums
live as long as the process: after a restart they begin anew, as those of any counter.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import UNKNOWN, HistogramColumn, HistogramTable
from promlab.model.labels import LabelTable
from promlab.model.samples import is_stale
from promlab.remote.otlp.histogram_sums import added, can_be_added
from promlab.remote.otlp.rows import OtlpSamples

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_EXPIRE_S = 300.0


class RunningSums:
    """The sums of all series; requests may be read in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[bytes, int] = {}
        self._value = np.zeros(0)
        self._start_ms = np.zeros(0, np.int64)
        self._last_ms = np.zeros(0, np.int64)
        self._seen_s = np.zeros(0)
        self._row = np.zeros(0, np.int64)  # of `_table`, -1 for a number
        self._table = HistogramTable.empty()

    def __len__(self) -> int:
        return len(self._slots)

    def totals(self, found: OtlpSamples) -> OtlpSamples:
        """The samples with totals where there were differences."""
        rows = np.flatnonzero(found.delta)
        if not len(rows):
            return found
        with self._lock:
            return self._totals(found, rows)

    def _totals(self, found: OtlpSamples, rows: Longs) -> OtlpSamples:
        now_s = time.monotonic()
        self._forget(now_s)
        slot = self._slots_of(found.labels.take(rows))
        made = _Made(found)
        # The points of one series in order of time: each round has no more than one of it.
        order = np.lexsort((found.t_ms[rows], slot))
        rows, slot = rows[order], slot[order]
        first = np.searchsorted(slot, slot)
        turn = np.arange(len(slot)) - first
        for number in range(int(turn.max()) + 1):
            at = turn == number
            self._add(made, rows[at], slot[at], now_s)
        return made.done()

    def _add(self, made: _Made, rows: Longs, slot: Longs, now_s: float) -> None:
        """Add one point to each of some series."""
        found = made.found
        t_ms, start_ms = found.t_ms[rows], found.start_ms[rows]
        fresh = self._seen_s[slot] == 0.0
        late = ~fresh & ((t_ms <= self._last_ms[slot]) | (start_ms < self._start_ms[slot]))
        made.kept[rows[late]] = False
        rows, slot, fresh = rows[~late], slot[~late], fresh[~late]
        ended = is_stale(found.values[rows])
        self._seen_s[slot[ended]] = 0.0  # what comes next begins anew
        rows, slot, fresh = rows[~ended], slot[~ended], fresh[~ended]
        index = found.histograms.index[rows] if found.histograms else np.full(len(rows), -1)
        fresh |= (index >= 0) != (self._row[slot] >= 0)
        numbers, others = index < 0, index >= 0
        before = np.where(fresh, 0.0, self._value[slot])
        self._value[slot[numbers]] = (before + found.values[rows])[numbers]
        made.values[rows[numbers]] = self._value[slot[numbers]]
        self._row[slot[numbers]] = -1
        if others.any():
            fresh[others] = self._add_histograms(
                made, rows[others], slot[others], index[others], fresh[others]
            )
        begin = slot[fresh]
        self._start_ms[begin] = found.start_ms[rows[fresh]]
        self._last_ms[slot] = found.t_ms[rows]
        self._seen_s[slot] = now_s
        made.start_ms[rows] = self._start_ms[slot]

    def _add_histograms(
        self, made: _Made, rows: Longs, slot: Longs, index: Longs, fresh: Flags
    ) -> Flags:
        """Returns which begin anew: those, too, whose bounds are others than before."""
        assert made.found.histograms is not None
        new = made.found.histograms.table.take(index).hinted(UNKNOWN)
        fresh = fresh.copy()
        known = np.flatnonzero(~fresh)
        old = self._table.take(self._row[slot[known]])
        fits = can_be_added(old, new.take(known))
        fresh[known[~fits]] = True
        known, old = known[fits], old.take(np.flatnonzero(fits))
        begun = np.flatnonzero(fresh)
        sums = HistogramTable.stack([new.take(begun), added(old, new.take(known))])
        place = np.empty(len(rows), np.int64)
        place[np.concatenate([begun, known])] = np.arange(len(rows))
        others = np.ones(len(self._row), np.bool_)
        others[slot] = False
        others &= self._row >= 0
        kept = np.flatnonzero(others)
        self._table = HistogramTable.stack([self._table.take(self._row[kept]), sums])
        self._row[kept] = np.arange(len(kept))
        self._row[slot] = len(kept) + place
        made.add_histograms(rows, sums, place)
        return fresh

    def _slots_of(self, labels: LabelTable) -> Longs:
        """The place of each series; new ones get one."""
        known = self._slots
        slots = [known.setdefault(key, len(known)) for key in _keys(labels)]
        more = len(known) - len(self._value)
        if more:
            self._value = np.append(self._value, np.zeros(more))
            self._start_ms = np.append(self._start_ms, np.zeros(more, np.int64))
            self._last_ms = np.append(self._last_ms, np.zeros(more, np.int64))
            self._seen_s = np.append(self._seen_s, np.zeros(more))
            self._row = np.append(self._row, np.full(more, -1))
        return np.array(slots, np.int64)

    def _forget(self, now_s: float) -> None:
        """Drop what has not been heard of for long."""
        alive = self._seen_s > now_s - _EXPIRE_S
        if alive.all():
            return
        kept = np.flatnonzero(alive)
        place = np.cumsum(alive) - 1
        self._slots = {key: int(place[i]) for key, i in self._slots.items() if alive[i]}
        self._value, self._seen_s = self._value[kept], self._seen_s[kept]
        self._start_ms, self._last_ms = self._start_ms[kept], self._last_ms[kept]
        row = self._row[kept]
        held = np.flatnonzero(row >= 0)
        self._table = self._table.take(row[held])
        row[held] = np.arange(len(held))
        self._row = row


class _Made:
    """The samples of one request while their totals are made."""

    def __init__(self, found: OtlpSamples) -> None:
        self.found = found
        self.kept = np.ones(found.n, np.bool_)
        self.values = found.values.copy()
        self.start_ms = found.start_ms.copy()
        column = found.histograms
        self._tables = [] if column is None else [column.table]
        self._index = np.full(found.n, -1) if column is None else column.index.copy()

    def add_histograms(self, rows: Longs, table: HistogramTable, place: Longs) -> None:
        """These rows are those of a table."""
        self._index[rows] = sum(each.n for each in self._tables) + place
        self._tables.append(table)

    def done(self) -> OtlpSamples:
        """The samples that are kept."""
        kept = np.flatnonzero(self.kept)
        row = np.cumsum(self.kept) - 1
        lost = self.found.n - len(kept)
        histograms = None
        if self._tables:
            histograms = HistogramColumn(HistogramTable.stack(self._tables), self._index[kept])
        why = [f"{lost} differences that are older than what was added up"] if lost else []
        return OtlpSamples(
            self.found.labels.take(kept),
            self.found.t_ms[kept],
            self.values[kept],
            histograms,
            self.start_ms[kept],
            [e._replace(row=int(row[e.row])) for e in self.found.exemplars if self.kept[e.row]],
            np.zeros(len(kept), np.bool_),
            [*self.found.skipped, *why],
        )


def _keys(labels: LabelTable) -> list[bytes]:
    """What tells series apart: 128 bits that nobody outside can foresee."""
    total = np.zeros((labels.n, 2), np.uint64)
    for name in sorted(labels.columns):
        codes, inverse = np.unique(labels.column(name), return_inverse=True)
        texts = labels.symbols.texts(codes)
        hashes = [
            [hash((name, text, i)) & 0xFFFFFFFFFFFFFFFF if text else 0 for i in range(2)]
            for text in texts
        ]
        total += np.array(hashes, np.uint64).reshape(-1, 2)[inverse]
    packed = np.ascontiguousarray(total).tobytes()
    return [packed[at : at + 16] for at in range(0, len(packed), 16)]
