"""`Reader`: reads a data directory, in any process, while its writer runs or not.

Implements `promlab.model.storage.Querier`. Each call first looks at the counters of the
control page, so it sees everything committed before it. A lock is held while labels are
looked up; samples are copied and decoded outside it, by kernels without the GIL.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError, TooManySamples
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.tsdb import control
from promlab.tsdb import select_kernels as k
from promlab.tsdb.head_kernels import CAP
from promlab.tsdb.index import Selection
from promlab.tsdb.mapped import ChunkView, Mapped
from promlab.tsdb.plan import Plan

if TYPE_CHECKING:
    import polars as pl

Longs = npt.NDArray[np.int64]
_PIECES_A_SOURCE = 8


class _Tails:
    """What the head held of each source, copied; see `select_kernels.copy_tails`."""

    __slots__ = ("bits", "counts", "firsts", "t_ms")

    def __init__(self, plan: Plan) -> None:
        sources, places = len(plan.owners), len(plan.slots)
        self.firsts = np.full(sources, k.NOTHING_HELD, np.int64)
        self.counts = np.zeros(sources, np.int64)
        self.t_ms = np.empty(sources * CAP, np.int64)
        self.bits = np.empty(places * CAP, np.int64)


class _Pieces:
    """Chunks that overlap, source by source; see `select_kernels.find_pieces`."""

    __slots__ = ("at", "entry", "file")

    def __init__(self, sources: int, room: int) -> None:
        self.at = np.empty(sources + 1, np.int64)
        self.file, self.entry = np.empty(room, np.int64), np.empty(room, np.int64)


class Reader:
    """Reads the data directory at `path`. Raises StorageError if it is none."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._mapped: Mapped | None = Mapped(self.path)

    # --- life -------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the directory; batches that were given out stay valid."""
        with self._lock:
            self._mapped = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fresh(self) -> Mapped:
        """What is published now. Hold the lock."""
        if self._mapped is None:
            raise StorageError(f"the reader of {self.path} is closed")
        if not self._mapped.is_current():
            self._mapped = Mapped(self.path)
        self._mapped.refresh_series()
        return self._mapped

    @property
    def symbols(self) -> Symbols:
        """The symbol table of all answers."""
        with self._lock:
            return self._fresh().index.symbols

    @property
    def generation(self) -> int:
        """Grows whenever the set of series may have changed."""
        with self._lock:
            mapped = self._fresh()
            return mapped.epoch << 40 | mapped.index.records

    def time_range(self) -> tuple[int, int] | None:
        """Times of the oldest and the newest sample in ms, None if there is none."""
        with self._lock:
            page = self._fresh().page
            first, last = int(page[control.MIN_TIME]), int(page[control.MAX_TIME])
        return (first, last) if first <= last else None

    # --- labels -----------------------------------------------------------------------

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        """Labels of all series that pass and may have samples in that range."""
        with self._lock:
            mapped = self._fresh()
            selection = mapped.index.select(matchers)
            plan = mapped.index.plan(selection)
        labels = selection.labels
        assert labels is not None
        alive = self._sources_alive(mapped, plan, start_ms, end_ms)
        if alive.all():
            return labels
        n = labels.n
        of_place = np.repeat(np.arange(n), np.diff(plan.places_at))
        keep = np.bincount(of_place[alive[plan.sources]], minlength=n) > 0
        return labels.take(np.flatnonzero(keep))

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Sorted names of all labels of those series."""
        labels = self.series(matchers, start_ms, end_ms)
        return sorted(name for name, codes in labels.columns.items() if codes.any())

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Sorted values that one label takes in those series."""
        labels = self.series(matchers, start_ms, end_ms)
        distinct = np.unique(labels.column(name))
        return sorted(labels.symbols.texts(distinct[distinct > 0]))

    def _sources_alive(
        self, mapped: Mapped, plan: Plan, start_ms: int, end_ms: int
    ) -> npt.NDArray[np.bool_]:
        """Which sources have samples in a range."""
        tails, pieces, _ = self._locate(mapped, plan, start_ms, end_ms)
        alive: npt.NDArray[np.bool_] = (tails.counts > 0) | (np.diff(pieces.at) > 0)
        return alive

    # --- samples ----------------------------------------------------------------------

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        """Samples with start_ms <= t <= end_ms of all series that pass every matcher.

        Series without samples there are left out. Raises TooManySamples, StorageError.
        """
        with self._lock:
            mapped = self._fresh()
            selection = mapped.index.select(matchers)
            plan = mapped.index.plan(selection)
        if not len(plan.slots):
            return SeriesBatch.empty(mapped.index.symbols)
        tails, pieces, view = self._locate(mapped, plan, start_ms, end_ms)
        return _decode(selection, plan, tails, pieces, view, start_ms, end_ms, hints.max_samples)

    def _locate(
        self, mapped: Mapped, plan: Plan, start_ms: int, end_ms: int
    ) -> tuple[_Tails, _Pieces, ChunkView]:
        """The head's samples first, then the chunks with what is older."""
        tails = _Tails(plan)
        if mapped.head_is_sound:
            self._copy_tails(mapped, plan, tails, start_ms, end_ms)
        sources = len(plan.owners)
        pieces = _Pieces(sources, _PIECES_A_SOURCE * sources)
        with self._lock:
            view = mapped.chunks(start_ms, end_ms)
            while True:
                n = k.find_pieces(
                    view.indexes,
                    view.counts,
                    view.group_chains,
                    view.ring_chains,
                    view.chain_sizes,
                    plan.owners,
                    plan.loose,
                    tails.firsts,
                    start_ms,
                    end_ms,
                    pieces.at,
                    pieces.file,
                    pieces.entry,
                )
                if n <= len(pieces.file):
                    break
                pieces = _Pieces(sources, n)
        pieces.file, pieces.entry = pieces.file[:n], pieces.entry[:n]
        return tails, pieces, view

    def _copy_tails(
        self, mapped: Mapped, plan: Plan, tails: _Tails, start_ms: int, end_ms: int
    ) -> None:
        while True:
            rows, loose, table = mapped.rows, mapped.loose, mapped.table
            state = k.copy_tails(
                table.address,
                table.size // 8,
                rows.address,
                rows.size // 8,
                loose.address,
                loose.size // 8,
                plan.groups,
                plan.group_places_at,
                plan.group_places,
                plan.slots,
                plan.rings,
                plan.ring_places,
                start_ms,
                end_ms,
                tails.firsts,
                tails.counts,
                tails.t_ms,
                tails.bits,
            )
            if state == k.OK:
                return
            with self._lock:
                sizes = rows.size, loose.size, table.size
                mapped.map_head()
                now = mapped.rows.size, mapped.loose.size, mapped.table.size
            if state == k.REMAP and now == sizes:
                raise StorageError(f"head files in {mapped.path} are damaged")

    def frame(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> pl.DataFrame:
        """Samples as a frame, one row a sample: timestamp (UTC), value, a column a label.

        Staleness markers are left out; labels that a series lacks are null.
        """
        from promlab.tsdb.frame import to_frame

        return to_frame(self.select(matchers, start_ms, end_ms))


def _decode(
    selection: Selection,
    plan: Plan,
    tails: _Tails,
    pieces: _Pieces,
    view: ChunkView,
    start_ms: int,
    end_ms: int,
    max_samples: int,
) -> SeriesBatch:
    labels = selection.labels
    assert labels is not None
    n, room = labels.n, len(tails.t_ms)
    room += int(k.count_rows(view.indexes, view.counts, pieces.file, pieces.entry))
    shared, times_at = np.empty(room, np.int64), np.empty(len(plan.owners) + 1, np.int64)
    found = np.empty((len(pieces.file), 7), np.int64)
    used = k.source_times(
        view.indexes,
        view.counts,
        view.datas,
        view.sizes,
        pieces.file,
        pieces.entry,
        pieces.at,
        plan.loose,
        start_ms,
        end_ms,
        tails.firsts,
        tails.counts,
        found,
        shared,
        times_at,
        tails.t_ms,
    )
    if used < 0:
        raise StorageError("a chunk is damaged: its times can't be read")
    rows = np.diff(times_at)
    most = int(rows[plan.sources].sum())
    t_out = np.empty(used + most, np.int64)  # the part behind `used` is rarely touched
    t_out[:used] = shared[:used]
    v_out = np.empty(most, np.int64)
    offsets, series_times = np.empty(n + 1, np.int64), np.zeros(n, np.int64)
    scratch = np.empty(int(rows.max(initial=0)), np.int64)
    written, t_end = k.decode_series(
        view.datas,
        found,
        pieces.at,
        plan.loose,
        times_at,
        tails.counts,
        tails.bits,
        plan.places_at,
        plan.sources,
        plan.slots,
        t_out,
        v_out,
        used,
        offsets,
        series_times,
        scratch,
    )
    if written < 0:
        raise StorageError("a chunk is damaged: its values can't be read")
    if max_samples and written > max_samples:
        raise TooManySamples(max_samples)
    kept = np.diff(offsets) > 0
    if not kept.all():
        at = np.flatnonzero(kept)
        labels = labels.take(at)
        offsets = np.concatenate([offsets[at], offsets[-1:]])
        series_times = series_times[at]
    values: Any = v_out[:written].view(np.float64)
    return SeriesBatch(labels, offsets, series_times, t_out[:t_end], values)
