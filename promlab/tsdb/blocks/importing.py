"""Samples from anywhere become blocks: sorted, cut into ranges, written.

They may come in any order and any amount: some millions at a time are held, and become blocks;
blocks that overlap in the end are joined. The folder may be that of a server that runs: it
takes the blocks in within half a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch, Times, Values
from promlab.tsdb.blocks.compact import compact
from promlab.tsdb.blocks.meta import Meta
from promlab.tsdb.blocks.plan import overlapping
from promlab.tsdb.blocks.write import BlockWriter, series_order
from promlab.tsdb.registry import Registry

Longs = npt.NDArray[np.int64]
BLOCK_MS = 7_200_000
_HELD = 8 << 20  # samples, or buckets of histograms


class BlockImporter:
    """Writes blocks into `directory`. Raises StorageError."""

    def __init__(
        self,
        directory: Path,
        *,
        block_ms: int = BLOCK_MS,
        held: int = _HELD,
        written: Callable[[Meta], None] = lambda _: None,
    ) -> None:
        self._directory, self._block_ms, self._most = directory, block_ms, held
        self._written = written
        self.metas: dict[str, Meta] = {}
        self.samples = 0
        self._begin()

    def _begin(self) -> None:
        self.symbols = Symbols()
        self._registry = Registry(self.symbols)
        self._tables: list[LabelTable] = []
        self._parts: list[tuple[Longs, Times, Values]] = []
        self._histograms: list[HistogramColumn | None] = []  # of each part
        self._held = 0

    def add(
        self,
        labels: LabelTable,
        t_ms: Times,
        values: Values,
        histograms: HistogramColumn | None = None,
    ) -> None:
        """Samples: a row of `labels`, a time and a value each, or a histogram in its place.

        Of equal times the first stays.
        """
        series, fresh = self._registry.add(labels.recode(self.symbols))
        if len(fresh):
            self._tables.append(labels.recode(self.symbols).take(fresh))
        copies = np.array(t_ms, np.int64), np.array(values, np.float64)
        self._parts.append((series.astype(np.int64), *copies))
        self._histograms.append(histograms)
        self._held += labels.n + _weight(histograms)
        if self._held >= self._most:
            self._flush()

    def _labels(self) -> LabelTable:
        names = dict.fromkeys(name for table in self._tables for name in table.columns)
        columns = {
            name: np.concatenate([table.column(name) for table in self._tables]) for name in names
        }
        return LabelTable(self._registry.count, columns, self.symbols)

    def _flush(self) -> None:
        if not self._held:
            return
        series, t_ms, values = (np.concatenate(c) for c in zip(*self._parts, strict=True))
        labels = self._labels()
        order = series_order(labels)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        series = place[series]
        by = np.lexsort([t_ms, series, t_ms // self._block_ms])
        series, t_ms, values = series[by], t_ms[by], values[by]
        column = HistogramColumn.stack(self._histograms, [len(part[1]) for part in self._parts])
        ranges = t_ms // self._block_ms
        same = (series[1:] == series[:-1]) & (t_ms[1:] == t_ms[:-1])
        kept = np.append(True, ~same)
        series, t_ms, values, ranges = series[kept], t_ms[kept], values[kept], ranges[kept]
        column = column.take(by[kept]) if column is not None else None
        starts = np.append(np.flatnonzero(np.append(True, np.diff(ranges) != 0)), len(ranges))
        labels = labels.take(order)
        for low, high in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            own = column.take(np.arange(low, high)) if column is not None else None
            self._block(labels, series[low:high], t_ms[low:high], values[low:high], own)
        self._begin()

    def _block(
        self,
        labels: LabelTable,
        series: Longs,
        t_ms: Times,
        values: Values,
        histograms: HistogramColumn | None,
    ) -> None:
        used, at = np.unique(series, return_index=True)
        offsets = np.append(at, len(series)).astype(np.int64)
        own = labels.take(used)
        numbers = np.arange(len(used))
        writer = BlockWriter(self._directory, own)
        try:
            batch = SeriesBatch(
                own,
                offsets,
                offsets[:-1].copy(),
                np.ascontiguousarray(t_ms),
                np.ascontiguousarray(values),
                histograms,
            )
            writer.add(numbers, batch)
        except BaseException:
            writer.abort()
            raise
        meta = writer.finish()
        if meta is not None:
            self.metas[meta.ulid] = meta
            self.samples += meta.samples

    def finish(self) -> list[Meta]:
        """Write what is held, and join what overlaps; the blocks that were made."""
        self._flush()
        while True:
            group = overlapping(
                sorted(self.metas.values(), key=lambda m: (m.min_time, m.max_time, m.ulid))
            )
            if not group:
                break
            joined = compact(self._directory, [meta.ulid for meta in group])
            for meta in group:
                del self.metas[meta.ulid]
            if joined is not None:
                self.metas[joined.ulid] = joined
        found = sorted(self.metas.values(), key=lambda meta: (meta.min_time, meta.ulid))
        for meta in found:
            self._written(meta)
        return found


def _weight(column: HistogramColumn | None) -> int:
    """How many samples take as much memory as these histograms do."""
    if column is None:
        return 0
    return len(column.table.positive.counts) + len(column.table.negative.counts)
