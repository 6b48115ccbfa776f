"""`DataLabels`: labels of series in head and blocks of a data directory, and exemplars.

Where the head has all samples, and each value of a label is that of a series alive, nothing
else is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.storage import NO_HINTS, SeriesExemplars
from promlab.tsdb.blocks.block import blaming
from promlab.tsdb.blocks.merge import assemble
from promlab.tsdb.blocks.pieces import BlockPart
from promlab.tsdb.few import all_alive
from promlab.tsdb.head_and_blocks import FoundSeries, HeadAndBlocks


class DataLabels(HeadAndBlocks):
    """Labels of head and blocks."""

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        """Labels of all series that pass and may have samples in that range."""
        head, _ = self._before_blocks(lambda: self._head_series(matchers, start_ms, end_ms))
        return self._from_blocks(lambda: self._series(matchers, start_ms, end_ms, head))

    def _has_a_head(self) -> bool:
        with self._lock:
            if not self._has_head or self._closed:
                self._shared()
            return self._has_head

    def _head_series(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> LabelTable | None:
        if not self._has_a_head():
            return None
        if not self.blocks.head_tombstones:
            return super().series(matchers, start_ms, end_ms)
        tiles = self._head_tiles(matchers, start_ms, end_ms, NO_HINTS)
        return tiles.whole().labels if tiles is not None else None

    def _series(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        head: LabelTable | None,
    ) -> LabelTable:
        tables, symbols = self._alive(matchers, start_ms, end_ms)
        if head is not None and head.n:
            tables.append(head)
        if len(tables) < 2:
            return tables[0] if tables else LabelTable(0, {}, symbols)
        return self._union(tables, symbols).labels

    def _alive(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> tuple[list[LabelTable], Symbols]:
        """Of each block the series that pass and may have samples in a range."""
        found, symbols = self._find(matchers, start_ms, end_ms)
        tables = []
        for one in found:
            with blaming(one.block):
                tables.append(_alive(one, start_ms, end_ms))
        return [table for table in tables if table.n], symbols

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Sorted values that one label takes in those series."""
        known = self._known_values(name, matchers, start_ms, end_ms)
        if known is not None:
            return known
        head, _ = self._before_blocks(lambda: self._head_values(name, matchers, start_ms, end_ms))
        if head is None:
            labels = self.series(matchers, start_ms, end_ms)
            distinct = np.unique(labels.column(name))
            return sorted(labels.symbols.texts(distinct[distinct > 0]))
        tables, symbols = self._from_blocks(lambda: self._alive(matchers, start_ms, end_ms))
        if not tables:
            return head
        codes = np.unique(np.concatenate([np.unique(table.column(name)) for table in tables]))
        return sorted({*head, *symbols.texts(codes[codes > 0])})

    def _known_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str] | None:
        """The same, if the head has all samples and each value is that of a series alive."""
        with self._lock:
            mapped = self._alone(start_ms)
            if mapped is None:
                return None
            selection = mapped.index.select(matchers)
            found = selection.witnesses(name)
            alive = all_alive(mapped, selection, found.series, start_ms, end_ms)
            return list(found.texts) if alive and not self.blocks.has_changed() else None

    def _head_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str] | None:
        """Values in the head; None if something was deleted of it, so that samples count."""
        if not self._has_a_head():
            return []
        if self.blocks.head_tombstones:
            return None
        return super().label_values(name, matchers, start_ms, end_ms)

    def exemplars(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[SeriesExemplars]:
        """Exemplars: the head has them all."""
        with self._lock:
            self._shared()
            has_head = self._has_head
        return super().exemplars(selectors, start_ms, end_ms) if has_head else []


def _alive(found: FoundSeries, start_ms: int, end_ms: int) -> LabelTable:
    """Labels of those that may have samples in a range; all of them if it has all of the block."""
    meta = found.block.meta
    if found.block.tombstones:
        part = BlockPart(found.block, found.series, np.arange(len(found.series)), start_ms, end_ms)
        return assemble(found.labels, [part], None, start_ms, end_ms).labels
    if start_ms <= meta.min_time and end_ms >= meta.max_time - 1:
        return found.labels
    alive = np.zeros(len(found.series), bool)
    for _, _, at in found.block.rows(found.series, start_ms, end_ms):
        alive[at] = True
    return found.labels if alive.all() else found.labels.take(np.flatnonzero(alive))
