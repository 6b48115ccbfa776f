"""The head's `SeriesGroup`: series of one scrape target, a row at a time.

Knows its slots and takes the fast path; whatever does not fit a row (older than the newest
row) goes the way of loose samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promlab.errors import StorageError
from promlab.model.labels import LabelTable
from promlab.model.samples import Values
from promlab.model.storage import AppendOutcome, Slots
from promlab.tsdb import head_kernels as k

if TYPE_CHECKING:
    from promlab.tsdb.head import Head


class Group:
    """One target's series; made by `Head.open_group`."""

    def __init__(self, head: Head, number: int) -> None:
        self._head = head
        self.number = number
        self.closed = False

    def slots(self, labels: LabelTable) -> Slots:
        """Slot of each label set, registering what is new; see `SeriesGroup`."""
        self._check()
        head = self._head
        series = head.register(labels)
        known = head.series_of(self.number)
        order = np.argsort(known, kind="stable")
        at = np.searchsorted(known, series, sorter=order)
        found = np.full(len(series), -1, np.int64)
        inside = at < len(known)
        candidates = order[at[inside]]
        found[inside] = np.where(known[candidates] == series[inside], candidates, -1)
        missing = np.flatnonzero(found < 0)
        if len(missing):
            distinct, first, inverse = np.unique(
                series[missing], return_index=True, return_inverse=True
            )
            in_order = np.argsort(first, kind="stable")  # slots follow the order of lines
            rank = np.empty(len(distinct), np.int64)
            rank[in_order] = np.arange(len(distinct))
            found[missing] = len(known) + rank[inverse]
            head.add_slots(self.number, distinct[in_order])
        return found.astype(np.uint32)

    def append(self, t_ms: int, slots: Slots, values: Values) -> AppendOutcome:
        """One sample at `t_ms` for each of `slots`; see `SeriesGroup`."""
        self._check()
        if not len(slots):
            return AppendOutcome()
        return self._head.append_row(
            self.number, t_ms, slots, np.ascontiguousarray(values, np.float64).view(np.int64)
        )

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
