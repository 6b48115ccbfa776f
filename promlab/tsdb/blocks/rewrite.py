"""Blocks from blocks and from the head: what cutting, compacting and cleaning have in common.

All series of all sources are sorted once; then, stretch by stretch of time, slices of series
are merged and written. A slice has a few million samples at most, whatever there is in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.layout import SEGMENT_MS
from promlab.tsdb.blocks.merge import assemble
from promlab.tsdb.blocks.pieces import BlockPart, HeadPart
from promlab.tsdb.blocks.union import unite
from promlab.tsdb.blocks.write import BlockWriter, series_order
from promlab.tsdb.index import Verdicts

Longs = npt.NDArray[np.int64]
Progress = Callable[[float], None]
ROW = ""  # the column that numbers rows of a table whose labels don't matter
_SLICE_SAMPLES = 2 << 20


class HeadLike(Protocol):
    """Samples that are not in a block: by number of series, ascending."""

    def labels(self) -> LabelTable:
        """Labels of all series."""

    def batch_of(self, series: Longs, start_ms: int, end_ms: int) -> tuple[SeriesBatch, Longs]:
        """Samples of some series, and which of them (positions) have any."""


class _Source(NamedTuple):
    labels: LabelTable
    block: Block | None
    head: HeadLike | None


def numbered(n: int, symbols: Symbols) -> LabelTable:
    """A table of n rows that has nothing but their numbers."""
    return LabelTable(n, {ROW: np.arange(n, dtype=np.uint32)}, symbols)


class Rewriter:
    """Writes blocks from some sources. All of them share `verdicts.symbols`."""

    def __init__(
        self,
        directory: Path,
        verdicts: Verdicts,
        blocks: Sequence[Block] = (),
        head: HeadLike | None = None,
    ) -> None:
        self._directory = directory
        self._symbols = verdicts.symbols
        self._sources = []
        for block in blocks:
            index = block.index(verdicts)
            labels = index.labels(np.arange(index.count))
            self._sources.append(_Source(labels, block, None))
        if head is not None:
            self._sources.append(_Source(head.labels(), None, head))
        united = unite([source.labels for source in self._sources], self._symbols)
        order = series_order(united.labels)
        self.labels = united.labels.take(order)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        # Of each source: its series in the order of the union, and their places there.
        self._places = []
        for rows in united.rows:
            at = place[rows]
            by_place = np.argsort(at, kind="stable")
            self._places.append((by_place.astype(np.int64), at[by_place]))
        self._slice = 512

    def write(
        self,
        start_ms: int,
        end_ms: int,
        *,
        level: int = 3,
        progress: Progress = lambda _: None,
        transform: Callable[[SeriesBatch], SeriesBatch] = lambda batch: batch,
        segment_ms: int = SEGMENT_MS,
    ) -> BlockWriter:
        """A block of the samples with start_ms <= t < end_ms; the caller finishes it."""
        writer = BlockWriter(self._directory, self.labels, level=level, segment_ms=segment_ms)
        try:
            first = start_ms
            while first < end_ms:
                stop = min(end_ms, (first // segment_ms + 1) * segment_ms)
                self._segment(writer, first, stop - 1, transform)
                first = stop
                progress((first - start_ms) / (end_ms - start_ms))
        except BaseException:
            writer.abort()
            raise
        return writer

    def _segment(
        self,
        writer: BlockWriter,
        first: int,
        last: int,
        transform: Callable[[SeriesBatch], SeriesBatch],
    ) -> None:
        low = 0
        while low < self.labels.n:
            high = min(self.labels.n, low + self._slice)
            read = self._read(low, high, first, last)
            batch = transform(read)
            rows = batch.labels.column(ROW).astype(np.int64)
            writer.add(low + rows, batch)
            a_series = max(1, read.sample_count) / (high - low)
            self._slice = int(min(max(16, _SLICE_SAMPLES / a_series), 4 * self._slice, 1 << 17))
            low = high

    def _read(self, low: int, high: int, first: int, last: int) -> SeriesBatch:
        parts, head = [], None
        for source, (series, places) in zip(self._sources, self._places, strict=True):
            begin, stop = np.searchsorted(places, [low, high]).tolist()
            mine, to = series[begin:stop], places[begin:stop] - low
            if not len(mine):
                continue
            ascending = np.argsort(mine)
            mine, to = mine[ascending], to[ascending]
            if source.block is not None and source.block.overlaps(first, last):
                parts.append(BlockPart(source.block, mine, to))
            elif source.head is not None:
                found, which = source.head.batch_of(mine, first, last)
                head = HeadPart(found, to[which])
        return assemble(numbered(high - low, self._symbols), parts, head, first, last)
