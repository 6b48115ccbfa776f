"""Excerpts of blocks: the same as gathered, whoever asked before; bounded; never out of date."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from block_tools import settle
from hypothesis import given
from hypothesis import strategies as st
from made_histograms import histogram, stack
from test_block_deletion import delete
from test_blocks import Writing
from tsdb_model import ALWAYS, as_dict, everything, key_of, match, table

from promlab.errors import TooManySamples
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch
from promlab.model.storage import SampleExtras, SelectHints
from promlab.tsdb.blocks import excerpts
from promlab.tsdb.blocks.excerpts import (
    FOREVER,
    Excerpt,
    Excerpts,
    range_around,
    with_held,
)
from promlab.tsdb.data import DataReader
from promlab.tsdb.open import open as open_reader

RANGES = [ALWAYS, (130_000, 141_000), (290_000, 10**9), (0, 1), (59_999, 60_000)]
SELECTORS = [[], [match("n", "[57]", "=~")], [match("n", "4")], [match("n", "x")]]


def same(reader: DataReader) -> None:
    """What is asked for twice, in excerpts, and gathered."""
    for start, end in RANGES:
        for matchers in SELECTORS:
            wanted = as_dict(reader.gathered(matchers, start, end).whole())
            for newest in (False, True, False):
                found = reader.select(matchers, start, end, SelectHints(newest=newest))
                if not newest:
                    assert as_dict(found) == wanted
                assert found.labels.symbols is reader.symbols
    assert reader._excerpts.size > 0


def test_the_same_as_gathered(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 200)
    writing.loose(range(1_000, 200_000, 3_000))
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        same(reader)
        writing.scrape(201, 10)  # the head has more of them
        same(reader)
        writing.loose(range(30_500, 60_000, 5_000))  # and late ones, among those of blocks
        same(reader)
        writing.scrape(211, 300)
        settle(writing.head)  # other blocks
        same(reader)
        assert everything(reader) == writing.wanted()
    writing.head.close()


def test_what_is_deleted_is_gone(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 310)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        matchers = [match("n", "8"), match("instance", "a")]
        for _ in range(2):  # the first opens the blocks
            (before,) = as_dict(reader.select(matchers, *ALWAYS)).values()
        assert reader._excerpts.size > 0
        delete(writing, [["n", "=", "8"], ["instance", "=", "a"]], 0, 99_000)
        (after,) = as_dict(reader.select(matchers, *ALWAYS)).values()
        assert after == [sample for sample in before if sample[0] > 99_000]
    writing.head.close()


def test_neighbours_share_their_times(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 200)
    settle(writing.head)
    writing.scrape(201, 5)
    with open_reader(tmp_path) as reader:
        for _ in range(2):  # the first opens the blocks
            found = reader.select([match("n", "[0-2]", "=~"), match("instance", "a")], *ALWAYS)
        assert found.n == 3
        assert len(set(found.times_at.tolist())) == 1
        assert len(found.t_ms) == 205
    writing.head.close()


def test_only_plain_numbers_and_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 130)
    refs = writing.head.refs(table(writing.head, [{"__name__": "h"}, {"__name__": "s"}]))
    made = HistogramColumn(stack([histogram(positive={0: 3.0})]), np.array([0, -1]))
    extras = SampleExtras(made, np.array([0, 500]))
    writing.head.append_loose(refs, np.full(2, 2_000), np.full(2, 1.0), extras)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        assert reader.select([match("__name__", "h")], *ALWAYS).histograms is not None
        assert reader.select([match("__name__", "s")], *ALWAYS).start_ms is not None
        assert reader._excerpts.size == 0
        one = [match("n", "1"), match("instance", "a")]
        count = reader.select(one, *ALWAYS).sample_count
        assert reader._excerpts.size > 0
        for _ in range(2):
            with pytest.raises(TooManySamples):
                reader.select(one, *ALWAYS, SelectHints(max_samples=count - 1))
        assert reader.select(one, *ALWAYS, SelectHints(max_samples=count)).sample_count == count
    for limit, most in (("SERIES", 1), ("SAMPLES", 100)):
        monkeypatch.setattr(f"promlab.tsdb.data_few.{limit}", most)
        with open_reader(tmp_path) as reader:
            for _ in range(2):
                assert reader.select([match("n", "1")], *ALWAYS).n == 3
            assert reader._excerpts.size == 0
    writing.head.close()


def test_those_used_last_are_kept() -> None:
    labels = LabelTable.from_dicts([{"a": "1"}], Symbols())
    batch = SeriesBatch.from_series(labels, [range(100)], [np.arange(100.0)])
    one = Excerpt(0, 99, batch)
    kept = Excerpts(3 * one.size)
    selectors = [[match("a", str(i))] for i in range(4)]
    for selector in selectors[:3]:
        kept.keep(selector, one, 1)
    assert kept.find(selectors[0], 0, 99, 1) is one
    assert kept.find(selectors[0], 0, 100, 1) is None
    kept.keep(selectors[3], one, 1)
    assert [kept.find(each, 5, 9, 1) is one for each in selectors] == [True, False, True, True]
    assert kept.size == 3 * one.size
    for first in range(100, 200):  # of one selector, for many ranges
        kept.keep(selectors[0], one._replace(first_ms=first, last_ms=first), 1)
    assert kept.size == excerpts._OF_ONE_SELECTOR * one.size
    assert kept.find(selectors[0], 199, 199, 1) is not None
    assert kept.find(selectors[0], 199, 199, 2) is None
    assert kept.size == 0


times = st.integers(-(10**13), 10**13)


@given(
    times, st.integers(0, 10**11), st.lists(st.tuples(times, st.integers(1, 10**11)), max_size=9)
)
def test_a_range_touches_the_same_blocks(
    start: int, length: int, blocks: list[tuple[int, int]]
) -> None:
    spans = [(begin, begin + size) for begin, size in blocks]
    end = start + length
    first, last = range_around(start, end, spans)
    assert -FOREVER < first <= start
    assert end <= last <= FOREVER

    def touched(low: int, high: int) -> list[tuple[int, int]]:
        return [span for span in spans if span[0] <= high and span[1] > low]

    assert touched(first, last) == touched(start, end)


series = st.lists(st.sets(st.integers(0, 12), max_size=8), min_size=1, max_size=6)


@given(series, series, st.integers(-1, 13), st.integers(-1, 14), st.randoms())
def test_cut_out_like_its_plain_twin(
    of_blocks: list[set[int]], of_head: list[set[int]], start: int, end: int, dice: object
) -> None:
    symbols = Symbols()
    shift = 5
    blocks = _batch(of_blocks, symbols)
    lists = [{t + shift for t in one if start <= t + shift <= end} for one in of_head]
    held = _batch(lists, symbols)
    to = np.arange(len(lists))[::-1] + max(0, len(of_blocks) - 2)
    n = max(len(of_blocks), int(to.max()) + 1)
    labels = LabelTable.from_dicts([{"i": str(i)} for i in range(n)], symbols)
    wanted, overlap = {}, False
    for i in range(n):
        mine = [t for t in sorted(of_blocks[i]) if start <= t <= end] if i < len(of_blocks) else []
        at = np.flatnonzero(to == i).tolist()
        theirs = sorted(lists[at[0]]) if at else []
        overlap |= bool(mine and theirs and theirs[0] <= mine[-1])
        samples = [(t, float(t)) for t in mine + theirs]
        if samples:
            wanted[key_of({"i": str(i)})] = [
                (t, int(np.float64(v).view(np.uint64))) for t, v in samples
            ]
    found = with_held(blocks, held, labels, to, start, end)
    if overlap:
        assert found is None
    else:
        assert found is not None
        assert as_dict(found) == wanted
        assert (found.labels is labels) == (found.n == n)


def _batch(lists: list[set[int]], symbols: Symbols) -> SeriesBatch:
    """Series of these times; those that have the same share them."""
    labels = LabelTable.from_dicts([{"x": str(i)} for i in range(len(lists))], symbols)
    batch = SeriesBatch.from_series(labels, list(map(sorted, lists)), list(map(sorted, lists)))
    first = [lists.index(one) for one in lists]
    return batch._replace(times_at=batch.offsets[np.array(first)])
