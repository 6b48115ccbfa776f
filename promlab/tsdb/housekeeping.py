"""What the head does beside taking samples: syncing, ending segments and files, retention.

Everything happens in small steps after a commit; only the waiting for the disk is left to a
helper thread. A WAL segment goes when every sample in it is in a chunk that is synced.
"""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from promlab.errors import StorageError
from promlab.model.quantiles import Window
from promlab.tsdb import control, loose_kernels
from promlab.tsdb import head_kernels as k

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

_GROUP_SAMPLES = 200_000  # sealed in one step when the WAL is too large
_RINGS = 2_000
_LOOK_EVERY_S = 30.0  # at chunk files' ages


class Housekeeper:
    """Keeps the directory of a head small and safe."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._job: Future[None] | None = None
        self._drop_to = 0  # segments before this one go when the job is done
        self._dirty = True
        self.needless_ms = k.NEVER  # what is older, nobody will ask for
        self.drops_s = Window()  # times of deletions of files
        now = head.options.clock()
        self._synced_s = now
        self._looked_s = now

    def after_commit(self, wrote: bool) -> None:
        """One step of whatever is due. Raises StorageError if the helper thread met one."""
        head = self._head
        self._dirty = self._dirty or wrote
        head.sealer.retry()
        if self._job is not None and self._job.done():
            self.finish()
        if head.options.sync == "always" and self._dirty:
            self.finish()
            head.catalog.sync()
            head.histograms.sync()
            head.wal.sync()
            self._dirty = False
        now = head.options.clock()
        if self._job is None:
            self._start_job(now)
        if head.wal.segment_bytes > head.options.segment_bytes:
            self.finish()
            head.wal.start_segment()
        if len(head.wal.sizes) > 1 and head.wal.bytes > head.options.wal_bytes:
            self._hurry()
        if abs(now - self._looked_s) > _LOOK_EVERY_S or self._file_is_full():
            self._looked_s = now
            self._look_at_files(now)
        if head.blocks is not None:
            head.blocks.step(now)

    def finish(self) -> None:
        """Wait for the helper thread; then segments that are no longer needed go."""
        job, self._job = self._job, None
        if job is not None:
            job.result()
            self._head.wal.drop_before(self._drop_to)

    def _start_job(self, now: float) -> None:
        head = self._head
        needed = self._oldest_needed() if len(head.wal.sizes) > 1 else 0
        if needed > head.wal.oldest:
            self._drop_to = needed
            self._job = self._thread.submit(self._sync, True)
        elif (
            self._dirty
            and head.options.sync == "interval"
            and abs(now - self._synced_s) >= head.options.sync_interval_s
        ):
            self._job = self._thread.submit(self._sync, False)
        else:
            return
        self._dirty = False
        self._synced_s = now

    def _sync(self, chunks_too: bool) -> None:
        self._head.catalog.sync()
        self._head.histograms.sync()
        if chunks_too:
            self._head.chunks.sync()
        self._head.wal.sync()

    def _oldest_needed(self) -> int:
        """The first segment that has samples which are not sealed."""
        head = self._head
        state = head.rows.state[: head.rows.count]
        held = state[state[:, k.ROWS] > 0, k.FIRST_SEGMENT]
        oldest = int(held.min()) if len(held) else head.wal.segment
        loose = head.loose
        first = loose_kernels.oldest_ring(loose.longs, loose.count, loose.first_segment, oldest)
        return int(min(oldest, first))

    def _hurry(self) -> None:
        """Seal some of what keeps the oldest half of the WAL."""
        head = self._head
        kept, target = 0, head.wal.segment
        for number in sorted(head.wal.sizes, reverse=True):
            kept += head.wal.sizes[number]
            if kept > head.options.wal_bytes // 2:
                break
            target = number
        state = head.rows.state[: head.rows.count]
        due = np.flatnonzero((state[:, k.ROWS] > 0) & (state[:, k.FIRST_SEGMENT] < target))
        budget = _GROUP_SAMPLES
        for group in due.tolist():
            head.sealer.seal_group(group)
            budget -= int(state[group, k.WIDTH]) * k.CAP
            if budget < 0:
                return
        found = np.empty(_RINGS, np.uint32)
        loose = head.loose
        n = loose_kernels.rings_before(loose.longs, loose.count, loose.first_segment, target, found)
        if n:
            head.sealer.seal_rings(found[:n])

    def _file_is_full(self) -> bool:
        return self._head.chunks.file_bytes > self._head.options.chunk_file_bytes

    def _look_at_files(self, now: float) -> None:
        head = self._head
        old = now - head.chunks.born_s > head.options.chunk_file_s
        if self._file_is_full() or (old and head.chunks.count):
            self.end_chunk_file(now)
        oldest = self._oldest_kept(now)
        if oldest > k.NEVER:
            started, before = time.perf_counter(), len(head.chunks.closed)
            head.control.longs[control.FIRST_FILE] = head.chunks.drop_before(oldest)
            head.histograms.drop_before(oldest)
            if len(head.chunks.closed) < before:
                self.drops_s.add(time.perf_counter() - started)

    def _oldest_kept(self, now: float) -> int:
        """The time before which nothing is kept."""
        head = self._head
        if not head.options.retention_s or head.max_time == k.NEVER:
            return self.needless_ms
        newest = min(head.max_time, int(now * 1000))
        return max(self.needless_ms, newest - int(head.options.retention_s * 1000))

    def end_chunk_file(self, now: float) -> None:
        """Begin another chunk file; what is in the newest is on the disk then."""
        self.finish()
        self._head.catalog.sync()
        self._head.chunks.start_file(now)
        self._head.publish()

    def settle(self, within_s: float = float("inf")) -> None:
        """Seal all that is held and empty the log: an orderly end leaves nothing to replay.

        Raises StorageError, also where it takes too long: what is not sealed will be replayed.
        """
        head, end_s = self._head, time.monotonic() + within_s
        state = head.rows.state[: head.rows.count]
        for group in np.flatnonzero(state[:, k.ROWS] > 0).tolist():
            _check_time(end_s)
            head.sealer.seal_group(group)
        found, loose = np.empty(_RINGS, np.uint32), head.loose
        while True:
            n = loose_kernels.rings_before(
                loose.longs, loose.count, loose.first_segment, head.wal.segment + 1, found
            )
            if not n:
                break
            _check_time(end_s)
            head.sealer.seal_rings(found[:n])
        self._sync(True)
        head.wal.start_segment()
        head.wal.drop_before(head.wal.segment)

    def drop_old_epochs(self, epoch: int) -> None:
        """Delete what earlier writers mapped; readers that still map it keep it."""
        for path in (self._head.path / "head").glob("*.[0-9]*"):
            if path.suffix != f".{epoch}":
                with contextlib.suppress(OSError):
                    path.unlink()

    def stop(self) -> None:
        """End the helper thread."""
        self._thread.shutdown()


def _check_time(end_s: float) -> None:
    if time.monotonic() >= end_s:
        raise StorageError("it takes too long")
