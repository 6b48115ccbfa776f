"""A chunk file with a damaged chunk: one chunk is lost, told of and set aside, the rest serves."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_head_damage import OPTIONS, ROWS, fill, steps_seen
from test_head_model import kill
from tsdb_model import ALWAYS, match, table

from promlab.errors import StorageError
from promlab.tsdb.blocks.cut_record import Cut, path_of, read_cut, write_cut
from promlab.tsdb.blocks.head_cut import cut_head
from promlab.tsdb.chunk_check import ENTRY_BYTES
from promlab.tsdb.chunk_file import ChunkFile
from promlab.tsdb.chunks import data_path, files, index_path
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader

SMALL = replace(OPTIONS, chunk_file_bytes=6_000, segment_bytes=2_000, chunk_file_s=1e9)
WORDS = ["owner", "first", "last", "offset", "size", "checksum"]
STEPS = 640  # ten chunks of the group


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """Several closed chunk files of one group, and nothing of them in the log any more."""
    head = Head.open(tmp_path, options=SMALL)
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, ROWS))
    for step in range(STEPS):
        group.append(1000 * step, slots, np.arange(10.0) + step)
        if step % 64 == 63:
            head.commit()
            head.sealer.seal_group(0)
            if step % 256 == 255:
                head.end_files()
        head.commit()
    head.close()
    assert files(tmp_path / "chunks") == [1, 2, 3]
    return tmp_path


def entry_of(path: Path, number: int, entry: int) -> list[int]:
    longs = np.fromfile(index_path(path / "chunks", number), np.int64)
    return longs.reshape(-1, ENTRY_BYTES // 8)[entry].tolist()


def damage(path: Path, what: str) -> None:
    """Damage the second chunk of the first file."""
    chunks = path / "chunks"
    offset = entry_of(path, 1, 1)[3]
    if what == "data":
        flip(data_path(chunks, 1), offset + 20)
    else:
        flip(index_path(chunks, 1), ENTRY_BYTES + 8 * WORDS.index(what))


LOST = set(range(64, 128))


@pytest.mark.parametrize("what", ["data", *WORDS])
def test_one_chunk_is_lost_and_set_aside(
    closed: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage(closed, what)
    before = ChunkFile.all_damaged
    assert steps_seen(closed) == set(range(STEPS)) - LOST
    assert "chunks/00000001: 1 of 4 chunks are damaged" in caplog.text
    assert ChunkFile.all_damaged == before + 1
    head = Head.open(closed, options=SMALL)
    assert head.stats().chunk_corruptions == 1
    assert head.max_time == 1000 * (STEPS - 1)
    assert steps_seen(closed) == set(range(STEPS)) - LOST
    head.close()
    caplog.clear()
    assert index_path(closed / "chunks", 1).with_name("00000001.index.damaged").exists()
    head = Head.open(closed, options=SMALL)  # once is enough
    assert head.stats().chunk_corruptions == 0
    assert steps_seen(closed) == set(range(STEPS)) - LOST
    assert not caplog.records
    head.chunks.drop([1])
    assert not list((closed / "chunks").glob("00000001*"))
    head.close()


def test_a_wrong_link_costs_no_sample(closed: Path) -> None:
    flip(index_path(closed / "chunks", 1), 2 * ENTRY_BYTES + 8 * 5 + 4)
    assert steps_seen(closed) == set(range(STEPS))
    head = Head.open(closed, options=SMALL)
    assert head.stats().chunk_corruptions == 1
    assert steps_seen(closed) == set(range(STEPS))
    head.close()


@pytest.mark.parametrize("which", ["data", "index"])
def test_a_closed_file_that_is_cut_short(
    closed: Path, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = (data_path if which == "data" else index_path)(closed / "chunks", 2)
    path.write_bytes(path.read_bytes()[:-1])
    caplog.set_level(logging.WARNING)
    head = Head.open(closed, options=SMALL)
    assert steps_seen(closed) == set(range(STEPS)) - set(range(448, 512))
    assert head.stats().chunk_corruptions == 1
    assert "chunk file 00000002" in caplog.text
    head.close()


def test_a_damaged_chunk_goes_into_no_block(closed: Path, caplog: pytest.LogCaptureFixture) -> None:
    damage(closed, "data")
    cut_head(closed, 1000 * STEPS, 7_200_000)
    assert "1 of 4 chunks are damaged" in caplog.text
    assert steps_seen(closed) == set(range(STEPS)) - LOST


def test_what_the_log_has_of_the_newest_file_comes_back(tmp_path: Path) -> None:
    """An owner with a damaged chunk goes on from the log, with all its later chunks."""
    kill(fill(tmp_path, 300))
    flip(data_path(tmp_path / "chunks", 1), 30)
    head = Head.open(tmp_path, options=OPTIONS)
    assert steps_seen(tmp_path) == set(range(300))
    assert head.stats().chunk_corruptions == 1
    kill(head)
    head = Head.open(tmp_path, options=OPTIONS)
    assert steps_seen(tmp_path) == set(range(300))
    assert head.stats().chunk_corruptions == 0
    head.close()


def test_chunks_of_series_that_a_reader_has_not_heard_of(tmp_path: Path) -> None:
    """They are sealed between its looks at the log of series and at the chunks."""
    head = fill(tmp_path, 2)
    with open_reader(tmp_path) as reader:
        assert reader._mapped is not None
        reader._mapped.refresh_series()
        refs = head.refs(table(head, [{"__name__": "later"}]))
        head.append_loose(np.repeat(refs, 200), np.arange(200) * 10, np.arange(200.0))
        head.commit()
        reader._mapped.all_chunks()
        batch = reader.select([match("__name__", "later")], *ALWAYS)
        assert batch.sample_count == 200
    head.close()


def test_a_damaged_record_of_the_cut(tmp_path: Path) -> None:
    (tmp_path / "head").mkdir()
    cut = Cut(3, 1_700_000_000_000, 12)
    write_cut(tmp_path, cut)
    content = path_of(tmp_path).read_bytes()
    assert read_cut(tmp_path) == cut
    refused = 0
    for at in range(len(content)):
        for bit in (0, 1, 4):
            damaged = bytearray(content)
            damaged[at] ^= 1 << bit
            path_of(tmp_path).write_bytes(damaged)
            try:
                assert read_cut(tmp_path) == cut
            except StorageError:
                refused += 1
    assert refused > 2 * len(content)
    path_of(tmp_path).write_text('{"file": 3, "time": 1700000000000, "segment": 12}')
    assert read_cut(tmp_path) == cut  # written before it had a checksum
