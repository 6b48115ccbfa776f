"""Unsealed rows of scrape targets: extents in one mapped file, a row of state per group.

An extent holds CAP times and CAP rows of `stride` slots (see head_kernels); slots without a
sample hold HOLE. Extents are cut from one growing file and go back to free lists. Readers
find them through the published table, whose version changes before anything is reused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.tsdb import head_kernels as k
from promlab.tsdb.files import Longs, WritableMap

_GROWTH = 1 << 19  # 64-bit integers that the file grows by at least: 4 MiB


def stride_for(width: int) -> int:
    """Slots of an extent for `width` series: some room to grow, few sizes."""
    stride = 8
    while stride < width:
        stride += max(8, stride // 8 // 8 * 8)
    return stride


class RowStore:
    """State of every group. Group g's row of `state` is private, of `published` is mapped."""

    def __init__(self, directory: Path, epoch: int) -> None:
        self._arena = WritableMap(directory / f"rows.{epoch}", _GROWTH)
        self._published = WritableMap(directory / f"groups.{epoch}", 512 * k.PUBLISHED_LONGS)
        self._end = 0
        self._free: dict[int, list[int]] = {}
        self.count = 0
        self.pending: list[int] = []  # groups with rows that readers don't see yet
        self.state: npt.NDArray[np.int64] = np.zeros((0, k.STATE_LONGS), np.int64)
        self._reshape()

    def _reshape(self) -> None:
        self.arena: Longs = self._arena.longs
        flat = self._published.longs
        rows = len(flat) // k.PUBLISHED_LONGS
        self.published = flat[: rows * k.PUBLISHED_LONGS].reshape(rows, k.PUBLISHED_LONGS)

    def add(self) -> int:
        """A new group without slots; its number."""
        group = self.count
        if group >= len(self.published):
            self._published.grow(2 * len(self.published) * k.PUBLISHED_LONGS)
            self._reshape()
        if group >= len(self.state):
            state = np.zeros((max(64, 2 * len(self.state)), k.STATE_LONGS), np.int64)
            state[: len(self.state)] = self.state
            self.state = state
        self.state[group, [k.EXTENT, k.LAST_ROW, k.WAL_SEGMENT]] = -1
        self.state[group, [k.LAST_T, k.SEALED_T]] = k.NEVER
        self.count += 1
        return group

    def give_extent(self, group: int) -> None:
        """An extent that is wide enough, for a group that holds no rows."""
        stride = stride_for(int(self.state[group, k.WIDTH]))
        free = self._free.setdefault(stride, [])
        if not free:
            size = k.CAP * (1 + stride)
            if self._end + size > len(self.arena):
                self._arena.grow(max(self._end + size, len(self.arena) * 5 // 4 + _GROWTH))
                self._reshape()
            free.append(self._end)
            self._end += size
        extent = free.pop()
        self.take_extent(group)
        self.state[group, k.EXTENT] = extent
        self.state[group, k.STRIDE] = stride
        self.published[group, k.P_EXTENT] = extent
        self.published[group, k.P_STRIDE] = stride
        self.published[group, k.P_VERSION] += 1

    def take_extent(self, group: int) -> None:
        """Take a group's extent away; it holds no rows."""
        extent = int(self.state[group, k.EXTENT])
        if extent >= 0:
            self.empty(group)
            self._free.setdefault(int(self.state[group, k.STRIDE]), []).append(extent)
        self.state[group, [k.EXTENT, k.LAST_ROW, k.WAL_SEGMENT]] = -1

    def empty(self, group: int) -> None:
        """Forget a group's rows: they are sealed, or there are none."""
        self.state[group, k.ROWS] = 0
        self.published[group, k.P_ROWS] = 0
        self.published[group, k.P_VERSION] += 1

    def publish(self) -> None:
        """Let readers see all rows that are stored."""
        if self.pending:
            groups = np.array(self.pending)
            self.published[groups, k.P_ROWS] = self.state[groups, k.ROWS]
            self.pending.clear()

    def close(self) -> None:
        """Let go of the files."""
        self._arena.close()
        self._published.close()
