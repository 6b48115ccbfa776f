"""`Reader`: reads a data directory, in any process, while its writer runs or not.

Implements `promlab.model.storage.Querier`. Each call first looks at the counters of the
control page, so it sees everything committed before it. A lock is held while labels are
looked up, and few series read; of many, samples are copied and decoded outside it, by kernels
without the GIL.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import (
    NO_HINTS,
    Position,
    SelectHints,
    SeriesExemplars,
    Stored,
    StoredExemplars,
)
from promlab.model.tiles import BatchTiles, TiledSeries
from promlab.tsdb import control, loose_tail
from promlab.tsdb.decoded import Decoded
from promlab.tsdb.decoding import decode, with_starts
from promlab.tsdb.head_tiles import HeadTiles
from promlab.tsdb.locating import head_files, locate, remap
from promlab.tsdb.mapped import Mapped
from promlab.tsdb.newest_samples import newest_samples
from promlab.tsdb.piece_kernels import alive
from promlab.tsdb.plan import Plan
from promlab.tsdb.selections import Selection
from promlab.tsdb.tail_kernels import OK

if TYPE_CHECKING:
    import polars as pl

Longs = npt.NDArray[np.int64]


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

    def __enter__(self) -> Self:
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
        selection, mapped, plan = self._planned(matchers)
        labels = selection.labels
        assert labels is not None
        look = self._looker(mapped, plan, start_ms, end_ms)
        kept = look(np.arange(labels.n))
        return labels if kept.all() else labels.take(np.flatnonzero(kept))

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Sorted names of all labels of those series."""
        labels = self.series(matchers, start_ms, end_ms)
        return sorted(name for name, codes in labels.columns.items() if codes.any())

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Sorted values that one label takes in those series."""
        selection, mapped, plan = self._planned(matchers)
        with self._lock:
            found = selection.witnesses(name)
        look = self._looker(mapped, plan, start_ms, end_ms)
        # One series that is there shows that a value is: mostly the newest that has it.
        seen = look(found.series)
        if seen.all():
            return list(found.texts)
        labels = selection.labels
        assert labels is not None
        codes = labels.column(name)
        doubtful = np.zeros(int(codes.max(initial=0)) + 1, np.bool_)
        doubtful[found.codes[~seen]] = True
        others = np.flatnonzero(doubtful[codes])
        more = np.unique(codes[others[look(others)]])
        return sorted(labels.symbols.texts(np.concatenate([found.codes[seen], more])))

    def exemplars(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[SeriesExemplars]:
        """Exemplars in a range of the series that pass all matchers of one of the selectors."""
        with self._lock:
            mapped = self._fresh()
            batches = mapped.exemplars.newest(int(mapped.page[control.EXEMPLARS]))
            wanted = [mapped.index.select(matchers).series for matchers in selectors]
            series = np.unique(np.concatenate([np.zeros(0, np.int64), *wanted]))
            labels = mapped.index.labels(series)
        found: dict[int, SeriesExemplars] = {}
        for batch in batches:
            inside = (batch.t_ms >= start_ms) & (batch.t_ms <= end_ms)
            at = np.searchsorted(series, batch.series)
            there = np.append(series, -1)[at] == batch.series
            for row in np.flatnonzero(inside & there).tolist():
                owner = int(at[row])
                if owner not in found:
                    found[owner] = SeriesExemplars(labels.row(owner), [])
                exemplar = batch.labels.row(row), int(batch.t_ms[row]), float(batch.values[row])
                found[owner].exemplars.append(exemplar)
        return sorted(found.values(), key=lambda each: list(each.labels.items()))

    # --- in the order of storing ------------------------------------------------------

    def so_far(self) -> tuple[int, int]:
        """How many samples the writer has stored since its start, and the newest one's time."""
        with self._lock:
            page = self._fresh().page
            return int(page[control.APPENDED]), max(0, int(page[control.MAX_TIME]))

    def loose_since(self, position: Position | None) -> Stored:
        """Samples that did not come by a scrape; from now on where the position is None."""
        wal = self.path / "wal"
        found = loose_tail.read_loose(wal, position) if position is not None else None
        with self._lock:
            index = self._fresh().index
            owners = index.ring_series
            if found is None or not len(found.rings):
                where = loose_tail.end_of(wal) if found is None else found.position
                none = np.zeros(0, np.int64)
                return Stored(where, index.labels(none), none, none, none)
            known = found.rings < len(owners)
            samples, t_ms = owners[found.rings[known]], found.t_ms[known]
            shown = ~index.is_hidden(samples)
            series, rows = np.unique(samples[shown], return_inverse=True)
            labels = index.labels(series)
        return Stored(found.position, labels, series, rows.reshape(-1), t_ms[shown])

    def exemplars_since(self, position: Position | None) -> StoredExemplars:
        """Exemplars; from now on where the position is None."""
        with self._lock:
            mapped = self._fresh()
            where, found = mapped.exemplars.since(position)
            series = [each.series.astype(np.int64) for each in found]
            labels = mapped.index.labels(np.concatenate([np.zeros(0, np.int64), *series]))
        rows = [row for each in found for row in each.labels.rows()]
        none = np.zeros(0)
        return StoredExemplars(
            where,
            labels,
            np.concatenate([none.astype(np.int64), *(each.t_ms for each in found)]),
            np.concatenate([none, *(each.values for each in found)]),
            LabelTable.from_dicts(rows, Symbols()),
        )

    def of_series(self, series: Longs, start_ms: int, end_ms: int) -> tuple[SeriesBatch, Longs]:
        """Samples of series by their numbers, and which of these has each row of the batch."""
        with self._lock:
            mapped = self._fresh()
            selection = mapped.index.selection_of(series)
        found = self._tiles(mapped, selection, start_ms, end_ms).decoded()
        return found.batch, found.rows

    def _planned(self, matchers: Sequence[Matcher]) -> tuple[Selection, Mapped, Plan]:
        with self._lock:
            mapped = self._fresh()
            selection = mapped.index.select(matchers)
            plan = mapped.index.plan(selection)
        return selection, mapped, plan

    def _looker(
        self, mapped: Mapped, plan: Plan, start_ms: int, end_ms: int
    ) -> Callable[[Longs], npt.NDArray[np.bool_]]:
        """What tells which of the plan's series have samples in a range."""
        known = np.full(len(plan.owners), -1, np.int8)

        def look(rows: Longs) -> npt.NDArray[np.bool_]:
            out, looked = np.zeros(len(rows), np.int8), False
            while True:
                heads = head_files(mapped)
                places = heads.places()
                with self._lock:
                    view = mapped.chunks(start_ms, end_ms)
                    state = alive(
                        *places, view.indexes, view.counts, view.group_chains, view.ring_chains,
                        view.chain_sizes, plan.owners, plan.loose, plan.places_at, plan.sources,
                        rows, start_ms, end_ms, known, out,
                    )  # fmt: skip
                if state == OK and (looked or out.all() or not mapped.has_sealed_since(view)):
                    return out.view(np.bool_)
                if state == OK:
                    # What had left the head by then is in the chunks of now: once more will do.
                    looked = True
                    known[known == 0] = -1
                else:
                    remap(mapped, self._lock, state, heads)

        return look

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
        return self.tiles(matchers, start_ms, end_ms, hints).whole()

    def tiles(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> TiledSeries:
        """The same, to be read later, a few series at a time; see `TiledQuerier`."""
        with self._lock:
            mapped = self._fresh()
            selection = mapped.index.select(matchers)
        if hints.newest:
            return self._newest(mapped, selection, start_ms, end_ms, hints)
        return self._tiles(mapped, selection, start_ms, end_ms, hints)

    def _newest(
        self, mapped: Mapped, selection: Selection, start_ms: int, end_ms: int, hints: SelectHints
    ) -> BatchTiles:
        """The newest sample of some series, as of now."""
        with self._lock:
            plan = mapped.index.plan(selection)
        limit = hints.max_samples
        found = newest_samples(mapped, self._lock, selection, plan, start_ms, end_ms, limit)
        return BatchTiles(self._with_starts(mapped, selection, found, start_ms, end_ms).batch)

    def _tiles(
        self,
        mapped: Mapped,
        selection: Selection,
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> HeadTiles:
        """Where the samples of some series are, as of now."""
        with self._lock:
            plan = mapped.index.plan(selection)
        located = locate(mapped, self._lock, plan, start_ms, end_ms)

        def finish(found: Decoded) -> Decoded:
            return self._with_starts(mapped, selection, found, start_ms, end_ms)

        files, limit = mapped.histograms, hints.max_samples
        return HeadTiles(selection, located, end_ms, files, limit, finish)

    def _with_starts(
        self, mapped: Mapped, selection: Selection, found: Decoded, start_ms: int, end_ms: int
    ) -> Decoded:
        """Samples with their start times, where they have any."""
        with self._lock:
            # Looked up after the samples were: none of them can lack its start time.
            mapped.refresh_series()
            starts = mapped.index.starts(selection)
            starts_of = selection.starts_of
            if starts is None or starts_of is None or not found.batch.n:
                return found
            plan = mapped.index.plan(starts)
        located = locate(mapped, self._lock, plan, start_ms, end_ms)
        own = decode(starts, located, end_ms, mapped.histograms)
        return Decoded(with_starts(found, own, starts_of), found.rows)

    def frame(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> pl.DataFrame:
        """Samples as a frame, one row a sample: timestamp (UTC), value, a column a label.

        Staleness markers are left out; labels that a series lacks are null.
        """
        from promlab.tsdb.frame import to_frame

        return to_frame(self.select(matchers, start_ms, end_ms))
