"""The Parquet files of blocks: any reader reads them, ours refuses what is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from promlab.errors import StorageError
from promlab.tsdb.blocks import parquet_kernels as k
from promlab.tsdb.blocks.parquet_read import ParquetFile
from promlab.tsdb.blocks.parquet_write import Column, Lists, ParquetWriter, Texts

COLUMNS = [
    Column("id", "int", bounds=True),
    Column("share", "float"),
    Column("name", "text"),
    Column("n", "ints"),
    Column("x", "floats"),
]
TEXTS = ["", "a", "été", "\N{SNOWMAN}" * 40, *(f"value {i}" for i in range(300))]


def group(seed: int, rows: int) -> dict[str, object]:
    dice = np.random.default_rng(seed)
    counts = dice.integers(0, 60, rows)
    others = np.where(counts > 0, 0, dice.integers(0, 3, rows))
    spread = 10 ** dice.integers(0, 18, int(counts.sum()))
    return {
        "id": dice.integers(-(2**62), 2**62, rows) if seed % 2 else np.arange(rows),
        "share": dice.random(rows),
        "name": Texts(dice.integers(-1, len(TEXTS), rows), TEXTS),
        "n": Lists(counts, dice.integers(-spread, spread)),
        "x": Lists(others, dice.random(int(others.sum()))),
    }


def write(path: Path) -> list[dict[str, object]]:
    writer = ParquetWriter(path, COLUMNS)
    groups = [group(seed, rows) for seed, rows in enumerate((5_000, 1, 700))]
    for one in groups:
        writer.write(one)
    assert writer.close() == path.stat().st_size
    return groups


def expected(groups: list[dict[str, object]]) -> dict[str, list[object]]:
    out: dict[str, list[object]] = {column.name: [] for column in COLUMNS}
    for one in groups:
        for name, values in one.items():
            if isinstance(values, Texts):
                out[name] += [TEXTS[c] if c >= 0 else None for c in values.codes.tolist()]
            elif isinstance(values, Lists):
                ends = np.cumsum(values.counts)
                spans = zip((ends - values.counts).tolist(), ends.tolist(), strict=True)
                out[name] += [values.items[low:high].tolist() for low, high in spans]
            else:
                out[name] += values.tolist()  # type: ignore[attr-defined]
    return out


def test_every_reader_reads_it(tmp_path: Path) -> None:
    import duckdb
    import pyarrow.parquet as pq

    path = tmp_path / "all.parquet"
    wanted = expected(write(path))
    assert pl.read_parquet(path).to_dict(as_series=False) == wanted
    assert pq.read_table(path).to_pydict() == wanted
    columns = ", ".join(wanted)
    rows = duckdb.sql(f"select {columns} from '{path}'").fetchall()
    assert rows == list(zip(*wanted.values(), strict=True))


def test_it_reads_itself(tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    groups = write(path)
    file = ParquetFile(path)
    assert [one.rows for one in file.groups] == [5_000, 1, 700]
    for one, wanted in zip(file.groups, groups, strict=True):
        assert (file.ints(one, "id") == wanted["id"]).all()
        assert (file.floats(one, "share") == wanted["share"]).all()
        codes, texts = file.texts(one, "name")
        names = wanted["name"]
        assert isinstance(names, Texts)
        found = [texts[code] if code >= 0 else None for code in codes.tolist()]
        assert found == [TEXTS[c] if c >= 0 else None for c in names.codes.tolist()]
        for name in ("n", "x"):
            lists = wanted[name]
            assert isinstance(lists, Lists)
            items = file.lists(one, name)
            items = items.view(np.float64) if name == "x" else items
            assert (items == lists.items).all()
            assert (file.list_counts(one, name) == lists.counts).all()
        assert one.columns["id"].low == np.min(wanted["id"])


def test_damage_is_an_error_or_without_effect(tmp_path: Path) -> None:
    """No flipped byte is a crash; pages have checksums, the rest is checked by meta.json."""
    path, hurt = tmp_path / "all.parquet", tmp_path / "hurt.parquet"
    write(path)
    data = path.read_bytes()
    dice = np.random.default_rng(3)
    refused = 0
    for at in [*range(12), *dice.integers(0, len(data), 150), *range(len(data) - 30, len(data))]:
        broken = bytearray(data)
        broken[at] ^= 1 << int(dice.integers(0, 8))
        hurt.write_bytes(broken)
        try:
            read_all(ParquetFile(hurt))
        except StorageError as error:
            refused += str(hurt) in str(error)
    assert refused > 150
    for size in dice.integers(0, len(data), 40).tolist():
        hurt.write_bytes(data[:size])
        with pytest.raises(StorageError):
            read_all(ParquetFile(hurt))


def read_all(file: ParquetFile) -> None:
    for one in file.groups:
        file.ints(one, "id")
        file.floats(one, "share")
        file.texts(one, "name")
        for name in ("n", "x"):
            file.lists(one, name)
            file.list_counts(one, name)


def plain_runs(data: bytes, width: int, n: int) -> list[int]:
    """RLE runs and bit-packed groups, read the slow way."""
    out: list[int] = []
    at = 0
    while len(out) < n:
        head = shift = 0
        while True:
            head |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        size = (width + 7) // 8
        if head & 1:
            bits = int.from_bytes(data[at : at + (head >> 1) * width], "little")
            out += [bits >> i * width & (1 << width) - 1 for i in range((head >> 1) * 8)]
            at += (head >> 1) * width
        else:
            out += [int.from_bytes(data[at : at + size], "little")] * (head >> 1)
            at += size
    return out[:n]


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 13, 20])
def test_runs(width: int) -> None:
    dice = np.random.default_rng(width)
    parts = [dice.integers(0, 1 << width, int(dice.integers(1, 40))) for _ in range(40)]
    runs = [np.full(int(n), dice.integers(0, 1 << width)) for n in dice.integers(1, 60, 40)]
    values = np.concatenate([one for pair in zip(parts, runs, strict=True) for one in pair])
    out = np.zeros(16 * len(values) + 64, np.uint8)
    end = k.runs_encode(values, width, out, 0)
    assert plain_runs(out[:end].tobytes(), width, len(values)) == values.tolist()
    found = np.empty(len(values), np.int64)
    assert k.runs_decode(out[: end + 8], 0, end, width, found) == end
    assert (found == values).all()


@pytest.mark.parametrize("n", [0, 1, 2, 32, 33, 128, 129, 130, 1000])
@pytest.mark.parametrize("spread", [1, 2, 5, 300, 2**20, 2**40, 2**62])
def test_delta(n: int, spread: int) -> None:
    values = np.random.default_rng(n).integers(-spread, spread, n)
    out = np.zeros(64 + 12 * n, np.uint8)
    end = k.delta_encode(values, out, 0)
    found = np.zeros(n, np.int64)
    assert k.delta_decode(np.append(out[:end], np.zeros(8, np.uint8)), 0, end, found) == n
    assert (found == values).all()


def ends_of(values: np.ndarray) -> int:
    out = np.zeros(64 + 12 * len(values), np.uint8)
    end = k.delta_encode(values, out, 0)
    found = np.zeros(len(values), np.int64)
    assert k.delta_decode(np.append(out[:end], np.zeros(8, np.uint8)), 0, end, found) == len(found)
    assert (found == values).all()
    return end


@pytest.mark.parametrize("jump", [-(2**30), 2**30, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("period", [60, 200])
def test_a_jump_makes_only_its_own_miniblock_wide(jump: int, period: int) -> None:
    dice = np.random.default_rng(period)
    steady = np.cumsum(dice.integers(0, 16, 12_800))
    starts = (np.arange(12_800) // period % 2).astype(np.int64) * np.int64(jump)
    with np.errstate(over="ignore"):
        jumping = steady + starts
    jumps = len(steady) // period
    assert ends_of(jumping) <= ends_of(steady) + jumps * 8 * k.MINI


def test_jumps_are_what_any_reader_takes(tmp_path: Path) -> None:
    dice = np.random.default_rng(7)
    rows = [np.cumsum(dice.integers(0, 9, 100)) + int(dice.integers(0, 2**50)) for _ in range(50)]
    writer = ParquetWriter(tmp_path / "x.parquet", [Column("n", "ints")])
    writer.write({"n": Lists(np.full(50, 100), np.concatenate(rows))})
    writer.close()
    import duckdb

    asked = [one.tolist() for one in rows]
    assert pl.read_parquet(tmp_path / "x.parquet")["n"].to_list() == asked
    assert [
        one for (one,) in duckdb.sql(f"select n from '{tmp_path}/x.parquet'").fetchall()
    ] == asked
