"""Every file of a block, damaged at every place of its structure: told, set aside, never wrong.

Small files are guarded as a whole by the checksum of their ends. To see what guards the pages of
large ones, the same is done with that checksum narrowed to the footers.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from block_tools import TINY, in_process, settle
from tsdb_model import Key, bits_of, everything, match, table

from promlab.model.histograms import HistogramColumn
from promlab.model.storage import SampleExtras
from promlab.tsdb.blocks import checksums, layout
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.blocks.deletion import delete_series
from promlab.tsdb.blocks.meta import read_meta
from promlab.tsdb.blocks.parquet_read import ParquetFile
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from tests.made_histograms import histogram

Stored = dict[Key, list[tuple[int, int]]]
PARQUET = (layout.SERIES, layout.TIMES, layout.SAMPLES, layout.HISTOGRAMS, layout.TOMBSTONES)


def fill(path: Path) -> None:
    """Two blocks with every kind of row, one of them with tombstones; more in the head."""
    head = in_process(Head.open(path, options=TINY))
    rows = [{"__name__": f"m{i % 3}", "n": str(i), "ü": "é" * (i % 2)} for i in range(8)]
    refs = head.refs(table(head, rows))
    dice = np.random.default_rng(2)
    made = [histogram(positive={1: 2.0, 5: 1.0}), histogram(schema=-53, bounds=(1.0, 2.0))]
    for second in range(200):
        values = np.array([second, second / 8, dice.random(), 4096 * second, 1e300, -0.0, 7, 0.0])
        index = np.full(8, -1, np.int64)
        index[7] = 0
        column = HistogramColumn(made[second % 2], index)
        starts = np.where(np.arange(8) == 0, 1_000, 0)
        times = np.full(8, 1_000 * second)
        head.append_loose(refs, times, values, SampleExtras(column, starts))
    settle(head)
    delete_series(path, [[match("n", "1")]], 5_000, 20_000)
    head.close()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of damaged blocks are told of."""
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "data"
    fill(path)
    return path


def stored(path: Path) -> Stored:
    with open_reader(path) as reader:
        return everything(reader)


def pages(path: Path) -> Iterator[tuple[str, int]]:
    """Where the pages of a Parquet file begin, dictionaries too; and where indexes begin."""
    file = ParquetFile(path)
    for group in file.groups:
        for column in group.columns.values():
            if column.dictionary_at:
                yield f"{column.name}'s dictionary", column.dictionary_at
            for at in column.pages_at.tolist():
                yield f"{column.name}'s page", at


def places(path: Path, *, guarded: bool) -> list[int]:
    """Offsets at every structural place of a file: each byte of headers, samples of the rest."""
    size = path.stat().st_size
    if path.suffix == ".json":
        return list(range(0, size, 12))
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little")
    found = {0, 3, *range(size - 8, size)}  # magic, length of the footer, magic
    begin = size - 8 - footer
    found |= set(range(begin, size - 8, max(1, footer // 25)))
    starts = sorted(at for _, at in pages(path))
    for at, following in zip(starts, [*starts[1:], begin], strict=True):
        found |= set(range(at, min(at + 24, following), 5 if guarded or len(starts) > 6 else 1))
        found |= {at, (at + following) // 2, following - 1}
    return sorted(at for at in found if 0 <= at < size)


def damaged(path: Path, at: int, how: str) -> None:
    """Break a file at an offset. It may be linked from elsewhere: what is there stays."""
    data = path.read_bytes()
    broken = (
        data[:at] if how == "cut" else data[:at] + bytes([data[at] ^ int(how)]) + data[at + 1 :]
    )
    path.unlink()
    path.write_bytes(broken)


def copied(data: Path, to: Path) -> Path:
    shutil.copytree(data, to, copy_function=os.link)
    for name in ("lock", "head", "chunks", "wal"):  # what a reader or a head may write to
        part = to / name
        if part.is_dir():
            shutil.rmtree(part)
            shutil.copytree(data / name, part)
    return to


def read(path: Path, name: str) -> tuple[Stored, bool]:
    """What is there, and whether the block is told to be damaged."""
    with open_reader(path) as reader:
        return everything(reader), name in reader.blocks.damaged


def without(whole: Stored, rest: Stored) -> bool:
    """Whether `rest` is a part of `whole`: nothing else, and in order."""
    return all(set(samples) <= set(whole.get(key, [])) for key, samples in rest.items())


def check(data: Path, tmp_path: Path, name: str, file: str, hows: tuple[str, ...]) -> set[str]:
    """Damage one file of a block at all places, one by one; what came of it."""
    whole = stored(data)
    lost = copied(data, tmp_path / "lost")
    shutil.rmtree(lost / name)
    others = stored(lost)
    outcomes = set()
    for at in places(data / name / file, guarded="cut" in hows):
        for how in hows:
            path = copied(data, tmp_path / "one")
            damaged(path / name / file, at, how)
            found, told = read(path, name)
            outcome = "harmless" if found == whole else "set aside" if found == others else "wrong"
            assert outcome != "wrong", (file, at, how)
            assert told or outcome == "harmless", (file, at, how)
            outcomes.add(outcome)
            shutil.rmtree(path)
    return outcomes


@pytest.mark.parametrize("file", [layout.META, *PARQUET])
def test_small_files_are_guarded_as_a_whole(data: Path, tmp_path: Path, file: str) -> None:
    name = block_names(data)[0]
    outcomes = check(data, tmp_path, name, file, ("1", "cut"))
    assert "set aside" in outcomes
    # Blanks and the like; what guards tombstones are the pages' own checksums.
    assert "harmless" not in outcomes or file in (layout.META, layout.TOMBSTONES)


@pytest.mark.parametrize("file", PARQUET[:4])
def test_pages_are_guarded_by_themselves(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setattr(checksums, "_TAIL", 0)
    whole = copied(data, tmp_path / "narrow")
    for name in block_names(whole):
        reseal(whole / name)
    name = block_names(whole)[0]
    outcomes = check(whole, tmp_path, name, file, ("129",))
    assert "set aside" in outcomes


def reseal(block: Path) -> None:
    """Write the checksums of a block's files into its meta.json anew."""
    from dataclasses import replace

    from promlab.tsdb.blocks.meta import write_meta

    meta = replace(read_meta(block), files=checksums.file_facts(block))
    (block / layout.META).unlink()
    write_meta(block, meta)
    Block(block).verify()


def test_a_missing_file(data: Path, tmp_path: Path) -> None:
    name, whole = block_names(data)[0], stored(data)
    for file in (layout.META, *PARQUET[:4]):
        path = copied(data, tmp_path / "one")
        (path / name / file).unlink()
        found, _ = read(path, name)
        assert found != whole
        assert without(whole, found)
        shutil.rmtree(path)


def test_a_head_sets_a_damaged_block_aside(data: Path, tmp_path: Path) -> None:
    name = block_names(data)[0]
    path = copied(data, tmp_path / "one")
    damaged(path / name / layout.SAMPLES, 100, "1")
    head = in_process(Head.open(path, options=TINY))
    assert head.blocks is not None
    assert head.blocks.stats.damaged == 1
    assert (path / f"{name}{layout.ASIDE}").is_dir()
    refs = head.refs(table(head, [{"__name__": "later"}]))
    head.append_loose(refs, np.array([500_000]), np.array([1.0]))
    head.commit()
    with open_reader(path) as reader:
        found = everything(reader)
    assert found[(("__name__", "later"),)] == [(500_000, bits_of(1.0))]
    assert len(found) > 1
    head.close()
