"""Series read a few at a time: what is usual comes that way, the rest whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from block_tools import settle
from test_blocks import Writing
from tsdb_model import ALWAYS, as_dict, match, tile_by_tile

from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import SeriesBatch
from promlab.model.tiles import BatchTiles, TiledQuerier, tile_edges
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.open import open as open_reader


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(("start", "end"), [ALWAYS, (130_000, 141_000), (290_000, 10**9), (0, 1)])
def test_head_and_blocks(tmp_path: Path, size: int, start: int, end: int) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 100)
    head_alone = open_reader(tmp_path)
    assert isinstance(head_alone, TiledQuerier)
    assert tile_by_tile(head_alone, [], start, end, size) == as_dict(
        head_alone.select([], start, end)
    )
    writing.scrape(101, 210)
    writing.loose(range(1_000, 311_000, 3_000))
    settle(writing.head)
    assert len(block_names(tmp_path)) > 1
    with open_reader(tmp_path) as reader:
        for matchers in ([], [match("n", "[57]", "=~")], [match("n", "9")]):
            wanted = as_dict(reader.select(matchers, start, end))
            assert tile_by_tile(reader, matchers, start, end, size) == wanted
    writing.head.close()


def test_damage_is_left_to_the_other_way(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 310)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        tiles = reader.gathered([], *ALWAYS)
        samples = tmp_path / block_names(tmp_path)[0] / "samples.parquet"
        data = bytearray(samples.read_bytes())
        data[200:2000] = b"x" * 1800
        with samples.open("r+b") as file:
            file.write(data)
        edges = np.array([0, tiles.labels.n])
        assert tiles.open(edges, 1)[0](0) is None
        # Read without the block, as of now.
        assert 0 < tiles.whole().sample_count < sum(map(len, writing.wanted().values()))
    writing.head.close()


def test_edges() -> None:
    most_at = np.array([0, 5, 5, 9, 30, 31, 32])
    assert tile_edges(most_at, 0, 2).tolist() == [0, 3, 6]
    assert tile_edges(most_at, 0, 4).tolist() == [0, 3, 4, 6]
    assert tile_edges(most_at, 1000, 3).tolist() == [0, 2, 4, 6]
    assert tile_edges(most_at, 1, 100).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert tile_edges(np.zeros(1, np.int64), 1, 4).tolist() == [0]
    assert tile_edges(np.zeros(4, np.int64), 0, 2).tolist() == [0, 3]


def test_a_batch() -> None:
    labels = LabelTable.from_dicts([{"a": "1"}, {"a": "2"}, {"a": "3"}], Symbols())
    batch = SeriesBatch.from_series(labels, [[1, 2], [], [3]], [[10, 20], [], [30]])
    tiles = BatchTiles(batch)
    tile = tiles.open(np.array([0, 1, 3]), 1)[0](1)
    assert tile is not None
    assert (tile.n, tile.sample_count) == (2, 1)
    assert tile.values[tile.offsets[1] : tile.offsets[2]].tolist() == [30]
    assert tiles.whole() is batch
