"""Pages that are unpacked together are what they are one by one; damage is an error."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import zstandard
from block_tools import settle
from test_blocks import Writing
from tsdb_model import ALWAYS

from promlab.errors import StorageError
from promlab.model.tiles import Tile
from promlab.tsdb.blocks import parquet_write, tile_rows, tiles
from promlab.tsdb.blocks.packed_pages import PackedPage, unpack_together
from promlab.tsdb.blocks.parquet_read import ParquetFile
from promlab.tsdb.blocks.parquet_write import Column, Lists, ParquetWriter
from promlab.tsdb.open import open as open_reader

NO_LEVELS = bytes(8)


def written(path: Path) -> ParquetFile:
    """Three pages of integers and three of doubles."""
    dice = np.random.default_rng(1)
    counts = dice.integers(0, 60, 3_000)
    n = int(counts.sum())
    columns = [Column("id", "int"), Column("n", "ints"), Column("x", "floats")]
    writer = ParquetWriter(path, columns)
    writer.write(
        {
            "id": np.arange(len(counts)),
            "n": Lists(counts, dice.integers(-(10**9), 10**9, n)),
            "x": Lists(counts, dice.random(n)),
        }
    )
    writer.write({"id": np.arange(1), "n": Lists(np.ones(1, np.int64), np.arange(1)), "x": NOTHING})
    writer.close()
    return ParquetFile(path)


NOTHING = Lists(np.zeros(1, np.int64), np.zeros(0))


def packed(plain: bytes, most: int, *, doubles: bool) -> PackedPage:
    frame = zstandard.ZstdCompressor().compress(plain)
    return PackedPage(memoryview(frame), len(plain), most, doubles)


def test_together_as_one_by_one(tmp_path: Path) -> None:
    file = written(tmp_path / "all.parquet")
    chunks = [one.columns[name] for one in file.groups for name in ("x", "n")]
    pages = [(chunk, page) for chunk in chunks for page in range(len(chunk.pages_at))]
    assert len(pages) > 6
    wanted = [file.items(chunk, page).tolist() for chunk, page in pages]
    together = [file.packed(chunk, page) for chunk, page in pages]
    assert [one.tolist() for one in unpack_together(together)] == wanted
    assert [one.tolist() for one in unpack_together(together[-1:])] == wanted[-1:]
    assert unpack_together([]) == []


def test_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    file = written(tmp_path / "all.parquet")
    good = file.packed(file.groups[0].columns["n"], 0)
    dice = np.random.default_rng(2)
    for at in [*range(12), *dice.integers(0, len(good.frame), 200).tolist()]:
        frame = bytearray(good.frame)
        frame[at] ^= 1 << int(dice.integers(0, 8))
        try:  # of a flag that nobody reads: without effect
            found = unpack_together([good, good._replace(frame=memoryview(frame))])
        except StorageError:
            continue
        assert at < 12
        assert found[0].tolist() == found[1].tolist()
    with pytest.raises(StorageError):
        unpack_together([good, good._replace(frame=good.frame[:-1])])
    with pytest.raises(StorageError):
        unpack_together([good._replace(size=good.size + 1)])


@pytest.mark.parametrize(
    ("plain", "doubles"),
    [
        (b"\xff\xff\xff\xff" + bytes(12), True),  # levels longer than the page
        (bytes(4) + b"\x05\0\0\0" + bytes(4), True),
        (bytes(4) + b"\x01\0\0\0", False),
        (b"\x02\0\0\0" + bytes(5), True),  # no room for the second levels
        (NO_LEVELS + bytes(7), True),  # a part of a double
        (NO_LEVELS + bytes(24), True),  # more doubles than it says
        (NO_LEVELS, False),  # no deltas
        (NO_LEVELS + b"\x80\x01\x04\x03\x00", False),  # they end too early
        (NO_LEVELS + b"\x80\x01\x04\x03\x00\x00\x40\0\0\0" + bytes(99), False),
    ],
)
def test_contents_that_make_no_sense(plain: bytes, doubles: bool) -> None:
    good = packed(NO_LEVELS + bytes(16), 2, doubles=True)
    assert [one.tolist() for one in unpack_together([good])] == [[0, 0]]
    with pytest.raises(StorageError):
        unpack_together([good, packed(plain, 2, doubles=doubles)])


def test_a_page_without_lists_is_refused(tmp_path: Path) -> None:
    """A page shorter than its levels must not get to the decompressor."""
    file = written(tmp_path / "all.parquet")
    with pytest.raises(StorageError):
        file.packed(file.groups[1].columns["id"], 0)


@pytest.mark.parametrize("kept", [1, 64])
def test_readers_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    """Two readers that want the same pages share them, and take many in several goes."""
    monkeypatch.setattr(parquet_write, "PAGE_VALUES", 64)
    monkeypatch.setattr(tiles, "_PAGES_AT_ONCE", 5)
    monkeypatch.setattr(tile_rows, "_KEPT_PAGES", kept)
    monkeypatch.setattr(tile_rows, "_SHARED", -1)  # as if rows were scattered over many tiles
    at_once: list[int] = []

    def counted(pages: Sequence[PackedPage]) -> list[npt.NDArray[np.int64]]:
        at_once.append(len(pages))
        return unpack_together(pages)

    monkeypatch.setattr(tile_rows, "unpack_together", counted)
    writing = Writing(tmp_path)
    writing.scrape(1, 200)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        series = reader.gathered([], *ALWAYS)
        edges = np.array([0, series.labels.n])
        alone = series.open(edges, 1)[0](0)
        assert alone is not None
        assert max(at_once) <= 5
        assert sum(at_once) > 20
        wanted = samples_of(alone)
        for _ in range(20):
            readers = series.open(edges, 3)
            with ThreadPoolExecutor(len(readers)) as pool:
                found = list(pool.map(lambda read: read(0), readers))
            for tile in found:
                assert tile is not None
                assert samples_of(tile) == wanted
    writing.head.close()


@pytest.mark.parametrize("values", [64, 100_000])
def test_pages_of_one_tile_and_of_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: int
) -> None:
    """Where pages are a tile's own, each is unpacked for itself; where not, they are shared."""
    monkeypatch.setattr(tiles, "_PAGES_AT_ONCE", 3)
    shared: list[int] = []

    def counted(pages: Sequence[PackedPage]) -> list[npt.NDArray[np.int64]]:
        shared.append(len(pages))
        return unpack_together(pages)

    monkeypatch.setattr(tile_rows, "unpack_together", counted)
    monkeypatch.setattr(parquet_write, "PAGE_VALUES", values)
    writing = Writing(tmp_path)
    writing.scrape(1, 200)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        series = reader.gathered([], *ALWAYS)
        n = series.labels.n
        wanted = series.whole().values.tobytes()
        for edges in (np.array([0, n]), np.array([0, n // 2, n]), np.arange(n + 1)):
            shared.clear()
            reads, found = series.open(edges, 2), b""
            for number in range(len(edges) - 1):
                tile = reads[number % 2](number)
                assert tile is not None
                found += tile.values[tile.offsets[0] : tile.offsets[-1]].tobytes()
            assert found == wanted
            assert bool(shared) == (values > 64 and len(edges) > 3)
    writing.head.close()


def samples_of(tile: Tile) -> tuple[list[int], list[int], bytes]:
    """Everything but what the memory behind them happens to hold."""
    n = int(tile.offsets[-1])
    return tile.offsets.tolist(), tile.t_ms.tolist(), tile.values[:n].tobytes()
