"""Rebuilding the head when it opens: rows and rings from the WAL.

What is sealed is not taken again: times of a group's rows, and of a ring's samples, only ever
grow, so a logged sample that is not younger than the owner's newest chunk is in a chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from promlab.tsdb import head_kernels as k
from promlab.tsdb import loose_log_kernels, replay_kernels
from promlab.tsdb.files import Longs
from promlab.tsdb.progress import Progress
from promlab.tsdb.wal import frames, segments

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

U32 = npt.NDArray[np.uint32]


def replay_wal(head: Head, ring_last: Longs, progress: Progress) -> None:
    """Put the samples of the WAL back into rows and rings, one frame in memory at a time."""
    replay = _Replay(head, ring_last)
    sealed = _raised_to_cut(head, ring_last) if head.cut.segment else None
    paths = segments(head.wal.directory)
    _begin(progress, head)
    for path in paths:
        number = progress.segment = int(path.name)
        if sealed is not None and number > head.cut.segment:
            _lowered(head, ring_last, *sealed)
            sealed = None
        before, done = head.wal_corruptions, progress.bytes_done
        for records, end in frames(path, replay.damaged):
            if not replay.frame(records, number):
                replay.damaged(f"WAL segment {path.name} names unknown series: rest not read")
                head.numbers_lost = True
                break
            progress.bytes_done = done + end
        progress.bytes_done = done + head.wal.sizes[number]
        if head.wal_corruptions > before:
            head.wal.sizes[number] = path.stat().st_size
    replay.note_rows()


def _begin(progress: Progress, head: Head) -> None:
    """The log is read from now on."""
    sizes = head.wal.sizes
    progress.first_segment = progress.segment = min(sizes, default=0)
    progress.last_segment = max(sizes, default=0)
    progress.bytes_total = sum(sizes.values())
    progress.stage = "wal"


def _raised_to_cut(head: Head, ring_last: Longs) -> tuple[Longs, Longs]:
    """Take all that is older than the cut for sealed: it is in blocks, its chunks may be gone.

    That holds for segments up to the cut's. Returns what was known before.
    """
    state = head.rows.state[: head.rows.count, k.SEALED_T]
    before = state.copy(), ring_last.copy()
    np.maximum(state, head.cut.time - 1, out=state)
    np.maximum(ring_last, head.cut.time - 1, out=ring_last)
    return before


def _lowered(head: Head, ring_last: Longs, groups: Longs, rings: Longs) -> None:
    """Undo it where nothing newer has come."""
    state = head.rows.state[: head.rows.count, k.SEALED_T]
    for now, before in ((state, groups), (ring_last, rings)):
        untouched = now == head.cut.time - 1
        now[untouched] = before[untouched]


class _Replay:
    def __init__(self, head: Head, ring_last: Longs) -> None:
        self._head = head
        self._ring_last = ring_last
        slots = [head.series_of(group) for group in range(head.rows.count)]
        self._series_at = np.zeros(len(slots) + 1, np.int64)
        np.cumsum([len(series) for series in slots], out=self._series_at[1:])
        self._series: U32 = np.concatenate([np.zeros(0, np.uint32), *slots])

    def damaged(self, text: str) -> None:
        self._head.wal_corruptions += 1
        self._head.warn(text)

    def frame(self, records: npt.NDArray[np.uint8], segment: int) -> bool:
        """Replay a frame's records; False if they don't fit what is known."""
        head, at = self._head, 0
        rows = head.rows
        while at < len(records):
            why, at, group = replay_kernels.replay(
                records,
                at,
                len(records),
                rows.arena,
                rows.state,
                rows.published,
                rows.count,
                self._series_at,
                self._series,
                head.last_t,
                head.last_bits,
                segment,
            )
            if why in (k.REPLAY_EXTENT, k.REPLAY_FULL):
                self._note(rows.state[group : group + 1])
                head.sealer.make_room(group)
            elif why == k.REPLAY_LOOSE:
                at = self._loose(records, at, segment)
            if why == k.REPLAY_BAD or at < 0:
                return False
        return True

    def note_rows(self) -> None:
        """Tell the head of the times of all rows that it holds."""
        self._note(self._head.rows.state[: self._head.rows.count])

    def _note(self, state: npt.NDArray[np.int64]) -> None:
        held = state[state[:, k.ROWS] > 0]
        if len(held):
            firsts = self._head.rows.arena[held[:, k.EXTENT]]
            self._head.note_times(int(firsts.min()), int(held[:, k.LAST_T].max()))

    def _loose(self, records: npt.NDArray[np.uint8], at: int, segment: int) -> int:
        head = self._head
        if at + k.LOOSE_HEADER > len(records):
            return -1
        runs, n = np.frombuffer(records[at + 2 : at + 10].tobytes(), np.uint32).tolist()
        if at + k.LOOSE_HEADER + 8 * runs + 8 * n > len(records):
            return -1
        rings, t_ms, bits = np.empty(n, np.uint32), np.empty(n, np.int64), np.empty(n, np.int64)
        end = int(loose_log_kernels.read_loose(records, at, len(records), rings, t_ms, bits))
        if end < 0 or (n and int(rings.max()) >= head.loose.count):
            return -1
        # What is late may be in a chunk already; readers take it once.
        late = head.loose.is_late[rings] != 0
        if segment <= head.cut.segment:
            late &= t_ms >= head.cut.time
        fresh = (t_ms > self._ring_last[rings]) | late
        rings, t_ms, bits = rings[fresh], t_ms[fresh], bits[fresh]
        if len(rings):
            self._ring_last[rings] = t_ms
            series = head.loose.series[rings]
            newest = t_ms >= head.last_t[series]
            head.last_t[series[newest]] = t_ms[newest]
            head.last_bits[series[newest]] = bits[newest]
            head.sealer.reserve()
            head.sealer.store_loose(rings, t_ms, bits, head.appends.runs(rings), segment)
            head.note_times(int(t_ms.min()), int(t_ms.max()))
        return end
