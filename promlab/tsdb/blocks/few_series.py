"""Few series of several blocks, read with a handful of calls however many blocks there are.

Kernels find series, rows and pages in what is in memory of the blocks, and say what of it is
missing. What they refuse is read the way of many series (`merge.Gathering`): histograms, start
times, tombstones, samples in two places, anything that is damaged.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError, TooManySamples
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks import few_place_kernels as place
from promlab.tsdb.blocks import few_select_kernels as select
from promlab.tsdb.blocks.block import Block, blaming
from promlab.tsdb.blocks.contents import Contents
from promlab.tsdb.blocks.page_kernels import PAGE_LONGS, fill_few
from promlab.tsdb.blocks.row_groups import Kept
from promlab.tsdb.index import SeriesIndex, Verdicts

Longs = npt.NDArray[np.int64]
_PIECES = 1 << 12
_PAGES = 1 << 9
_ATTEMPTS = 64  # each loads one thing more
_FOUND = 64
_WHAT = {MatchType.EQUAL: select.EQUAL, MatchType.NOT_EQUAL: select.NOT_EQUAL}


class Found(NamedTuple):
    """Label sets, each once, and series: their block, number and label set."""

    labels: LabelTable
    hits: Longs


class _Tables(NamedTuple):
    """What is in memory of all blocks' row groups."""

    of: tuple[Kept, ...]
    blocks: Longs
    samples: Longs
    times: Longs


class _Scratch(threading.local):
    """A thread's own memory."""

    def __init__(self) -> None:
        self.pieces = np.empty((_PIECES, place.PIECE_LONGS), np.int64)
        self.pages = np.empty((_PAGES, PAGE_LONGS), np.int64)


_SCRATCH = _Scratch()


