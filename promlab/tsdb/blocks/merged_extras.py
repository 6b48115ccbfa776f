"""`MergedExtras`: what samples of a batch have besides numbers, while it is put together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn, HistogramTable
from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks import block_kernels as k
from promlab.tsdb.blocks.block import Block, blaming
from promlab.tsdb.blocks.pieces import Pieces, positions

Longs = npt.NDArray[np.int64]


class MergedExtras:
    """Histograms and start times of the samples, where any has some."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.start_ms: Longs | None = None
        self._numbers: dict[int, tuple[Block, Longs, list[Longs]]] = {}
        self._head: tuple[HistogramColumn, Longs, Longs] | None = None

    def rows_of(self, block: Block) -> Longs:
        """Where the row numbers of a block's histograms go, sample by sample."""
        if id(block) not in self._numbers:
            self._numbers[id(block)] = block, np.zeros(self._total, np.int64), []
        return self._numbers[id(block)][1]

    def mark(self, block: Block, at: Longs, counts: Longs) -> None:
        """These samples are histograms of that block."""
        self._numbers[id(block)][2].append(positions(at, counts))

    def starts(self, items: Longs, from_at: Longs, counts: Longs, at: Longs) -> None:
        """Start times of some pieces."""
        if self.start_ms is None:
            self.start_ms = np.zeros(self._total, np.int64)
        k.copy_pieces(items, from_at, counts, at, self.start_ms)

    def from_head(self, batch: SeriesBatch, part: Pieces, at: Longs) -> None:
        """What the head's samples have."""
        if batch.start_ms is not None:
            self.starts(batch.start_ms, part.low, part.samples, at)
        if batch.histograms is not None:
            index = batch.histograms.index[positions(part.low, part.samples)]
            there = index >= 0
            self._head = (
                batch.histograms,
                index[there],
                positions(at, part.samples)[there],
            )

    def histograms(self) -> HistogramColumn | None:
        """One table of all, and an index for each sample."""
        if self._head is None and not self._numbers:
            return None
        tables: list[HistogramTable] = []
        index, used = np.full(self._total, -1, np.int64), 0
        if self._head is not None:
            column, rows, places = self._head
            tables.append(column.table)
            index[places] = rows
            used = column.table.n
        for block, numbers, marked in self._numbers.values():
            places = np.concatenate(marked)
            wanted, inverse = np.unique(numbers[places], return_inverse=True)
            with blaming(block):
                tables.append(block.histograms(wanted))
            index[places] = used + inverse.reshape(-1)
            used += len(wanted)
        return HistogramColumn(HistogramTable.stack(tables), index)
