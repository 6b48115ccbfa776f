"""Unsealed samples of single series: a ring of CAP samples each, in one mapped file.

A series may have two rings: one whose times only grow, and a late one, for what comes out of
order.

Samples of remote write and rules, and those that don't fit their target's rows, go here. A
ring that would overflow is sealed with what comes, so long runs never touch it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.tsdb import head_kernels as k
from promlab.tsdb.files import Longs, WritableMap

U32 = npt.NDArray[np.uint32]
NO_RING = 0xFFFFFFFF


class LooseStore:
    """Rings, by number; `ring_of[series]` is a series' ring or NO_RING, `late_of` its late one."""

    def __init__(self, directory: Path, epoch: int) -> None:
        self._map = WritableMap(directory / f"loose.{epoch}", 64 * k.RING_LONGS)
        self.count = 0
        self.ring_of: U32 = np.full(1024, NO_RING, np.uint32)
        self.late_of: U32 = np.zeros(0, np.uint32)  # nothing until there is one
        self.is_late: npt.NDArray[np.uint8] = np.zeros(64, np.uint8)
        self.series: U32 = np.zeros(64, np.uint32)
        self.first_segment: Longs = np.zeros(64, np.int64)

    @property
    def longs(self) -> Longs:
        """The rings."""
        return self._map.longs

    def know_series(self, count: int) -> None:
        """Make room for the ring numbers of `count` series."""
        if count > len(self.ring_of):
            self.ring_of = _longer(self.ring_of, count * 5 // 4)

    def rings_for(self, series: U32, *, late: bool) -> U32:
        """Rings of these series, late ones or others; NO_RING where there is none."""
        if late and len(self.late_of) < len(self.ring_of):
            self.late_of = _longer(self.late_of, len(self.ring_of))
        return (self.late_of if late else self.ring_of)[series]

    def add(self, series: U32, *, late: bool = False) -> int:
        """New rings for these series (distinct, without ring); the number of the first."""
        first, count = self.count, self.count + len(series)
        if count * k.RING_LONGS > len(self._map.longs):
            self._map.grow(count * 5 // 4 * k.RING_LONGS)
        if count > len(self.series):
            size = max(count, 2 * len(self.series))
            self.series = np.concatenate([self.series, np.zeros(size - first, np.uint32)])
            zeros = np.zeros(len(self.series) - len(self.first_segment), np.int64)
            self.first_segment = np.concatenate([self.first_segment, zeros])
            self.is_late = np.concatenate([self.is_late, zeros.astype(np.uint8)])
        self.series[first:count] = series
        self.is_late[first:count] = late
        self.rings_for(series, late=late)
        (self.late_of if late else self.ring_of)[series] = np.arange(first, count, dtype=np.uint32)
        self.count = count
        return first

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()


def _longer(rings: U32, size: int) -> U32:
    return np.concatenate([rings, np.full(size - len(rings), NO_RING, np.uint32)])