class FewSeries:
    """Reads few series of some blocks. Raises DamagedBlock if labels of one can't be read.

    Hold the lock of the symbols while one is made, and while series are looked up.
    """

    def __init__(self, blocks: Sequence[Block], verdicts: Verdicts, contents: Contents) -> None:
        self.blocks = tuple(blocks)
        self.verdicts, self._contents = verdicts, contents
        self._indexes: list[SeriesIndex] = []
        self._numbers: list[Longs] = []
        for block in blocks:
            with blaming(block):
                self._indexes.append(block.index(verdicts))
                self._numbers.append(block.numbers)
        names = {code for index in self._indexes for code in index.columns}
        self._names = [verdicts.symbols.text(code) for code in names]
        self._column = {name: at for at, name in enumerate(self._names)}
        self._blocks = self._addresses(list(names))
        self._found: OrderedDict[tuple[Matcher, ...], Found | None] = OrderedDict()
        self._tables: _Tables | None = None

    def _addresses(self, names: list[int]) -> Longs:
        metric = self.verdicts.symbols.find(METRIC_NAME)
        table = np.zeros((len(self.blocks), select.FIRST_COLUMN + len(names)), np.int64)
        for facts, index, numbers in zip(table, self._indexes, self._numbers, strict=True):
            facts[select.COUNT] = min(index.count, len(numbers))
            facts[select.NUMBERS] = _address(numbers)
            column = index.columns.get(metric) if metric is not None else None
            if column is not None:
                column.index_all(index.count)
                facts[select.ORDER] = _address(column.order)
                facts[select.SORTED] = _address(column.sorted_codes)
            for at, name in enumerate(names, select.FIRST_COLUMN):
                if name in index.columns:
                    facts[at] = _address(index.columns[name].codes)
        return table

    @property
    def is_current(self) -> bool:
        """Whether all these indexes are still in use."""
        pairs = zip(self.blocks, self._indexes, strict=True)
        return all(block.has_index(index) for block, index in pairs)

    # --- series -------------------------------------------------------------------------

    def find(self, matchers: Sequence[Matcher]) -> Found | None:
        """Series that pass every matcher; None if they are too many."""
        key = tuple(matchers)
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key]
        found = self._found[key] = self._search(key)
        if len(self._found) > _FOUND:
            self._found.popitem(last=False)
        return found

    def _search(self, matchers: tuple[Matcher, ...]) -> Found | None:
        codes = np.empty((len(self._names), select.SERIES), np.uint32)
        hits = np.empty((len(self.blocks) * select.SERIES, 3), np.int64)
        for again in (False, True):
            if again:  # a string has not been judged yet
                for index in self._indexes:
                    index.select(matchers)
            metric, tests, _owners = self._tests(matchers)
            n, found = select.find_few(self._blocks, metric, tests, codes, hits)
            if n != select.UNKNOWN:
                break
        if n < 0:
            return None
        some, used = codes[:, :found].copy(), hits[:n].copy()
        columns = {name: some[at] for name, at in self._column.items() if some[at].any()}
        return Found(LabelTable(found, columns, self.verdicts.symbols), used)

    def _tests(self, matchers: tuple[Matcher, ...]) -> tuple[int, Longs, list[object]]:
        """The metric's code, -1 if none is asked for by name; other tests, and their memory."""
        metric, tests, owners = -1, [], list[object]()
        for matcher in matchers:
            column, what = self._column.get(matcher.name, -1), _WHAT.get(matcher.type)
            if what is None:
                known = self.verdicts.known(matcher)
                owners.append(known)
                tests.append((column, select.VERDICT, _address(known), len(known)))
                continue
            code = self.verdicts.symbols.find(matcher.value)
            if what == select.EQUAL and code and matcher.name == METRIC_NAME and metric < 0:
                metric = code
            else:
                tests.append((column, what, -1 if code is None else code, 0))
        tests.sort(key=lambda test: test[1])  # the cheapest first
        return metric, np.array(tests, np.int64).reshape(-1, 4), owners

    # --- samples ------------------------------------------------------------------------

    def read(self, found: Found, start_ms: int, end_ms: int, most: int) -> SeriesBatch | None:
        """Samples of series in a range; None if they are not for this way.

        Raises TooManySamples.
        """
        if self._is_deleted_of(found):
            return None
        located = self._locate(found, start_ms, end_ms, most)
        if located is None:
            return None
        pieces, pages = located
        labels = found.labels
        offsets = np.empty(labels.n + 1, np.int64)
        times_at, rows = np.empty(labels.n, np.int64), np.empty(labels.n, np.int64)
        ordered = np.empty((len(pieces), place.PIECE_LONGS), np.int64)
        n, times, samples = place.order_pieces(pieces, ordered, offsets, times_at, rows)
        if n < 0:
            return None
        try:
            contents = self._contents.of(self.blocks, pages)
        except StorageError:
            return None  # whose it is the other way finds out
        addresses = np.array([each.address for each in contents], np.uint64)
        bits, t_ms = np.empty(samples, np.int64), np.empty(times, np.int64)
        if not fill_few(ordered, pages, addresses, bits, t_ms):
            return None
        if n < labels.n:
            labels = labels.take(rows[:n])
        return SeriesBatch(labels, offsets[: n + 1], times_at[:n], t_ms, bits.view(np.float64))

    def _is_deleted_of(self, found: Found) -> bool:
        """Whether something was deleted of some of these series."""
        for at, block in enumerate(self.blocks):
            if block.tombstones:
                rows = found.hits[found.hits[:, 0] == at, 1]
                if np.isin(self._numbers[at][rows], block.tombstones.series).any():
                    return True
        return False

    def _locate(
        self, found: Found, start_ms: int, end_ms: int, most: int
    ) -> tuple[Longs, Longs] | None:
        """Pieces of rows, and pages; what is missing is loaded on the way."""
        pieces, pages = _SCRATCH.pieces, _SCRATCH.pages
        missing = np.zeros(4, np.int64)
        for _ in range(_ATTEMPTS):
            known = self._known()
            state, n, used = place.locate_few(
                found.hits, self._blocks, known.blocks, known.samples, known.times, start_ms,
                end_ms, most, pieces, pages, missing,
            )  # fmt: skip
            if state == place.OK:
                return pieces[:n], pages[:used]
            if state == place.TOO_MANY:
                raise TooManySamples(most)
            if state == place.OTHERWISE:
                break
            _, block, group, page = missing.tolist()
            try:
                self._load(state, self.blocks[block], group, page)
            except StorageError:
                break
        return None

    @staticmethod
    def _load(state: int, block: Block, group: int, page: int) -> None:
        match state:
            case place.ROWS_MISSING:
                block.row_groups.load(group)
            case place.PLACES_MISSING:
                block.time_lists.places(group)
            case place.TIMES_MISSING:
                block.time_lists.items(group, page)

    def _known(self) -> _Tables:
        """What is in memory now."""
        of = tuple([each.row_groups.kept() for each in self.blocks])
        of += tuple([each.time_lists.kept() for each in self.blocks])
        known = self._tables
        if known is None or any(a is not b for a, b in zip(of, known.of, strict=True)):
            known = self._tables = self._joined(of)
        return known

    def _joined(self, of: tuple[Kept, ...]) -> _Tables:
        n = len(self.blocks)
        tables = np.zeros((n, 6), np.int64)
        for at, part in ((0, of[:n]), (2, of[n:])):
            ends = np.cumsum([len(each.table) for each in part])
            tables[1:, at], tables[:, at + 1] = ends[:-1], ends
        tables[:, 4:] = [block.samples_at for block in self.blocks]
        samples, times = (
            np.concatenate([each.table for each in part]) for part in (of[:n], of[n:])
        )
        return _Tables(of, tables, samples, times)


def _address(array: npt.NDArray[np.generic]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
