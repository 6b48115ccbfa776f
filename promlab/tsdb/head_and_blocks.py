"""`HeadAndBlocks`: the head and the blocks of a data directory, and any number of their series.

The head is read first and the blocks after it: what has become a block in between is met
twice, which merging undoes, and never missed. Where no block has anything to say, an answer
is the head's own. A block that turns out to be damaged is set aside, and the rest read again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.bounded import Bounded
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.model.tiles import BatchTiles, TiledSeries
from promlab.tsdb import control
from promlab.tsdb.blocks.block import Block, DamagedBlock, blaming
from promlab.tsdb.blocks.catalog import BlockCatalog
from promlab.tsdb.blocks.choice import chosen
from promlab.tsdb.blocks.merge import Gathering, without_deleted
from promlab.tsdb.blocks.pieces import BlockPart
from promlab.tsdb.blocks.tiles import BlockTiles
from promlab.tsdb.blocks.touched import TouchedBlocks
from promlab.tsdb.blocks.union import Union, unite
from promlab.tsdb.head_tiles import HeadTiles
from promlab.tsdb.index import Verdicts
from promlab.tsdb.mapped import Mapped
from promlab.tsdb.reader import Reader

Longs = npt.NDArray[np.int64]
T = TypeVar("T")
_TABLE_ROWS = 64
_UNION_ROWS = 1 << 21  # of all label tables that unions are kept of


class FoundSeries(NamedTuple):
    """Series of a block that pass."""

    block: Block
    series: Longs
    labels: LabelTable
    start_ms: int
    end_ms: int


class _Known(NamedTuple):
    """A union, and what keeps the identities of its tables unique."""

    tables: tuple[LabelTable, ...]
    union: Union


class HeadAndBlocks(Reader):
    """The data directory at `path`, in any process. Raises StorageError if it is none."""

    def __init__(self, path: str | Path) -> None:
        self.blocks = BlockCatalog(Path(path))
        self._verdicts: Verdicts | None = None
        self._touched_blocks = TouchedBlocks()
        self._unions: Bounded[tuple[int, ...], _Known] = Bounded(_UNION_ROWS, _rows_of)
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

    def _alone(self, start_ms: int) -> Mapped | None:
        """The head, as of now, if it has all samples from this time on. Hold the lock.

        Whoever reads it asks afterwards whether blocks, or the writer, have changed.
        """
        mapped = self._mapped
        if mapped is None or start_ms < self.blocks.head_alone_from:
            return None
        mapped.refresh_series()
        return mapped

    # --- any number of series -------------------------------------------------------------

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
            return self.gathered(matchers, start_ms, end_ms, hints).whole()

        head_rows = union.rows[-1] if len(tables) > len(found) else np.zeros(0, np.int64)
        limit = hints.max_samples
        return BlockTiles(union.labels, gathering, head, head_rows, limit, without)

    def _find(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> tuple[list[FoundSeries], Symbols]:
        """What passes in each block that overlaps."""
        found = []
        with self._lock:
            verdicts = self._known_verdicts()
            blocks = [b for b in self.blocks.current if b.overlaps(start_ms, end_ms)]
            for block, first, last in chosen(blocks, start_ms, end_ms, hints):
                with blaming(block):
                    selection = block.index(verdicts).select(matchers)
                self._touched_blocks.touch(block)
                assert selection.labels is not None
                if len(selection.series):
                    labels = selection.labels
                    found.append(FoundSeries(block, selection.series, labels, first, last))
        return found, verdicts.symbols

    def _known_verdicts(self) -> Verdicts:
        """Those that the head was read with, so that all codes are of one table. Hold the lock."""
        mapped = self._mapped if self._has_head else None
        return self._shared() if mapped is None else mapped.index.verdicts

    def _union(self, tables: list[LabelTable], symbols: Symbols) -> Union:
        """All label sets of some tables, each once; kept, for the tables of a query recur."""
        key = tuple(map(id, tables))
        with self._lock:
            known = self._unions.get(key)
            if known is not None:
                return known.union
        union = unite(tables, symbols)
        with self._lock:
            self._unions.put(key, _Known(tuple(tables), union))
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


def _rows_of(known: _Known) -> int:
    """Rows of the tables, and what each takes besides, in rows."""
    return sum(table.n + _TABLE_ROWS for table in known.tables)
