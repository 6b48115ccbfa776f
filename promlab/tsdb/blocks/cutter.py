"""Cutting the head, the writer's part: sealing what is old enough, and dropping chunk files.

In order: everything older than the cut is sealed; the chunk file and the WAL segment end; a
child writes the blocks; the cut is recorded; chunk files go. A process that dies in between
finds either all of it in the head still, or all of it in blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.tsdb import control
from promlab.tsdb import head_kernels as k
from promlab.tsdb.blocks.cut_record import Cut, write_cut

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

_STEP_SAMPLES = 200_000  # sealed in one step
_STEP_RINGS = 2_000
_LOOK_RINGS = 50_000  # looked at in one step


class Cutter:
    """One cut at a time."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._before = k.NEVER
        self._block_ms = 0
        self._ring = 0
        self.sealing = False
        self._next: Cut | None = None

    def begin(self, block_ms: int) -> bool:
        """Start a cut if the head has a whole block, and half of one more after it.

        What the head still takes in order stays in it.
        """
        head = self._head
        if head.max_time == k.NEVER:
            return False
        kept = max(block_ms // 2, int(head.options.window_s * 1000))
        before = (head.max_time - kept) // block_ms * block_ms
        oldest = max(head.min_time, head.cut.time)
        if before <= oldest:
            return False
        self._before, self._block_ms, self._ring = before, block_ms, 0
        self.sealing = True
        return True

    def begin_all(self, block_ms: int) -> None:
        """Start a cut of everything, all of which is sealed; nothing may be appended any more."""
        self._before, self._block_ms = self._head.max_time + 1, block_ms
        self._ring, self.sealing = 0, True

    def seal_some(self) -> bool:
        """One step; True when everything older than the cut is sealed, synced, and in files
        that have ended."""
        head = self._head
        if not (self._seal_groups() and self._seal_rings()):
            return False
        self.sealing = False
        head.end_files()
        self._next = Cut(head.chunks.number - 1, self._before, head.wal.segment - 1)
        return True

    def _seal_groups(self) -> bool:
        head = self._head
        state = head.rows.state[: head.rows.count]
        held = np.flatnonzero(state[:, k.ROWS] > 0)
        due = held[head.rows.arena[state[held, k.EXTENT]] < self._before]
        budget = _STEP_SAMPLES
        for group in due.tolist():
            if budget < 0:
                return False
            head.sealer.seal_group(group)
            budget -= int(state[group, k.WIDTH]) * k.CAP
        return True

    def _seal_rings(self) -> bool:
        loose = self._head.loose
        end = min(loose.count, self._ring + _LOOK_RINGS)
        rings = loose.longs[self._ring * k.RING_LONGS : end * k.RING_LONGS]
        rings = rings.reshape(-1, k.RING_LONGS)
        start, count = rings[:, k.START], rings[:, k.COUNT]
        first = rings[np.arange(len(rings)), 2 + start % k.CAP]
        due = np.flatnonzero((count > start) & (first < self._before)) + self._ring
        for at in range(0, min(len(due), 5 * _STEP_RINGS), _STEP_RINGS):
            self._head.sealer.seal_rings(due[at : at + _STEP_RINGS].astype(np.uint32))
        if len(due) > 5 * _STEP_RINGS:
            return False
        self._ring = end
        return end >= loose.count

    def job(self) -> Mapping[str, Any]:
        """What the child is asked to do."""
        return {
            "kind": "cut",
            "directory": str(self._head.path),
            "before_ms": self._before,
            "block_ms": self._block_ms,
        }

    def done(self) -> None:
        """The blocks are there. Raises StorageError if that can't be recorded."""
        cut, self._next = self._next, None
        assert cut is not None
        write_cut(self._head.path, cut)
        self._head.set_cut(cut)
        self.drop_files()

    def give_up(self) -> None:
        """The blocks could not be written: all stays as it was."""
        self.sealing, self._next = False, None

    def drop_files(self) -> None:
        """Delete chunk files of which everything is in blocks."""
        head = self._head
        cut = head.cut
        numbers = [
            number
            for number, (last, _) in head.chunks.closed.items()
            if number <= cut.file and last < cut.time
        ]
        if numbers:
            first = min(set(head.chunks.closed) - set(numbers), default=head.chunks.number)
            head.control.longs[control.FIRST_FILE] = first
            head.chunks.drop(numbers)
            late = max(head.late_ms, int(head.options.window_s * 1000))
            head.histograms.drop_before(cut.time - late)
