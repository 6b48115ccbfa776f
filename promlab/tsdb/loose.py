"""Unsealed samples of single series: a ring of CAP samples each, in one mapped file.

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
    """Rings, by number; `ring_of[series]` is a series' ring or NO_RING."""

    def __init__(self, directory: Path, epoch: int) -> None:
        self._map = WritableMap(directory / f"loose.{epoch}", 64 * k.RING_LONGS)
        self.count = 0
        self.ring_of: U32 = np.full(1024, NO_RING, np.uint32)
        self.series: U32 = np.zeros(64, np.uint32)
        self.first_segment: Longs = np.zeros(64, np.int64)

    @property
    def longs(self) -> Longs:
        """The rings."""
        return self._map.longs

    def know_series(self, count: int) -> None:
        """Make room for the ring numbers of `count` series."""
        if count > len(self.ring_of):
            ring_of = np.full(count * 5 // 4, NO_RING, np.uint32)
            ring_of[: len(self.ring_of)] = self.ring_of
            self.ring_of = ring_of

    def add(self, series: U32) -> int:
        """New rings for these series (distinct, without ring); the number of the first."""
        first, count = self.count, self.count + len(series)
        if count * k.RING_LONGS > len(self._map.longs):
            self._map.grow(count * 5 // 4 * k.RING_LONGS)
        if count > len(self.series):
            size = max(count, 2 * len(self.series))
            self.series = np.concatenate([self.series, np.zeros(size - first, np.uint32)])
            zeros = np.zeros(len(self.series) - len(self.first_segment), np.int64)
            self.first_segment = np.concatenate([self.first_segment, zeros])
        self.series[first:count] = series
        self.ring_of[series] = np.arange(first, count, dtype=np.uint32)
        self.count = count
        return first

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
