"""`FewOfData`: few series of head and blocks, as most queries of dashboards and rules ask for.

They are read of the head as it was known: one look afterwards tells whether there are other
blocks, or another writer, since then, and all is to be read anew. What blocks have of them
stays unpacked for a while (`blocks/excerpts.py`). What is more, or unusual, is left to the way
of any number of series.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from promlab.errors import TooManySamples
from promlab.model.labels import Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.contents import Contents
from promlab.tsdb.blocks.excerpts import (
    FOREVER,
    LARGE,
    SAMPLES,
    SERIES,
    Excerpt,
    Excerpts,
    range_around,
    with_held,
)
from promlab.tsdb.blocks.few_series import FewSeries
from promlab.tsdb.few import read_few
from promlab.tsdb.head_and_blocks import HeadAndBlocks

_RANGES = 4  # different sets of blocks that queries look at in turn


class FewOfData(HeadAndBlocks):
    """Few series of head and blocks."""

    def __init__(self, path: str | Path) -> None:
        self._excerpts = Excerpts()
        self._contents = Contents()
        self._readers: OrderedDict[tuple[Block, ...], FewSeries] = OrderedDict()
        self._touched: tuple[tuple[Block, ...], int] = (), 0
        self._read_at = -1  # the generation of those blocks
        super().__init__(path)
        self._touched_blocks.on_forget = self._readers.clear

    def _small(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: SelectHints
    ) -> SeriesBatch | None:
        """Samples of few series; None if they are more, or unusual."""
        alone = start_ms >= self.blocks.head_alone_from
        return (self._few if alone else self._excerpted)(matchers, start_ms, end_ms, hints)

    def _few(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: SelectHints
    ) -> SeriesBatch | None:
        """Samples of few series that are all in the head; None if there may be more."""
        with self._lock:
            mapped = self._alone(start_ms)
            if mapped is None:
                return None
            selection = mapped.index.select(matchers)
            batch = read_few(mapped, selection, start_ms, end_ms, hints)
            return None if self.blocks.has_changed() else batch

    def _excerpted(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: SelectHints
    ) -> SeriesBatch | None:
        """Samples of few series that blocks have some of; None if they are not for this way."""
        start_ms, end_ms, held = max(start_ms, -FOREVER), min(end_ms, FOREVER), None
        with self._lock:
            valid = self.blocks.generation, self._shared().symbols
            mapped, version = self._mapped, self.blocks.version
            if self.blocks.head_tombstones or not self.blocks.current:
                return None
            excerpt = self._excerpts.find(matchers, start_ms, end_ms, valid)
            if excerpt is not None and excerpt.batch is None and not excerpt.is_large:
                return None
            selection = mapped.index.select(matchers) if mapped is not None else None
            if mapped is not None and selection is not None and len(selection.series):
                held = read_few(mapped, selection, start_ms, end_ms, hints)
                if held is None or (held.n and held.labels is not selection.labels):
                    return None
            self.blocks.refresh()  # afterwards, as `_before_blocks` does
            if self.blocks.version != version:
                return None
        excerpt = excerpt or self._new_excerpt(matchers, start_ms, end_ms, valid)
        if excerpt is None:
            return None
        batch = excerpt.batch
        if excerpt.is_large:
            batch = self._large(matchers, start_ms, end_ms, valid)
        if batch is None:
            return None
        labels, held_to = batch.labels, np.zeros(0, np.int64)
        if held is not None and held.n:
            labels, (_, held_to) = self._union([labels, held.labels], valid[1])
        found = with_held(batch, held, labels, held_to, start_ms, end_ms)
        if found is None or found.sample_count > hints.max_samples > 0:
            return None
        return found

    def _new_excerpt(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, valid: tuple[int, Symbols]
    ) -> Excerpt | None:
        """An excerpt for a range, or the word that there can be none; None if blocks changed."""
        spans = [(each.meta.min_time, each.meta.max_time) for each in self.blocks.current]
        first, last = range_around(start_ms, end_ms, spans)
        try:
            batch = self._from_blocks(lambda: self._of_blocks(matchers, first, last, SAMPLES))
            excerpt = Excerpt(first, last, batch)
        except TooManySamples:
            excerpt = Excerpt(first, last, None, is_large=True)
        with self._lock:
            if (self.blocks.generation, self._shared().symbols) != valid:
                return None
            self._excerpts.keep(matchers, excerpt, valid)
        return excerpt

    def _large(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, valid: tuple[int, Symbols]
    ) -> SeriesBatch | None:
        """What is too much for an excerpt; None if it is too much for this way too."""
        try:
            batch = self._from_blocks(lambda: self._of_blocks(matchers, start_ms, end_ms, LARGE))
        except TooManySamples:
            return None
        with self._lock:
            unchanged = (self.blocks.generation, self._shared().symbols) == valid
        return batch if unchanged else None

    def _of_blocks(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, most: int
    ) -> SeriesBatch | None:
        """All that blocks have of some series in a range; None if they are many, or unusual.

        Raises TooManySamples.
        """
        with self._lock:
            blocks = tuple(each for each in self.blocks.current if each.overlaps(start_ms, end_ms))
            if any(each.meta.resolution_ms for each in blocks):
                return None
            if not blocks:
                return SeriesBatch.empty(self._known_verdicts().symbols)
            series = self._series_of(blocks)
            found = series.find(matchers)
        if found is None or found.labels.n > SERIES:
            return None
        batch = series.read(found, start_ms, end_ms, most)
        return self._plain(matchers, start_ms, end_ms) if batch is None else batch

    def _plain(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> SeriesBatch | None:
        """The same by the way of many series: samples in two places, a block that is damaged."""
        tiles = self._with_blocks(matchers, start_ms, end_ms, NO_HINTS, None)
        if tiles.most_at[-1] > SAMPLES:
            return None
        batch = tiles.whole()
        return batch if batch.histograms is None and batch.start_ms is None else None

    def _series_of(self, blocks: tuple[Block, ...]) -> FewSeries:
        """What reads few series of these blocks. Hold the lock."""
        if self._read_at != self.blocks.generation:
            self._readers.clear()
            self._read_at = self.blocks.generation
        verdicts = self._known_verdicts()
        found = self._readers.get(blocks)
        if found is None or found.verdicts is not verdicts or not found.is_current:
            self._readers.pop(blocks, None)
            found = FewSeries(blocks, verdicts, self._contents)
        elif self._touched == (blocks, self._touched_blocks.touches):
            return found
        for block in blocks:
            self._touched_blocks.touch(block)
        self._touched = blocks, self._touched_blocks.touches
        self._readers[blocks] = found
        self._readers.move_to_end(blocks)
        if len(self._readers) > _RANGES:
            self._readers.popitem(last=False)
        return found
