"""The head: takes samples, in the one process that writes a data directory.

Order of truth: a sample is in the WAL or in a synced chunk from `commit` on; rows and rings
are only a picture of what is not sealed, rebuilt when the head opens. Nothing here reads for
queries: readers map the same files (reader.py). Not thread-safe: one event loop owns it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Times, Values
from promlab.model.storage import AppendOutcome, Refs, Slots
from promlab.tsdb import control
from promlab.tsdb import head_kernels as k
from promlab.tsdb.catalog import Catalog
from promlab.tsdb.chunks import ChunkStore
from promlab.tsdb.files import Longs
from promlab.tsdb.group import Group, row_record_bytes
from promlab.tsdb.housekeeping import Housekeeper
from promlab.tsdb.lock import DirectoryLock
from promlab.tsdb.loose import NO_RING, LooseStore
from promlab.tsdb.options import HeadOptions
from promlab.tsdb.replay import replay_wal, restore_newest
from promlab.tsdb.rows import RowStore
from promlab.tsdb.sealing import Sealer
from promlab.tsdb.wal import WAL

U32 = npt.NDArray[np.uint32]
Progress = Callable[[str, float], None]

_LOG = logging.getLogger(__name__)
_SLICE = 1 << 16  # samples or series handled between two chances for other threads


class HeadStats(NamedTuple):
    """What /metrics and /status/tsdb show of the head; times in ms, None without samples."""

    series: int
    groups: int
    rings: int
    chunks: int
    appended: int
    duplicate: int
    out_of_order: int
    too_old: int
    min_time: int | None
    max_time: int | None
    wal_segment: int
    wal_bytes: int
    chunk_bytes: int
    series_bytes: int
    wal_corruptions: int
    chunk_corruptions: int
    clean_start: bool
    replay_s: float


def _no_progress(_what: str, _done: float) -> None:
    pass


class Head:
    """The writer's storage: implements `promlab.model.storage.Appender`."""

    @staticmethod
    def open(
        path: str | Path,
        *,
        options: HeadOptions | None = None,
        progress: Progress = _no_progress,
    ) -> Head:
        """Open or create a data directory, replaying what a killed writer left.

        `progress(what, share)` is called as replay goes on, share from 0 to 1. Raises
        DirectoryLocked if another process has it open, StorageError if it can't be written.
        """
        return Head(Path(path), options or HeadOptions(), progress)

    def __init__(self, path: Path, options: HeadOptions, progress: Progress) -> None:
        self.path, self.options = path, options
        self.wal_corruptions = 0
        try:
            (path / "head").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot create data directory {path}: {error.strerror}") from None
        self._lock = DirectoryLock(path)
        self._closed = False
        try:
            self._open(progress)
        except BaseException as error:
            self._lock.release()
            if isinstance(error, OSError):
                raise StorageError(f"cannot open data directory {path}: {error}") from None
            raise

    def _open(self, progress: Progress) -> None:
        head = self.path / "head"
        started = self.options.clock()
        old = control.read(self.path)
        self.clean_start = old is None or bool(old[control.CLEAN])
        self._epoch = 1 + control.newest_epoch(self.path)
        self.rows = RowStore(head, self._epoch)
        self.loose = LooseStore(head, self._epoch)
        progress("series", 0.0)
        self.catalog = Catalog(head, self.rows, self.loose)
        self.wal_corruptions += self.catalog.load(self.warn)
        now = self.options.clock()
        widths = self.rows.state[: self.rows.count, k.WIDTH].copy()
        self.chunks = ChunkStore(self.path / "chunks", widths, self.loose.count, now, self.warn)
        self.wal = WAL(self.path / "wal", self.catalog.flush)
        self.last_t: Longs = np.full(1024, k.NEVER, np.int64)
        self.last_bits: Longs = np.zeros(1024, np.int64)
        self.min_time, self.max_time = 2**63 - 1, k.NEVER
        self._floor = k.NEVER
        self.appended = self.duplicate = self.out_of_order = self.too_old = 0
        self._know_series()
        self.control = control.create(self.path)
        self.sealer = Sealer(self)
        progress("chunks", 0.0)
        ring_last = restore_newest(self)
        replay_wal(self, ring_last, lambda share: progress("wal", share))
        self.wal.start_segment()
        self._keeper = Housekeeper(self)
        self.publish()
        self.control.longs[control.EPOCH] = self._epoch
        control.publish(self.path)
        self._keeper.drop_old_epochs(self._epoch)
        self.replay_s = self.options.clock() - started
        progress("ready", 1.0)

    def warn(self, text: str) -> None:
        """Tell whoever runs the server of damage that was found."""
        _LOG.warning("%s: %s", self.path, text)

    # --- labels -----------------------------------------------------------------------

    @property
    def symbols(self) -> Symbols:
        """The symbol table that label tables given to this head use."""
        return self.catalog.symbols

    def open_group(self, target: Mapping[str, str]) -> Group:
        """A group for a target's scrapes; goes on with the slots of a closed one."""
        return Group(self, self.catalog.group(target))

    def release_group(self, group: int) -> None:
        """The group's target is gone; another may take the group."""
        self.catalog.release(group)

    def series_of(self, group: int) -> U32:
        """Series of each slot of a group."""
        return self.catalog.series_of(group)

    def add_slots(self, group: int, series: U32) -> None:
        """Append slots for these series to a group."""
        self.catalog.add_slots(group, series)

    def register(self, labels: LabelTable) -> U32:
        """Series of each label set, registering what is new."""
        table = labels.recode(self.symbols)
        found = np.empty(table.n, np.uint32)
        for at in range(0, table.n, _SLICE):
            end = min(at + _SLICE, table.n)
            columns = {name: codes[at:end] for name, codes in table.columns.items()}
            found[at:end] = self.catalog.register(LabelTable(end - at, columns, table.symbols))
        self._know_series()
        return found

    def refs(self, labels: LabelTable) -> Refs:
        """Reference of each label set for `append_loose`, registering what is new."""
        return self.register(labels).astype(np.uint64)

    def _know_series(self) -> None:
        count = self.catalog.series_count
        self.loose.know_series(count)
        if count > len(self.last_t):
            more = count * 5 // 4 - len(self.last_t)
            self.last_t = np.concatenate([self.last_t, np.full(more, k.NEVER, np.int64)])
            self.last_bits = np.concatenate([self.last_bits, np.zeros(more, np.int64)])

    # --- samples ----------------------------------------------------------------------

    def append_row(self, group: int, t_ms: int, slots: Slots, bits: Longs) -> AppendOutcome:
        """One row of a group (see `Group.append`); values as their bits."""
        if t_ms < self._floor:
            self.too_old += len(slots)
            return AppendOutcome(too_old=len(slots))
        series, width = self.catalog.slots_of(group)
        wal, rows = self.wal, self.rows
        wal.room(row_record_bytes(width))
        while True:
            appended, duplicate, out_of_order, at = k.append_row(
                rows.arena,
                rows.state,
                group,
                slots,
                bits,
                series,
                self.last_t,
                self.last_bits,
                t_ms,
                wal.segment,
                wal.buffer,
                wal.at,
            )
            if appended != k.NO_ROOM:
                break
            self.sealer.make_room(group)
        if appended == k.NOT_NEWEST:
            times = np.full(len(slots), t_ms, np.int64)
            return self._append_loose(series[slots], times, bits)
        wal.at = at
        if appended:
            rows.pending.append(group)
            self.note_times(t_ms, t_ms)
        return self._count(appended, duplicate, out_of_order, 0)

    def note_times(self, first: int, last: int) -> None:
        """Samples from `first` to `last` are here now."""
        if last > self.max_time:
            self.max_time = last
            self._floor = last - int(self.options.window_s * 1000)
        if first < self.min_time:
            self.min_time = first

    def _count(self, appended: int, duplicate: int, late: int, old: int) -> AppendOutcome:
        self.appended += appended
        if duplicate or late or old:
            self.duplicate += duplicate
            self.out_of_order += late
            self.too_old += old
        return AppendOutcome(appended, duplicate, late, old)

    def append_loose(self, refs: Refs, t_ms: Times, values: Values) -> AppendOutcome:
        """Samples of any series at any times; see `Appender`."""
        bits = np.ascontiguousarray(values, np.float64).view(np.int64)
        times = np.ascontiguousarray(t_ms, np.int64)
        series = np.asarray(refs).astype(np.uint32)
        if len(series) and int(series.max()) >= self.catalog.series_count:
            raise StorageError("append_loose got a reference that `refs` never gave")
        return self._append_loose(series, times, bits)

    def _append_loose(self, series: U32, t_ms: Longs, bits: Longs) -> AppendOutcome:
        floor, total = self._floor, AppendOutcome()
        for at in range(0, len(series), _SLICE):
            part = slice(at, at + _SLICE)
            done = self._append_slice(series[part], t_ms[part], bits[part], floor)
            total = AppendOutcome(*(a + b for a, b in zip(total, done, strict=True)))
        return total

    def _append_slice(self, series: U32, t_ms: Longs, bits: Longs, floor: int) -> AppendOutcome:
        n = len(series)
        rings = self.loose.ring_of[series]
        if (rings == NO_RING).any():
            self.catalog.add_rings(np.unique(series[rings == NO_RING]))
            rings = self.loose.ring_of[series]
        if n > 1 and (rings[1:] < rings[:-1]).any():
            order = np.argsort(rings, kind="stable")
            series, rings, t_ms, bits = series[order], rings[order], t_ms[order], bits[order]
        self.wal.room(k.LOOSE_HEADER + n * 26)
        self.sealer.reserve()
        kept_rings, kept_t, kept_bits = (
            np.empty(n, np.uint32),
            np.empty(n, np.int64),
            np.empty(n, np.int64),
        )
        taken, duplicate, late, old = k.accept_loose(
            series,
            t_ms,
            bits,
            self.last_t,
            self.last_bits,
            floor,
            rings,
            kept_rings,
            kept_t,
            kept_bits,
        )
        if taken:
            kept = kept_rings[:taken], kept_t[:taken], kept_bits[:taken]
            starts = self.runs(kept[0])
            self.wal.at = k.log_loose(
                kept[0], starts, kept[1], kept[2], len(starts) - 1, self.wal.buffer, self.wal.at
            )
            with contextlib.suppress(StorageError):
                self.wal.flush()  # before readers see them; if it fails, `commit` will say so
            self.sealer.store_loose(*kept, starts, self.wal.segment)
            self.note_times(int(kept[1].min()), int(kept[1].max()))
        return self._count(taken, duplicate, late, old)

    def runs(self, rings: U32) -> Longs:
        """Starts of the runs of equal rings, and the end of the last."""
        starts = np.empty(len(rings) + 1, np.int64)
        return starts[: k.runs_of(rings, len(rings), starts) + 1]

    # --- durability -------------------------------------------------------------------

    def commit(self) -> None:
        """Make everything appended so far durable against the death of this process.

        Cheap when nothing is pending. Raises StorageError if it can't: what is pending stays
        so, and the next commit tries again.
        """
        self.catalog.flush()
        wrote = self.wal.flush()
        # Only now: what a reader has seen must not be lost with this process.
        self.rows.publish()
        self.publish()
        self._keeper.after_commit(wrote)

    def publish(self) -> None:
        """Let readers see series, chunks and counters as they are now."""
        page = self.control.longs
        page[control.SERIES_BYTES] = self.catalog.log_bytes
        page[control.CHUNKS] = self.chunks.number << 32 | self.chunks.count
        page[control.MIN_TIME] = self.min_time
        page[control.MAX_TIME] = self.max_time
        page[control.APPENDED] = self.appended

    def stats(self) -> HeadStats:
        """Counters of now."""
        has = self.max_time != k.NEVER
        return HeadStats(
            series=self.catalog.series_count,
            groups=self.rows.count,
            rings=self.loose.count,
            chunks=self.chunks.total,
            appended=self.appended,
            duplicate=self.duplicate,
            out_of_order=self.out_of_order,
            too_old=self.too_old,
            min_time=self.min_time if has else None,
            max_time=self.max_time if has else None,
            wal_segment=self.wal.segment,
            wal_bytes=self.wal.bytes,
            chunk_bytes=self.chunks.bytes,
            series_bytes=self.catalog.log_bytes,
            wal_corruptions=self.wal_corruptions,
            chunk_corruptions=self.chunks.corruptions,
            clean_start=self.clean_start,
            replay_s=self.replay_s,
        )

    def close(self) -> None:
        """Commit, force everything to the disk, give the directory back."""
        if self._closed:
            return
        self._closed = True
        try:
            self._keeper.finish()
            self.commit()
            self._keeper.finish()
            self.catalog.sync()
            self.wal.sync()
            self.chunks.sync()
            self.chunks.close()
            self.control.longs[control.CLEAN] = 1
        finally:
            self._keeper.stop()
            self.wal.close()
            self.catalog.close()
            self.rows.close()
            self.loose.close()
            self.control.close()
            self._lock.release()
