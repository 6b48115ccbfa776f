"""Sealing: full extents and rings become chunks.

A chunk is published before its samples leave the head, so a reader that looks at the head
first and at the chunks second misses nothing (reader.py drops what it meets twice).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.tsdb import control, loose_kernels, row_kernels
from promlab.tsdb import head_kernels as k
from promlab.tsdb.codec_kernels import COLUMN_MAX
from promlab.tsdb.files import Longs

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

U32 = npt.NDArray[np.uint32]
_LOOSE_OUT = 4 << 20
_ENTRIES = 1 << 15
_ROW_COLUMN_MAX = 32 + 10 * k.CAP


@dataclass(slots=True)
class _Backlog:
    """Runs of loose samples that wait to be sealed: `which` of them, from `at` on."""

    rings: U32  # of each run
    starts: Longs
    t_ms: Longs
    bits: Longs
    which: Longs
    at: int = 0


class Sealer:
    """Moves samples from the head to chunks."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._out = np.empty(COLUMN_MAX, np.uint8)
        self._entries = np.empty((_ENTRIES, k.ENTRY_LONGS), np.int64)
        self._backlog: _Backlog | None = None

    def make_room(self, group: int) -> None:
        """An extent that is wide enough and not full, for the next row of a group."""
        rows = self._head.rows
        self.seal_group(group)
        state = rows.state[group]
        if state[k.EXTENT] < 0 or state[k.STRIDE] < state[k.WIDTH]:
            rows.give_extent(group)

    def seal_group(self, group: int) -> None:
        """Turn the rows of a group into a chunk."""
        head = self._head
        state = head.rows.state[group]
        extent, stride, n = int(state[k.EXTENT]), int(state[k.STRIDE]), int(state[k.ROWS])
        if not n:
            return
        width = min(int(state[k.WIDTH]), stride)
        most = 16 + 4 * width + 10 * k.CAP + width * _ROW_COLUMN_MAX
        if len(self._out) < most:
            self._out = np.empty(most, np.uint8)
        arena = head.rows.arena
        length = row_kernels.seal_rows(arena, extent, stride, n, width, self._out, 0)
        head.catalog.flush()
        head.chunks.make_chains(head.rows.count, head.loose.count)
        head.chunks.add_group(group, arena[extent : extent + n], self._out.data[:length])
        self._publish()
        state[k.SEALED_T] = arena[extent + n - 1]
        head.rows.empty(group)

    def _publish(self) -> None:
        chunks = self._head.chunks
        self._head.control.longs[control.CHUNKS] = chunks.number << 32 | chunks.count

    def reserve(self) -> None:
        """Get ready for loose samples; StorageError if earlier ones can't be sealed yet."""
        self.retry()
        if len(self._out) < _LOOSE_OUT:
            self._out = np.empty(_LOOSE_OUT, np.uint8)

    def store_loose(
        self, rings: U32, t_ms: Longs, bits: Longs, starts: Longs, segment: int
    ) -> None:
        """Samples in runs of equal rings: into the rings, or sealed with what these hold."""
        head, runs = self._head, len(starts) - 1
        run_rings = rings[starts[:-1]]
        full = np.empty(runs, np.int64)
        overflowing = loose_kernels.put_loose(
            head.loose.longs,
            run_rings,
            starts,
            t_ms,
            bits,
            runs,
            head.loose.first_segment,
            segment,
            full,
        )
        if overflowing:
            self._backlog = _Backlog(run_rings, starts, t_ms, bits, full[:overflowing])
            # They are logged already: what can't be sealed now is tried again, and nothing
            # else is taken before it succeeds.
            with contextlib.suppress(StorageError):
                self.retry()

    def seal_rings(self, rings: U32) -> None:
        """Turn what these rings hold into chunks."""
        none = np.zeros(0, np.int64)
        starts, which = np.zeros(len(rings) + 1, np.int64), np.arange(len(rings))
        self.reserve()
        self._backlog = _Backlog(rings.copy(), starts, none, none, which)
        self.retry()

    def retry(self) -> None:
        """Seal what is still to be sealed; StorageError if it fails again."""
        backlog = self._backlog
        while backlog is not None and backlog.at < len(backlog.which):
            self._seal_some(backlog)
        self._backlog = None

    def _seal_some(self, todo: _Backlog) -> None:
        head, longs = self._head, self._head.loose.longs
        chunks = head.chunks
        head.catalog.flush()
        chunks.make_chains(head.rows.count, head.loose.count)
        done, made = loose_kernels.seal_loose(
            longs,
            head.loose.is_late,
            todo.rings,
            todo.starts,
            todo.t_ms,
            todo.bits,
            todo.which,
            todo.at,
            self._out,
            chunks.data_end,
            self._entries,
            chunks.ring_chain,
            chunks.count,
        )
        entries = self._entries[:made]
        end = int(entries[-1, 3] + (entries[-1, 4] & 0xFFFFFFFF)) - chunks.data_end
        try:
            chunks.add(self._out.data[:end], entries)
        except StorageError:
            chunks.undo_chain(entries)
            raise
        self._publish()
        loose_kernels.empty_rings(longs, todo.rings, todo.which, todo.at, done)
        todo.at = done
