"""Few series of blocks: what the short way finds is what the long one gathers, or it says no."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from block_tools import settle
from hypothesis import given, settings
from hypothesis import strategies as st
from test_blocks import Writing
from tsdb_model import ALWAYS, as_dict, key_of, match

from promlab.errors import TooManySamples
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks import layout
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.blocks.contents import Contents
from promlab.tsdb.blocks.few_series import FewSeries
from promlab.tsdb.blocks.merge import assemble
from promlab.tsdb.blocks.pieces import BlockPart
from promlab.tsdb.blocks.union import unite
from promlab.tsdb.blocks.write import BlockWriter, series_order
from promlab.tsdb.index import Verdicts
from promlab.tsdb.open import open as open_reader

MANY = 1 << 20
SELECTORS = [
    [],
    [match("n", "4")],
    [match("n", "4"), match("instance", "b", "!=")],
    [match("__name__", "m1"), match("n", "[15]", "=~")],
    [match("__name__", "m0"), match("n", "0|8", "!~"), match("instance", "a")],
    [match("__name__", "m0"), match("nobody", "")],
    [match("nobody", "x", "!=")],
    [match("nobody", "x?", "=~")],
    [match("instance", "", "=~")],
    [match("__name__", "m1|m2|none", "=~"), match("instance", "c")],
    [match("__name__", "none")],
    [match("nobody", "x")],
    [match("n", "x")],
]
times = st.integers(-2_000, 312_000)


class Both:
    """Blocks of one directory, read both ways."""

    def __init__(self, path: Path, contents: Contents | None = None) -> None:
        self.blocks = [Block(path / name) for name in block_names(path)]
        self.symbols = Symbols()
        self.verdicts = Verdicts(self.symbols)
        self.few = FewSeries(self.blocks, self.verdicts, contents or Contents())

    def gathered(self, matchers: list[Matcher], start: int, end: int) -> SeriesBatch:
        found = [block.index(self.verdicts).select(matchers) for block in self.blocks]
        tables = [selection.labels for selection in found]
        union = unite([table for table in tables if table is not None], self.symbols)
        parts = [
            BlockPart(block, selection.series, to, start, end)
            for block, selection, to in zip(self.blocks, found, union.rows, strict=True)
        ]
        return assemble(union.labels, parts, None, start, end)

    def few_of(self, matchers: list[Matcher], start: int, end: int) -> SeriesBatch | None:
        found = self.few.find(matchers)
        assert found is not None
        return self.few.read(found, start, end, MANY)


def same(found: SeriesBatch | None, wanted: SeriesBatch) -> None:
    assert found is not None
    assert as_dict(found) == as_dict(wanted)
    assert list(found.labels.rows()) == list(wanted.labels.rows())
    shared = np.diff(wanted.times_at) == 0  # by neighbours
    assert (np.diff(found.times_at)[shared] == 0).all()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("few") / "data"
    writing = Writing(path)
    writing.scrape(1, 310)
    writing.loose(range(1_000, 310_000, 3_000))
    settle(writing.head)
    writing.head.close()
    assert len(block_names(path)) > 1
    return path


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SELECTORS), times, times), min_size=1, max_size=8))
def test_the_same_as_gathered(data: Path, asked: list[tuple[list[Matcher], int, int]]) -> None:
    both = Both(data, Contents(20_000))  # too little to keep them all
    for matchers, one, other in asked:
        start, end = min(one, other), max(one, other)
        same(both.few_of(matchers, start, end), both.gathered(matchers, start, end))
    assert both.few._contents.size <= 20_000


def test_first_queries_of_a_reader_come_this_way(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_reader(data) as reader:
        wanted = [as_dict(reader.gathered(each, *ALWAYS).whole()) for each in SELECTORS]
        monkeypatch.setattr(reader, "_with_blocks", None)  # the other way would fail
        assert [as_dict(reader.select(each, *ALWAYS)) for each in SELECTORS] == wanted


def test_what_is_too_much_to_keep(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promlab.tsdb.data_few.SAMPLES", 100)
    with open_reader(data) as reader:
        wanted = as_dict(reader.gathered([], 5_000, 250_000).whole())
        monkeypatch.setattr(reader, "_with_blocks", None)
        for _ in range(3):
            assert as_dict(reader.select([], 5_000, 250_000)) == wanted
        assert reader._excerpts.size == 0
        monkeypatch.undo()
        monkeypatch.setattr("promlab.tsdb.data_few.SAMPLES", 100)
        monkeypatch.setattr("promlab.tsdb.data_few.LARGE", 100)
        assert as_dict(reader.select([], 5_000, 250_000)) == wanted
    few = Both(data).few
    found = few.find([])
    assert found is not None
    with pytest.raises(TooManySamples):
        few.read(found, *ALWAYS, 100)


def test_samples_in_two_places_are_left_to_the_other_way(data: Path) -> None:
    both = Both(data)
    both.few = FewSeries([*both.blocks, both.blocks[0]], both.verdicts, Contents())
    assert both.few_of([match("n", "4")], *ALWAYS) is None
    beyond = both.blocks[0].meta.max_time + 1, 10**9
    same(both.few_of([match("n", "4")], *beyond), both.gathered([match("n", "4")], *beyond))


labels = st.fixed_dictionaries(
    {"__name__": st.sampled_from(["a", "b", ""])},
    optional={"x": st.sampled_from(["1", "2", "3"]), "y": st.sampled_from(["", "1", "é"])},
)
tables = st.lists(labels, min_size=1, max_size=12, unique_by=lambda row: key_of(without(row)))
matcher = st.builds(
    match,
    st.sampled_from(["__name__", "x", "y", "z"]),
    st.sampled_from(["", "a", "1", "2", "1|2", "a|", ".+", "[^1]*"]),
    st.sampled_from(["=", "!=", "=~", "!~"]),
)


def without(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if value}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(tables, min_size=1, max_size=4), st.lists(st.lists(matcher, max_size=3), max_size=4)
)
def test_series_are_found_like_one_by_one(
    tmp_path_factory: pytest.TempPathFactory,
    of_blocks: list[list[dict[str, str]]],
    asked: list[list[Matcher]],
) -> None:
    path = tmp_path_factory.mktemp("labels")
    for at, rows in enumerate(of_blocks):
        write(path, rows, 1_000 * at)
    both = Both(path)
    for matchers in asked:
        found = both.few.find(matchers)
        wanted = {
            key_of(without(row))
            for rows in of_blocks
            for row in rows
            if all(one.matches(row.get(one.name, "")) for one in matchers)
        }
        assert found is not None
        listed = list(map(key_of, found.labels.rows()))
        assert len(listed) == len(wanted)
        assert set(listed) == wanted
        same(both.few_of(matchers, *ALWAYS), both.gathered(matchers, *ALWAYS))
    shutil.rmtree(path)


def write(path: Path, rows: list[dict[str, str]], t_ms: int) -> None:
    """A block with one sample of each series."""
    table = LabelTable.from_dicts(list(map(without, rows)), Symbols())
    table = table.take(series_order(table))
    writer = BlockWriter(path, table)
    every = [[float(i)] for i in range(table.n)]
    batch = SeriesBatch.from_series(table, [[t_ms]] * table.n, every)
    writer.add(np.arange(table.n), batch)
    writer.finish()


def test_so_many_series_and_no_more(tmp_path: Path) -> None:
    write(tmp_path, [{"__name__": "a", "x": str(i)} for i in range(300)], 0)
    few = Both(tmp_path).few
    assert few.find([]) is None
    assert few.find([match("x", "1", "!=")]) is None
    found = few.find([match("x", "1.?.?", "=~")])
    assert found is not None
    assert found.labels.n == 111


def test_damage_ends_as_it_does_the_other_way(data: Path, tmp_path: Path) -> None:
    dice, damaged = np.random.default_rng(4), 0
    for round_ in range(12):
        folder = tmp_path / str(round_)
        shutil.copytree(data, folder)
        with open_reader(folder) as reader, open_reader(folder) as other:
            for each in (reader, other):  # opened while it is sound
                each.select([match("n", "x")], *ALWAYS)
            name = block_names(folder)[int(dice.integers(len(block_names(folder))))]
            file = folder / name / (layout.SAMPLES, layout.TIMES)[round_ % 2]
            with file.open("r+b") as opened:
                opened.seek(int(dice.integers(4, file.stat().st_size // 2)))
                opened.write(dice.bytes(64))
            found = as_dict(reader.select([match("n", "[1-8]", "=~")], *ALWAYS))
            wanted = as_dict(other.gathered([match("n", "[1-8]", "=~")], *ALWAYS).whole())
            assert found == wanted
            assert reader.blocks.damaged.keys() == other.blocks.damaged.keys()
            damaged += len(reader.blocks.damaged)
    assert damaged > 3
