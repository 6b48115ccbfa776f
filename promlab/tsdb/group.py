"""The head's `SeriesGroup`: series of one scrape target, a row at a time.

Knows its slots and takes the fast path; whatever does not fit a row (older than the newest
row) goes the way of loose samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.labels import LabelTable
from promlab.model.samples import Values
from promlab.model.storage import NO_EXTRAS, AppendOutcome, Refs, SampleExtras, Slots
from promlab.tsdb import head_kernels as k
from promlab.tsdb.files import Longs

if TYPE_CHECKING:
    from promlab.tsdb.head import Head


NO_SLOT = 0xFFFFFFFF


class Row(NamedTuple):
    """Samples of one time: slots and values as bits; and slots and values for start times."""

    slots: Slots
    bits: Longs
    references: bool = False  # whether some of `bits` refer to histograms
    started: Slots = np.zeros(0, np.uint32)  # slots whose samples have start times ...
    start_slots: Slots = np.zeros(0, np.uint32)  # ... and where these go
    start_bits: Longs = np.zeros(0, np.int64)


class Group:
    """One target's series; made by `Head.open_group`."""

    def __init__(self, head: Head, number: int) -> None:
        self._head = head
        self.number = number
        self.closed = False
        self._start_slots: Slots = np.zeros(0, np.uint32)  # of each slot, as far as it is known

    def slots(self, labels: LabelTable) -> Slots:
        """Slot of each label set, registering what is new; see `SeriesGroup`."""
        self._check()
        head = self._head
        return self._slots_of(head.register(labels))

    def _slots_of(self, series: npt.NDArray[np.uint32]) -> Slots:
        """Slot of each series, made where it has none."""
        head = self._head
        known = head.series_of(self.number)
        order = np.argsort(known, kind="stable")
        at = np.searchsorted(known, series, sorter=order)
        found = np.full(len(series), -1, np.int64)
        inside = at < len(known)
        candidates = order[at[inside]]
        found[inside] = np.where(known[candidates] == series[inside], candidates, -1)
        missing = np.flatnonzero(found < 0)
        if len(missing) == len(series) and (series[1:] > series[:-1]).all():
            found = len(known) + np.arange(len(series))  # all new, each once: nothing to sort
            head.add_slots(self.number, series)
        elif len(missing):
            distinct, first, inverse = np.unique(
                series[missing], return_index=True, return_inverse=True
            )
            in_order = np.argsort(first, kind="stable")  # slots follow the order of lines
            rank = np.empty(len(distinct), np.int64)
            rank[in_order] = np.arange(len(distinct))
            found[missing] = len(known) + rank[inverse]
            head.add_slots(self.number, distinct[in_order])
        return found.astype(np.uint32)

    def append(
        self, t_ms: int, slots: Slots, values: Values, extras: SampleExtras = NO_EXTRAS
    ) -> AppendOutcome:
        """One sample at `t_ms` for each of `slots`; see `SeriesGroup`."""
        self._check()
        if not len(slots):
            return AppendOutcome()
        bits = np.ascontiguousarray(values, np.float64).view(np.int64)
        histograms, starts = extras
        row = Row(slots, bits)
        if histograms is not None or starts is not None:
            series = self._head.series_of(self.number)[slots]
            times = np.full(len(slots), t_ms, np.int64)
            if starts is not None:
                mine = np.flatnonzero((starts != 0) & self._head.may_take(series, times))
                values = starts[mine].astype(np.float64)
                started = slots[mine]
                places = self._starts_of(started)
                row = Row(slots, bits, False, started, places, values.view(np.int64))
            if histograms is not None:
                bits = self._head.references(series, times, bits, histograms, distinct=True)
                row = row._replace(bits=bits, references=True)
        return self._head.append_row(self.number, t_ms, row)

    def refs(self, slots: Slots) -> Refs:
        """References of the series in these slots. u64[n]."""
        return self._head.series_of(self.number)[slots].astype(np.uint64)

    def _starts_of(self, slots: Slots) -> Slots:
        """Slots for the start times of the samples in these slots, made where missing."""
        if not len(slots):
            return np.zeros(0, np.uint32)
        wanted = int(slots.max()) + 1
        if wanted > len(self._start_slots):
            more = np.full(wanted - len(self._start_slots), NO_SLOT, np.uint32)
            self._start_slots = np.concatenate([self._start_slots, more])
        missing = slots[self._start_slots[slots] == NO_SLOT]
        if len(missing):
            series = self._head.series_of(self.number)[missing]
            self._start_slots[missing] = self._slots_of(self._head.starts_of(series))
        return self._start_slots[slots]

    def close(self) -> None:
        """Nothing more comes; a group for the same target will go on with these slots."""
        if not self.closed:
            self.closed = True
            self._head.release_group(self.number)

    def _check(self) -> None:
        if self.closed:
            raise StorageError("this series group is closed")


def row_record_bytes(width: int) -> int:
    """Most bytes that a row's WAL record takes."""
    return k.ROW_HEADER + (width + 7) // 8 + 8 * width
