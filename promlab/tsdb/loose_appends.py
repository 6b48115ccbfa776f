"""Samples of any series at any times: judging them, logging them, putting them into rings.

What is in order goes to its series' ring, what comes late to its late ring; a start time is a
sample of a hidden series that nobody counts.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.samples import Times, Values
from promlab.model.storage import NO_EXTRAS, AppendOutcome, Refs, SampleExtras
from promlab.tsdb import head_kernels as k
from promlab.tsdb import loose_kernels, loose_log_kernels
from promlab.tsdb.files import Longs
from promlab.tsdb.group import Row
from promlab.tsdb.histogram_files import NOWHERE
from promlab.tsdb.loose import NO_RING

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

U32 = npt.NDArray[np.uint32]
_SLICE = 1 << 16  # samples handled between two chances for other threads


class Loose(NamedTuple):
    """Loose samples, ready to be stored."""

    series: U32
    t_ms: Longs
    bits: Longs
    references: bool  # whether some of `bits` refer to histograms
    start_ms: Times | None

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.series)


class Verdicts(NamedTuple):
    """Of each sample TAKEN, SAME, DUPLICATE, ... (head_kernels); bits that a duplicate met."""

    verdicts: npt.NDArray[np.uint8]
    existing: Longs


class LooseAppender:
    """Appends to the rings of a head."""

    def __init__(self, head: Head) -> None:
        self._head = head

    @property
    def _floors(self) -> tuple[int, int]:
        return self._head.floor, self._head.late_floor

    def append_row(self, series: U32, t_ms: int, row: Row) -> AppendOutcome:
        """A row that does not follow the group's newest: its samples go as loose ones."""
        floors = self._floors
        times = np.full(len(row.slots), t_ms, np.int64)
        done = self._append(series[row.slots], times, row.bits, row.references)
        if len(row.start_slots):
            times = np.full(len(row.start_slots), t_ms, np.int64)
            self._append_starts(series[row.start_slots], times, row.start_bits, floors)
        return done

    def prepare(
        self, refs: Refs, t_ms: Times, values: Values, extras: SampleExtras = NO_EXTRAS
    ) -> Loose:
        """Loose samples as they will be stored; nothing else may be appended in between."""
        bits = np.ascontiguousarray(values, np.float64).view(np.int64)
        times = np.ascontiguousarray(t_ms, np.int64)
        series = np.asarray(refs).astype(np.uint32)
        if len(series) and int(series.max()) >= self._head.catalog.series_count:
            raise StorageError("append_loose got a reference that `refs` never gave")
        histograms, starts = extras
        if histograms is not None:
            bits = self._head.references(series, times, bits, histograms, distinct=False)
        return Loose(series, times, bits, histograms is not None, starts)

    def judge(self, loose: Loose) -> Verdicts:
        """What would become of each of these samples, and what stands in the way of a duplicate."""
        verdicts, existing = np.empty(loose.n, np.uint8), np.zeros(loose.n, np.int64)
        loose_kernels.judge_loose(
            loose.series,
            loose.t_ms,
            loose.bits,
            loose.references,
            self._head.last_t,
            self._head.last_bits,
            self._head.floor,
            self._head.late_floor,
            verdicts,
            existing,
        )
        return Verdicts(verdicts, existing)

    def append(self, loose: Loose) -> AppendOutcome:
        """Append what `prepare` gave."""
        series, times, starts = loose.series, loose.t_ms, loose.start_ms
        if starts is None:
            return self._append(series, times, loose.bits, loose.references)
        mine = np.flatnonzero((starts != 0) & self._head.may_take(series, times))
        floors = self._floors
        done = self._append(series, times, loose.bits, loose.references)
        if len(mine):
            bits = starts[mine].astype(np.float64).view(np.int64)
            self._append_starts(self._head.starts_of(series[mine]), times[mine], bits, floors)
        return done

    def _append_starts(
        self, hidden: U32, t_ms: Longs, bits: Longs, floors: tuple[int, int]
    ) -> None:
        """Start times, as samples that nobody counts; with the floors that their samples met."""
        head = self._head
        counts = head.appended, head.duplicate, head.out_of_order, head.too_old
        self._append(hidden, t_ms, bits, references=False, floors=floors)
        head.appended, head.duplicate, head.out_of_order, head.too_old = counts

    def _append(
        self,
        series: U32,
        t_ms: Longs,
        bits: Longs,
        references: bool,
        floors: tuple[int, int] | None = None,
    ) -> AppendOutcome:
        total = AppendOutcome()
        floors = floors or self._floors
        for at in range(0, len(series), _SLICE):
            part = slice(at, at + _SLICE)
            done = self._append_slice(series[part], t_ms[part], bits[part], references, *floors)
            total = AppendOutcome(*(a + b for a, b in zip(total, done, strict=True)))
        return total

    def _append_slice(
        self, series: U32, t_ms: Longs, bits: Longs, references: bool, floor: int, late_floor: int
    ) -> AppendOutcome:
        n = len(series)
        rings, order = self._rings(series, late=False)
        series, t_ms, bits = series[order], t_ms[order], bits[order]
        self._head.wal.room(k.LOOSE_HEADER + n * 26)
        self._head.sealer.reserve()
        kept_rings, kept_t, kept_bits, late_at = (
            np.empty(n, np.uint32),
            np.empty(n, np.int64),
            np.empty(n, np.int64),
            np.empty(n, np.int64),
        )
        taken, duplicate, refused, old, late = loose_kernels.accept_loose(
            series,
            t_ms,
            bits,
            references,
            self._head.last_t,
            self._head.last_bits,
            floor,
            late_floor,
            rings,
            kept_rings,
            kept_t,
            kept_bits,
            late_at,
        )
        if taken:
            self._store(kept_rings[:taken], kept_t[:taken], kept_bits[:taken])
        if late:
            late_at = late_at[:late]
            late_at = late_at[bits[late_at] != NOWHERE]
        if late and len(late_at):
            rings, order = self._rings(series[late_at], late=True)
            self._head.wal.room(k.LOOSE_HEADER + late * 26)
            self._head.sealer.reserve()
            self._store(rings, t_ms[late_at][order], bits[late_at][order])
        return self._head.count(taken + late, duplicate, refused, old)

    def _rings(self, series: U32, *, late: bool) -> tuple[U32, Longs]:
        """Rings of these samples' series, ascending, and the order that makes them so."""
        rings = self._head.loose.rings_for(series, late=late)
        if (rings == NO_RING).any():
            self._head.catalog.add_rings(np.unique(series[rings == NO_RING]), late=late)
            rings = self._head.loose.rings_for(series, late=late)
        order = np.argsort(rings, kind="stable")
        return rings[order], order

    def _store(self, rings: U32, t_ms: Longs, bits: Longs) -> None:
        starts = self.runs(rings)
        self._head.wal.at = loose_log_kernels.log_loose(
            rings, starts, t_ms, bits, len(starts) - 1, self._head.wal.buffer, self._head.wal.at
        )
        with contextlib.suppress(StorageError):
            self._head.wal.flush()  # before readers see them; if it fails, `commit` will say so
        self._head.sealer.store_loose(rings, t_ms, bits, starts, self._head.wal.segment)
        self._head.note_times(int(t_ms.min()), int(t_ms.max()))

    def runs(self, rings: U32) -> Longs:
        """Starts of the runs of equal rings, and the end of the last."""
        starts = np.empty(len(rings) + 1, np.int64)
        return starts[: loose_kernels.runs_of(rings, len(rings), starts) + 1]
