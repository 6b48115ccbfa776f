"""A head that closes leaves blocks and nothing to replay; one that can't leaves what it had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from block_tools import TINY
from tsdb_model import Key, everything, table

from promlab.errors import StorageError
from promlab.tsdb import head as heads
from promlab.tsdb.blocks import keeper as keepers
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.head import Head
from promlab.tsdb.newest import path_of, read_newest, write_newest
from promlab.tsdb.open import open as open_reader
from tests.patience import PATIENCE_S

SETTLING = replace(TINY, settle_bytes=1, late_window_s=0.0)
LABELS = [{"__name__": f"m{i}", "instance": "a"} for i in range(7)]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "STOP_S", PATIENCE_S)


def filled(path: Path, rows: int = 400) -> dict[Key, list[tuple[int, int]]]:
    """A head with rows and loose samples, closed; what it held."""
    head = Head.open(path, options=SETTLING)
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, LABELS[:5]))
    refs = head.refs(table(head, LABELS[5:]))
    for step in range(rows):
        t_ms = 1_000 * step
        group.append(t_ms, slots, np.arange(5.0) * step)
        head.append_loose(refs, np.array([t_ms, t_ms]), np.array([step / 8, -step]))
    head.commit()
    with open_reader(path) as reader:
        held = everything(reader)
    head.close()
    return held


def left(path: Path) -> list[str]:
    """Files of the head and its chunks that are not empty."""
    names = [*(path / "head").iterdir(), *(path / "chunks").iterdir(), *(path / "wal").iterdir()]
    return sorted(file.name for file in names if file.stat().st_size)


def test_all_is_in_blocks(tmp_path: Path) -> None:
    held = filled(tmp_path)
    assert len(held) == 7
    assert left(tmp_path) == ["control", "cut", "newest", "series"]
    assert len(block_names(tmp_path)) == 7  # of a minute each
    with open_reader(tmp_path) as reader:
        assert everything(reader) == held


def test_a_head_that_settled_knows_its_newest_samples(tmp_path: Path) -> None:
    held = filled(tmp_path)
    head = Head.open(tmp_path, options=SETTLING)
    assert head.clean_start
    refs = head.refs(table(head, LABELS[4:]))
    last = 399_000
    again = head.append_loose(refs, np.full(3, last), np.array([4.0 * 399, 399 / 8, -398.0]))
    assert tuple(again) == (0, 1, 0, 0)  # two are what they were, one is another value
    assert tuple(head.append_loose(refs, np.full(3, last - 1), np.zeros(3))) == (0, 0, 3, 0)
    assert tuple(head.append_loose(refs, np.full(3, 0), np.zeros(3))) == (0, 0, 0, 3)
    assert head.append_loose(refs, np.full(3, last + 1), np.ones(3)).appended == 3
    head.close()
    with open_reader(tmp_path) as reader:
        found = everything(reader)
    for key, samples in held.items():
        assert found[key][: len(samples)] == samples
    assert sum(map(len, found.values())) == sum(map(len, held.values())) + 3


def test_blocks_of_many_ends_are_joined(tmp_path: Path) -> None:
    held: dict[Key, list[tuple[int, int]]] = {}
    for part in range(6):
        head = Head.open(tmp_path, options=SETTLING)
        refs = head.refs(table(head, LABELS))
        for step in range(20 * part, 20 * part + 20):
            head.append_loose(refs, np.full(7, 1_000 * step), np.arange(7.0) + step)
        head.commit()
        with open_reader(tmp_path) as reader:
            held = everything(reader)
        head.close()
    assert len(block_names(tmp_path)) == 6
    assert all(len(samples) == 120 for samples in held.values())
    with open_reader(tmp_path) as reader:
        assert everything(reader) == held


@pytest.mark.parametrize("how", ["fails", "is too slow", "would be too slow"])
def test_chunks_stay_when_blocks_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with monkeypatch.context() as patched:
        if how == "fails":
            patched.setattr(keepers, "write_newest", _no_space)
        elif how == "is too slow":
            wait = keepers.BlockKeeper._wait
            patched.setattr(keepers.BlockKeeper, "_wait", lambda self, _: wait(self, 0.0))
        else:
            patched.setattr(heads, "STOP_S", 0.0)
        held = filled(tmp_path)
    assert "00000001" in left(tmp_path)
    assert not block_names(tmp_path)
    assert not list(tmp_path.glob("*.tmp-*"))
    with open_reader(tmp_path) as reader:
        assert everything(reader) == held
    head = Head.open(tmp_path, options=SETTLING)
    head.close()
    assert block_names(tmp_path)
    with open_reader(tmp_path) as reader:
        assert everything(reader) == held


def test_what_is_not_sealed_in_time_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heads, "SETTLE_S", 0.0)
    held = filled(tmp_path)
    assert "not all is sealed, it will be replayed: it takes too long" in caplog.text
    assert {"rows.1", "loose.1"} <= set(left(tmp_path))
    with open_reader(tmp_path) as reader:
        assert everything(reader) == held
    monkeypatch.setattr(heads, "SETTLE_S", PATIENCE_S)
    head = Head.open(tmp_path, options=SETTLING)
    assert head.clean_start
    with open_reader(tmp_path) as reader:
        assert everything(reader) == held
    head.close()
    assert left(tmp_path) == ["control", "cut", "newest", "series"]
    with open_reader(tmp_path) as reader:
        assert everything(reader) == held


def _no_space(directory: Path, *_rest: object) -> None:
    raise StorageError(f"cannot write {directory}: no space left on device")


def test_what_is_newest_survives_and_damage_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "head").mkdir()
    dice = np.random.default_rng(4)
    t_ms = dice.integers(-(2**63), 2**63 - 1, 1_000)
    bits = dice.integers(-(2**63), 2**63 - 1, 1_000)
    write_newest(tmp_path, t_ms, bits)
    kept = read_newest(tmp_path)
    assert kept is not None
    assert (kept[0] == t_ms).all()
    assert (kept[1] == bits).all()
    whole = path_of(tmp_path).read_bytes()
    for at in (0, 9, 17, 21, 40, len(whole) - 1):
        path_of(tmp_path).write_bytes(whole[:at] + bytes([whole[at] ^ 8]) + whole[at + 1 :])
        assert read_newest(tmp_path) is None
        path_of(tmp_path).write_bytes(whole[:at])
        assert read_newest(tmp_path) is None
