"""Blocks that can't be written, foreign things in the folder, clocks that jump."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from block_tools import metas, settle
from test_blocks import Writing
from tsdb_model import everything

from promlab.errors import StorageError
from promlab.tsdb.blocks import folders, job
from promlab.tsdb.blocks.meta import new_ulid, ulid_time_ms
from promlab.tsdb.open import open as open_reader


def some_steps(writing: Writing) -> None:
    """As much as a server does in some seconds."""
    keeper = writing.head.blocks
    assert keeper is not None
    for _ in range(20):
        keeper._looked_s = -1e18
        with contextlib.suppress(StorageError):
            writing.head.commit()


def test_a_cut_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 400)
    keeper = writing.head.blocks
    assert keeper is not None

    def full(_work: object) -> None:
        raise StorageError("cannot write: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(job, "run", full)
        some_steps(writing)
    assert keeper.stats.failed > 0
    assert "No space left" in keeper.stats.last_error
    assert metas(tmp_path) == []
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
        writing.scrape(401, 50)  # samples are taken all the same
        keeper._failed_s = -1e18
        settle(writing.head)
        assert metas(tmp_path)
        assert everything(reader) == writing.wanted()
    writing.head.close()


def test_foreign_things_in_the_folder(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 400)
    settle(writing.head)
    good = len(metas(tmp_path))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / f"{new_ulid()}.tmp-for-creation").mkdir()
    (tmp_path / f"{new_ulid()}.tmp-for-deletion").mkdir()
    (tmp_path / new_ulid()).mkdir()  # without meta.json
    theirs = tmp_path / new_ulid()
    theirs.mkdir()
    (theirs / "meta.json").write_text('{"ulid": "x", "version": 1}')
    (tmp_path / new_ulid()).write_text("a file")
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
        assert len(reader.blocks.damaged) == 2
        assert any("tsdb import" in why for why in reader.blocks.damaged.values())
    writing.head.close()
    writing.open()
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
    assert len(metas(tmp_path)) == good
    assert (tmp_path / "notes.txt").exists()
    assert not list(tmp_path.glob("*.tmp-*"))
    writing.head.close()


def test_a_folder_that_is_being_written_is_not_swept(tmp_path: Path) -> None:
    path = tmp_path / f"{new_ulid()}.tmp-for-creation"
    path.mkdir()
    held = folders.hold(path)
    assert folders.sweep(tmp_path) == 0
    folders.let_go(path, held)
    assert folders.sweep(tmp_path) == 1


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    """One sample from far away makes no blocks of nothing, and hides nobody."""
    writing = Writing(tmp_path)
    writing.scrape(1, 200)
    far = 10**12
    values = writing.dice.integers(0, 9, 5) / 10
    writing.head.append_loose(writing.refs, [far] * 5, values)  # type: ignore[arg-type]
    for labels, value in zip(writing.loose_rows, values.tolist(), strict=True):
        writing.note(labels, far, value)
    settle(writing.head)
    assert len(metas(tmp_path)) < 6
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
    writing.head.close()


def test_names_sort_by_time() -> None:
    first, second = new_ulid(1_700_000_000.0), new_ulid(1_700_000_000.001)
    assert first < second
    assert ulid_time_ms(first) == 1_700_000_000_000
