"""The head: takes samples, in the one process that writes a data directory.

Order of truth: a sample is in the WAL or in a synced chunk from `commit` on; rows and rings
are only a picture of what is not sealed, rebuilt when the head opens. Nothing here reads for
queries: readers map the same files (reader.py). Not thread-safe: one event loop owns it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.quantiles import Window
from promlab.model.samples import Times, Values
from promlab.model.storage import (
    NO_EXTRAS,
    AppendOutcome,
    ExemplarBatch,
    ExemplarOutcome,
    Refs,
    SampleExtras,
)
from promlab.tsdb import control, row_kernels
from promlab.tsdb import head_kernels as k
from promlab.tsdb.blocks.cut_record import Cut, read_cut
from promlab.tsdb.blocks.keeper import BlockKeeper, Limits
from promlab.tsdb.catalog import Catalog
from promlab.tsdb.chunk_repair import Known
from promlab.tsdb.chunks import ChunkStore
from promlab.tsdb.exemplar_store import ExemplarStore
from promlab.tsdb.extras import Newest, with_references
from promlab.tsdb.files import Longs
from promlab.tsdb.group import Group, Row, row_record_bytes
from promlab.tsdb.head_stats import HeadStats, stats_of
from promlab.tsdb.histogram_store import HistogramStore
from promlab.tsdb.housekeeping import Housekeeper
from promlab.tsdb.lock import DirectoryLock
from promlab.tsdb.loose import LooseStore
from promlab.tsdb.loose_appends import LooseAppender
from promlab.tsdb.options import HeadOptions
from promlab.tsdb.progress import Progress
from promlab.tsdb.renumbered import forget_unknown
from promlab.tsdb.replay import replay_wal
from promlab.tsdb.restore import restore_newest
from promlab.tsdb.rows import RowStore
from promlab.tsdb.sealing import Sealer
from promlab.tsdb.wal import WAL

U32 = npt.NDArray[np.uint32]
Bools = npt.NDArray[np.bool_]

_LOG = logging.getLogger(__name__)
SETTLE_S = 5.0  # a stop takes no longer to seal: what is left is in the log
STOP_S = 8.0  # nor to seal and write blocks: whoever asked for it may kill after ten
_SLICE = 1 << 16  # samples or series handled between two chances for other threads


class Head:
    """The writer's storage: implements `promlab.model.storage.Appender`."""

    @staticmethod
    def open(
        path: str | Path,
        *,
        options: HeadOptions | None = None,
        progress: Progress | None = None,
    ) -> Head:
        """Open or create a data directory, replaying what a killed writer left.

        `progress` tells other threads how far that is. Raises DirectoryLocked if another
        process has it open, StorageError if it can't be written.
        """
        return Head(Path(path), options or HeadOptions(), progress or Progress())

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
        self.cut = read_cut(self.path)
        progress.stage = "series"
        self.catalog = Catalog(head, self.rows, self.loose)
        damages = self.catalog.load(self.warn)
        self.wal_corruptions += damages
        self.numbers_lost = bool(damages)  # of series, groups, rings: others will get them
        if damages:
            forget_unknown(self.path, self.catalog.series_count)
        now = self.options.clock()
        widths = self.rows.state[: self.rows.count, k.WIDTH].copy()
        known = Known(widths, self.loose.count, complete=not damages)
        self.chunks = ChunkStore(self.path / "chunks", known, now, self.warn)
        self.wal = WAL(self.path / "wal", self.catalog.flush)
        self.histograms = HistogramStore(self.path / "histograms", self.warn)
        most = self.options.max_exemplars
        self.exemplars = ExemplarStore(self.path / "exemplars", most, self.warn)
        self._late_ms = int(self.options.late_window_s * 1000)
        self.last_t: Longs = np.full(1024, k.NEVER, np.int64)
        self.last_bits: Longs = np.zeros(1024, np.int64)
        self.min_time, self.max_time = 2**63 - 1, k.NEVER
        self.floor = k.NEVER
        self.appended = self.duplicate = self.out_of_order = self.too_old = 0
        self._know_series()
        self.control = control.create(self.path)
        self.sealer = Sealer(self)
        self.appends = LooseAppender(self)
        progress.stage = "chunks"
        ring_last = restore_newest(self)
        replay_wal(self, ring_last, progress)
        self.wal.start_segment()
        self._keeper = Housekeeper(self)
        if self.numbers_lost:
            self._keeper.settle()  # what names them must go from the log before there are others
        self.publish()
        self.set_cut(self.cut)
        self.control.longs[control.EPOCH] = self._epoch
        control.publish(self.path)
        self._keeper.drop_old_epochs(self._epoch)
        self.blocks = BlockKeeper(self) if self.options.block_s > 0 else None
        self.replay_s = self.options.clock() - started
        progress.stage = "ready"

    def configure(self, *, late_window_s: float, max_exemplars: int) -> None:
        """Change what may be changed while the head is open; see `HeadOptions`."""
        self._late_ms = int(late_window_s * 1000)
        self.exemplars.most = max_exemplars

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

    def starts_of(self, series: U32) -> U32:
        """The hidden series with start times of these series' samples, made where missing."""
        found = self.catalog.starts_of(series)
        self._know_series()
        return found

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

    @property
    def late_floor(self) -> int:
        """Times from here on may come out of order; anything into an empty head."""
        if not self._late_ms:
            return k.LATE_NEVER
        return max(k.NEVER, self.max_time - self._late_ms)

    def references(
        self, series: U32, t_ms: Longs, bits: Longs, histograms: HistogramColumn, *, distinct: bool
    ) -> Longs:
        """The values of an append, its histograms stored; see `with_references`."""
        return with_references(
            self.histograms,
            histograms,
            series,
            t_ms,
            bits,
            Newest(self.last_t, self.last_bits),
            floor=self.floor,
            late_floor=self.late_floor,
            distinct=distinct,
        )

    def may_take(self, series: U32, t_ms: Longs) -> Bools:
        """Which samples are younger than their series' newest, or may come late."""
        found: Bools = t_ms > self.last_t[series]
        return found | (t_ms >= self.late_floor)

    def append_row(self, group: int, t_ms: int, row: Row) -> AppendOutcome:
        """One row of a group (see `Group.append`)."""
        series, width = self.catalog.slots_of(group)
        some_are_late = self._late_ms and ((t_ms < self.last_t[series[row.slots]]).any())
        if t_ms < self.floor or some_are_late:
            return self.appends.append_row(series, t_ms, row)
        slots, bits, starts = row.slots, row.bits, 0
        if len(row.started):
            mine = t_ms > self.last_t[series[row.started]]
            start_slots = row.start_slots[mine]
            starts = int((t_ms > self.last_t[series[start_slots]]).sum())
            slots = np.concatenate([slots, start_slots])
            bits = np.concatenate([bits, row.start_bits[mine]])
        wal, rows = self.wal, self.rows
        wal.room(row_record_bytes(width))
        while True:
            appended, duplicate, out_of_order, at = row_kernels.append_row(
                rows.arena,
                rows.state,
                group,
                slots,
                bits,
                row.references,
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
            return self.appends.append_row(series, t_ms, row)
        wal.at = at
        if appended:
            rows.pending.append(group)
            self.note_times(t_ms, t_ms)
        return self.count(appended - starts, duplicate, out_of_order, 0)

    def note_times(self, first: int, last: int) -> None:
        """Samples from `first` to `last` are here now."""
        if last > self.max_time:
            self.max_time = last
            self.floor = last - int(self.options.window_s * 1000)
        if first < self.min_time:
            self.min_time = first

    def count(self, appended: int, duplicate: int, late: int, old: int) -> AppendOutcome:
        """Count the outcome of an append."""
        self.appended += appended
        if duplicate or late or old:
            self.duplicate += duplicate
            self.out_of_order += late
            self.too_old += old
        return AppendOutcome(appended, duplicate, late, old)

    def append_loose(
        self, refs: Refs, t_ms: Times, values: Values, extras: SampleExtras = NO_EXTRAS
    ) -> AppendOutcome:
        """Samples of any series at any times; see `Appender`."""
        return self.appends.append(self.appends.prepare(refs, t_ms, values, extras))

    def append_exemplars(self, batch: ExemplarBatch) -> ExemplarOutcome:
        """Keep exemplars beside their series; see `Appender`."""
        if batch.n and int(batch.refs.max()) >= self.catalog.series_count:
            raise StorageError("append_exemplars got a reference that `refs` never gave")
        return self.exemplars.append(batch)

    # --- durability -------------------------------------------------------------------

    def commit(self) -> None:
        """Make everything appended so far durable against the death of this process.

        Cheap when nothing is pending. Raises StorageError if it can't: what is pending stays
        so, and the next commit tries again.
        """
        self.catalog.flush()
        wrote = self.wal.flush()
        self.exemplars.flush()
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
        page[control.EXEMPLARS] = self.exemplars.most

    @property
    def late_ms(self) -> int:
        """How old a sample may be that comes out of order."""
        return self._late_ms

    def limit(self, retention_s: float, retention_bytes: int, percentage: float) -> None:
        """How much is kept from now on; 0 for all of it."""
        self.options = replace(self.options, retention_s=retention_s)
        if self.blocks is not None:
            self.blocks.limits = Limits(retention_s, retention_bytes, percentage)

    def forget_before(self, t_ms: int) -> None:
        """Nobody asks for what is older: its files may go before their time."""
        self._keeper.needless_ms = t_ms

    @property
    def drops_s(self) -> Window:
        """How long it took to delete files that were old enough."""
        return self._keeper.drops_s

    def set_cut(self, cut: Cut) -> None:
        """What is older is in blocks: readers look for it there."""
        self.cut = cut
        self.control.longs[control.CUT_FILE] = 0  # neither counts without the other
        self.control.longs[control.CUT_TIME] = cut.time
        self.control.longs[control.CUT_FILE] = cut.file

    def end_files(self) -> None:
        """End the newest chunk file and WAL segment. Raises StorageError."""
        self.catalog.flush()
        self.wal.flush()
        self._keeper.end_chunk_file(self.options.clock())
        self.wal.start_segment()

    def newest(self) -> tuple[Longs, Longs]:
        """Time and bits of each series' newest sample."""
        n = self.catalog.series_count
        return self.last_t[:n], self.last_bits[:n]

    def stats(self) -> HeadStats:
        """Counters of now."""
        return stats_of(self)

    def _settle(self) -> bool:
        """Leave nothing to replay, and blocks instead of chunks; False if that failed."""
        end_s = time.monotonic() + STOP_S
        try:
            self._keeper.settle(SETTLE_S)
            if self.blocks is not None:
                self.blocks.settle(end_s - time.monotonic())
        except StorageError as error:
            self.warn(f"not all is sealed, it will be replayed: {error}")
            return False
        return True

    def close(self) -> None:
        """Commit, force everything to the disk, give the directory back."""
        if self._closed:
            return
        self._closed = True
        if self.blocks is not None:
            self.blocks.stop()
        try:
            self._keeper.finish()
            self.commit()
            self._keeper.finish()
            settled = self._settle()
            self.catalog.sync()
            self.wal.sync()
            self.chunks.sync()
            self.chunks.close()
            self.histograms.close()
            self.exemplars.sync()
            control.close(self.control.longs, settled=settled)
            if settled:
                self._keeper.drop_old_epochs(-1)
        finally:
            self._keeper.stop()
            self.wal.close()
            self.catalog.close()
            self.exemplars.close()
            self.rows.close()
            self.loose.close()
            self.control.close()
            self._lock.release()
