"""`DataReader`: head and blocks of a data directory as one `Querier`.

The head is read first and the blocks after it: what has become a block in between is met
twice, which merging undoes, and never missed. Where no block has anything to say, an answer
is the head's own. Few series are read of the head as it was known: one look afterwards tells
whether there are other blocks, or another writer, since then, and all is to be read anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints, SeriesExemplars
from promlab.model.tiles import BatchTiles, TiledSeries
from promlab.tsdb import control
from promlab.tsdb.blocks.block import Block, DamagedBlock, blaming
from promlab.tsdb.blocks.catalog import BlockCatalog
from promlab.tsdb.blocks.choice import chosen
from promlab.tsdb.blocks.excerpts import (
    FOREVER,
    SAMPLES,
    SERIES,
    Excerpt,
    Excerpts,
    range_around,
    with_held,
)
from promlab.tsdb.blocks.merge import BlockPart, Gathering, assemble, without_deleted
from promlab.tsdb.blocks.tiles import BlockTiles
from promlab.tsdb.blocks.touched import TouchedIndexes
from promlab.tsdb.blocks.union import Union, unite
from promlab.tsdb.few import all_alive, read_few
from promlab.tsdb.head_tiles import HeadTiles
from promlab.tsdb.index import Verdicts
from promlab.tsdb.mapped import Mapped
from promlab.tsdb.reader import Reader

Longs = npt.NDArray[np.int64]
T = TypeVar("T")
_UNIONS = 256


class _Found(NamedTuple):
    """Series of a block that pass."""

    block: Block
    series: Longs
    labels: LabelTable
    start_ms: int
    end_ms: int


class DataReader(Reader):
    """Reads the data directory at `path`, in any process. Raises StorageError if it is none."""

    def __init__(self, path: str | Path) -> None:
        self.blocks = BlockCatalog(Path(path))
        self._verdicts: Verdicts | None = None
        self._indexes = TouchedIndexes()
        self._excerpts = Excerpts()
        self._unions: OrderedDict[object, tuple[tuple[LabelTable, ...], Union]] = OrderedDict()
        self._closed = False
        try:
            super().__init__(path)
            self._has_head = True
        except StorageError:
            # A snapshot, or blocks that were copied: they need no head.
            if control.path_of(Path(path)).exists() or not self.blocks.refresh():
                raise
            self.path = Path(path)
            self._lock = threading.Lock()
            self._mapped = None
            self._has_head = False

    def close(self) -> None:
        """Let go of the directory; batches that were given out stay valid."""
        super().close()
        self._closed = True

    def _shared(self) -> Verdicts:
        """Verdicts over the symbols of all answers. Hold the lock."""
        if self._closed:
            raise StorageError(f"the reader of {self.path} is closed")
        if self._has_head:
            return self._fresh().index.verdicts
        if control.path_of(self.path).exists():
            self._has_head = True  # a server has been started here since
            self._mapped = Mapped(self.path)
            return self._fresh().index.verdicts
        if self._verdicts is None:
            self._verdicts = Verdicts(Symbols())
        return self._verdicts

    @property
    def symbols(self) -> Symbols:
        """The symbol table of all answers."""
        with self._lock:
            return self._shared().symbols

    @property
    def generation(self) -> int:
        """Grows whenever the set of series may have changed."""
        with self._lock:
            self._shared()
            self.blocks.refresh()
            mapped = self._mapped
            head = mapped.epoch << 40 | mapped.index.records if mapped is not None else 0
            return head + (self.blocks.generation << 80)

    def time_range(self) -> tuple[int, int] | None:
        """Times of the oldest and the newest sample in ms, None if there is none."""
        with self._lock:
            self._shared()
            has_head = self._has_head
            blocks = self.blocks.refresh()
        head = super().time_range() if has_head else None
        ranges = [(block.meta.min_time, block.meta.max_time - 1) for block in blocks]
        ranges += [head] if head is not None else []
        if not ranges:
            return None
        return min(first for first, _ in ranges), max(last for _, last in ranges)

    # --- selecting ----------------------------------------------------------------------

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        """See `Reader.select`; few series come by a shorter way."""
        few = self._small(matchers, start_ms, end_ms, hints)
        return self.gathered(matchers, start_ms, end_ms, hints).whole() if few is None else few

    def tiles(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> TiledSeries:
        """What `select` gives, to be read later, a few series at a time; see `TiledQuerier`."""
        few = self._small(matchers, start_ms, end_ms, hints)
        return self.gathered(matchers, start_ms, end_ms, hints) if few is None else BatchTiles(few)

    def gathered(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> TiledSeries:
        """The same of any number of series, in head and blocks; none of their samples read yet."""
        head, blocks = self._before_blocks(
            lambda: self._head_tiles(matchers, start_ms, end_ms, hints)
        )
        if head is not None and not any(block.overlaps(start_ms, end_ms) for block in blocks):
            return head
        return self._from_blocks(lambda: self._with_blocks(matchers, start_ms, end_ms, hints, head))

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
            mapped = self._mapped
            if mapped is None or start_ms < self.blocks.head_alone_from:
                return None
            mapped.refresh_series()
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
            if excerpt is not None and excerpt.batch is None:
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
        if excerpt is None or excerpt.batch is None:
            return None
        labels, held_to = excerpt.batch.labels, np.zeros(0, np.int64)
        if held is not None and held.n:
            labels, (_, held_to) = self._union([labels, held.labels], valid[1])
        found = with_held(excerpt.batch, held, labels, held_to, start_ms, end_ms)
        if found is None or found.sample_count > hints.max_samples > 0:
            return None
        return found

    def _new_excerpt(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, valid: tuple[int, Symbols]
    ) -> Excerpt | None:
        """An excerpt for a range, or the word that there can be none; None if blocks changed."""
        blocks = self.blocks.current
        spans = [(each.meta.min_time, each.meta.max_time) for each in blocks]
        first, last = range_around(start_ms, end_ms, spans)

        def read() -> Excerpt:
            refused = Excerpt(first, last, None)
            if any(each.meta.resolution_ms and each.overlaps(first, last) for each in blocks):
                return refused
            found, _ = self._find(matchers, first, last)
            if any(len(one.series) > SERIES for one in found):
                return refused
            tiles = self._with_blocks(matchers, first, last, NO_HINTS, None)
            if tiles.labels.n > SERIES or tiles.most_at[-1] > SAMPLES:
                return refused
            batch = tiles.whole()
            plain = batch.histograms is None and batch.start_ms is None
            return Excerpt(first, last, batch) if plain else refused

        excerpt = self._from_blocks(read)
        with self._lock:
            if (self.blocks.generation, self._shared().symbols) != valid:
                return None
            self._excerpts.keep(matchers, excerpt, valid)
        return excerpt

    def _before_blocks(self, read: Callable[[], T]) -> tuple[T, tuple[Block, ...]]:
        """What `read` gives of the head, and the blocks of thereafter.

        It relies on what was known to be deleted of the head: if that has changed, or blocks
        have, the head is read again.
        """
        while True:
            with self._lock:
                before = self.blocks.version
            found = read()
            with self._lock:
                blocks = self.blocks.refresh()
                if self.blocks.version == before:
                    return found, blocks

    def _head_tiles(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: SelectHints
    ) -> HeadTiles | BatchTiles | None:
        with self._lock:
            self._shared()
            mapped = self._mapped if self._has_head else None
            if mapped is None:
                return None
            selection = mapped.index.select(matchers)
            deleted = self.blocks.head_tombstones
            alone = not any(block.overlaps(start_ms, end_ms) for block in self.blocks.current)
        if hints.newest and alone and not deleted:
            return self._newest(mapped, selection, start_ms, end_ms, hints)
        tiles = self._tiles(mapped, selection, start_ms, end_ms, hints)
        if not deleted:
            return tiles
        found = tiles.decoded()
        left = without_deleted(found.batch, selection.series[found.rows], deleted)
        return BatchTiles(left)

    def _with_blocks(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints,
        head: HeadTiles | BatchTiles | None,
    ) -> TiledSeries:
        found, symbols = self._find(matchers, start_ms, end_ms, hints)
        if not found:
            return head if head is not None else BatchTiles(SeriesBatch.empty(symbols))
        tables = [one.labels for one in found]
        if head is not None and head.labels.n:
            tables.append(head.labels)
        union = self._union(tables, symbols)
        gathering = Gathering(start_ms, end_ms)
        for one, to in zip(found, union.rows, strict=False):
            with blaming(one.block):
                gathering.add_block(BlockPart(one.block, one.series, to, one.start_ms, one.end_ms))

        def without(damage: DamagedBlock) -> SeriesBatch:
            self._set_aside(damage)
            return self.select(matchers, start_ms, end_ms, hints)

        head_rows = union.rows[-1] if len(tables) > len(found) else np.zeros(0, np.int64)
        limit = hints.max_samples
        return BlockTiles(union.labels, gathering, head, head_rows, limit, without)

    def _find(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> tuple[list[_Found], Symbols]:
        """What passes in each block that overlaps."""
        found = []
        with self._lock:
            # Those that the head was read with, so that all codes are of one table.
            mapped = self._mapped if self._has_head else None
            verdicts = self._shared() if mapped is None else mapped.index.verdicts
            blocks = [b for b in self.blocks.current if b.overlaps(start_ms, end_ms)]
            for block, first, last in chosen(blocks, start_ms, end_ms, hints):
                with blaming(block):
                    selection = block.index(verdicts).select(matchers)
                self._indexes.touch(block)
                assert selection.labels is not None
                if len(selection.series):
                    found.append(_Found(block, selection.series, selection.labels, first, last))
        return found, verdicts.symbols

    def _union(self, tables: list[LabelTable], symbols: Symbols) -> Union:
        """All label sets of some tables, each once; kept, for the tables of a query recur."""
        key = tuple(map(id, tables))
        with self._lock:
            known = self._unions.get(key)
            if known is not None:
                self._unions.move_to_end(key)
                return known[1]
        union = unite(tables, symbols)
        with self._lock:
            self._unions[key] = tuple(tables), union
            if len(self._unions) > _UNIONS:
                self._unions.popitem(last=False)
        return union

    def _from_blocks(self, read: Callable[[], T]) -> T:
        """Call `read`; without the block that turns out to be damaged, if one does."""
        while True:
            try:
                return read()
            except DamagedBlock as damage:
                self._set_aside(damage)

    def _set_aside(self, damage: DamagedBlock) -> None:
        with self._lock:
            self.blocks.set_aside(damage.block.path.name, str(damage))

    # --- labels -------------------------------------------------------------------------

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
            mapped = self._mapped
            if mapped is None or start_ms < self.blocks.head_alone_from:
                return None
            mapped.refresh_series()
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


def _alive(found: _Found, start_ms: int, end_ms: int) -> LabelTable:
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
