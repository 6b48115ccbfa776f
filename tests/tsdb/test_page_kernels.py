"""Some items of some pages are those that reading the whole page gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promlab.tsdb.blocks.few_place_kernels import PIECE_LONGS
from promlab.tsdb.blocks.page_kernels import PAGE_LONGS, fill_few
from promlab.tsdb.blocks.parquet_read import ParquetFile
from promlab.tsdb.blocks.parquet_write import Column, Lists, ParquetWriter

WIDTHS = [0, 1, 2, 3, 4, 7, 8, 11, 16, 31, 56, 57, 64]
N = 3_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ParquetFile:
    """A page of integers for each width of deltas, one of all widths, one of doubles."""
    dice = np.random.default_rng(7)
    writer = ParquetWriter(
        tmp_path_factory.mktemp("pages") / "p", [Column("n", "ints"), Column("x", "floats")]
    )
    counts = np.full(N // 10, 10)
    parts = [deltas(dice, np.full(N, width)) for width in WIDTHS]
    parts.append(deltas(dice, np.repeat(dice.choice(WIDTHS, N // 30 + 1), 30)[:N]))
    for part in parts:
        writer.write({"n": Lists(counts, part), "x": Lists(counts, dice.random(N))})
    writer.close()
    return ParquetFile(writer.path)


def deltas(dice: np.random.Generator, widths: np.ndarray) -> np.ndarray:
    """Integers whose neighbours differ by so many bits."""
    noise = dice.integers(0, 2**63, N, np.uint64) * np.uint64(2) + dice.integers(0, 2, N, np.uint64)
    shifts = (64 - widths).astype(np.uint64)
    steps = np.where(widths == 0, np.uint64(0), noise >> np.minimum(shifts, np.uint64(63)))
    return np.cumsum(np.where(widths == 64, noise, steps) + np.uint64(3)).astype(np.int64)


edges = st.lists(st.integers(0, N), min_size=2, max_size=8, unique=True).map(sorted)


@given(st.lists(st.tuples(st.integers(0, len(WIDTHS)), st.booleans(), edges), max_size=4))
def test_like_whole_pages(file: ParquetFile, asked: list[tuple[int, bool, list[int]]]) -> None:
    pieces, contents, wanted = [], [], [np.zeros(0, np.int64)]
    pages = list[tuple[int, ...]]()
    to = 0
    for group, doubles, at in asked:
        chunk = file.groups[group].columns["x" if doubles else "n"]
        header, plain = file._unzipped(int(chunk.pages_at[0]))
        whole = file.items(chunk, 0)
        contents.append(np.frombuffer(plain, np.uint8).copy())
        for low, high in zip(at[::2], at[1::2], strict=False):
            pieces.append((0, low, high - low, -1, len(pages), 0, 0, 0, to, -1))
            wanted.append(whole[low:high])
            to += high - low
        pages.append((0, 0, 0, 0, len(plain), header[5][1], doubles))
    bits = np.full(to, -7, np.int64)
    rows = np.array(pieces[::-1], np.int64).reshape(-1, PIECE_LONGS)
    table = np.array(pages, np.int64).reshape(-1, PAGE_LONGS)
    addresses = np.array([one.__array_interface__["data"][0] for one in contents], np.uint64)
    assert fill_few(rows, table, addresses, bits, np.zeros(0, np.int64))
    assert bits.tolist() == np.concatenate(wanted).tolist()


@pytest.mark.parametrize("kind", ["n", "x"])
@pytest.mark.parametrize(("low", "count"), [(N - 1, 2), (N, 1), (-1, 1), (1 << 40, 1)])
def test_items_that_are_not_there(file: ParquetFile, kind: str, low: int, count: int) -> None:
    chunk = file.groups[4].columns[kind]
    header, plain = file._unzipped(int(chunk.pages_at[0]))
    content = np.frombuffer(plain, np.uint8).copy()
    pieces = np.array([(0, low, count, -1, 0, 0, 0, 0, 0, -1)], np.int64)
    pages = np.array([(0, 0, 0, 0, len(plain), header[5][1], kind == "x")], np.int64)
    address = np.array([content.__array_interface__["data"][0]], np.uint64)
    bits = np.zeros(4, np.int64)
    assert not fill_few(pieces, pages, address, bits, np.zeros(0, np.int64))


@given(
    st.integers(0, len(WIDTHS)), st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=9)))
)
def test_damage_stays_inside(file: ParquetFile, group: int, hits: list[tuple[int, bytes]]) -> None:
    chunk = file.groups[group].columns["n"]
    header, plain = file._unzipped(int(chunk.pages_at[0]))
    damaged = bytearray(plain)
    for at, noise in hits:
        damaged[at : at + len(noise)] = noise
    content = np.frombuffer(bytes(damaged[: len(plain)]), np.uint8).copy()
    pieces = np.array([(0, at, 100, -1, 0, 0, 0, 0, at, -1) for at in range(0, N, 300)], np.int64)
    pages = np.array([(0, 0, 0, 0, len(content), header[5][1], 0)], np.int64)
    address = np.array([content.__array_interface__["data"][0]], np.uint64)
    bits = np.full(N + 100, -7, np.int64)
    fill_few(pieces, pages, address, bits, np.zeros(0, np.int64))
    for at in range(0, N, 300):
        assert (bits[at + 100 : at + 300] == -7).all()
