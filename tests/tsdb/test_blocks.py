"""Blocks made from a head: what a reader finds, with whatever is left of the head."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from block_tools import TINY, in_process, metas, settle
from test_head_model import kill
from tsdb_model import ALWAYS, Key, as_dict, bits_of, everything, key_of, match, table

from promlab.model.samples import STALE_BITS, stale_values
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.blocks.touched import TouchedBlocks
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader

Model = dict[Key, dict[int, int]]


class Writing:
    """A head, and what must be in it."""

    def __init__(self, path: Path, *, child: bool = False) -> None:
        self.path, self.model = path, {}
        self._child = child
        self.dice = np.random.default_rng(1)
        self.open()

    def open(self) -> None:
        head = Head.open(self.path, options=TINY)
        self.head = head if self._child else in_process(head)
        self.groups = {name: self.head.open_group({"instance": name}) for name in "abc"}
        rows = [{"__name__": "loose", "n": str(i)} for i in range(5)]
        self.loose_rows, self.refs = rows, self.head.refs(table(self.head, rows))

    def note(self, labels: dict[str, str], t_ms: int, value: float) -> None:
        self.model.setdefault(key_of(labels), {}).setdefault(t_ms, bits_of(value))

    def scrape(self, first_s: int, seconds: int) -> None:
        for name, group in self.groups.items():
            rows = [{"__name__": f"m{i % 4}", "instance": name, "n": str(i)} for i in range(9)]
            slots = group.slots(table(self.head, rows))
            value = self.dice.integers(0, 1000, 9).astype(float)
            for second in range(first_s, first_s + seconds):
                value = value + self.dice.integers(0, 3, 9)
                now = value / 8
                now[3] = self.dice.random()
                now[4] = np.floor(now[4]) * -4096
                if second % 70 == 0:
                    now[5] = stale_values(1)[0]
                    self.model.setdefault(key_of(rows[5]), {})[second * 1000] = STALE_BITS
                there = np.array([not (i == 7 and 50 < second % 100 < 70) for i in range(9)])
                group.append(second * 1000, slots[there], now[there])
                for i in np.flatnonzero(there).tolist():
                    self.note(rows[i], second * 1000, now[i])
        self.head.commit()

    def loose(self, times: range) -> None:
        for t_ms in times:
            values = self.dice.integers(0, 100, 5) / 10
            outcome = self.head.append_loose(self.refs, np.full(5, t_ms), values)
            if outcome.appended == 5:
                for labels, value in zip(self.loose_rows, values.tolist(), strict=True):
                    self.note(labels, t_ms, value)

    def wanted(self) -> dict[Key, list[tuple[int, int]]]:
        return {key: sorted(samples.items()) for key, samples in self.model.items()}


@pytest.mark.parametrize("child", [False, True])
def test_cut_join_reopen(tmp_path: Path, child: bool) -> None:
    writing = Writing(tmp_path, child=child)
    reader = open_reader(tmp_path)
    writing.scrape(1, 200)
    writing.loose(range(1_000, 200_000, 3_000))
    assert writing.head.stats().min_time == 1_000
    settle(writing.head)
    assert everything(reader) == writing.wanted()
    assert [meta.level for meta in metas(tmp_path)] == [1, 1]
    writing.scrape(201, 300)
    writing.loose(range(200_000, 500_000, 1_700))
    # Late ones: their stretch of time is in blocks already.
    writing.loose(range(30_500, 60_000, 5_000))
    writing.loose(range(150_500, 460_000, 7_000))
    settle(writing.head)
    assert everything(reader) == writing.wanted()
    assert max(meta.level for meta in metas(tmp_path)) > 1
    writing.head.close()
    assert everything(reader) == writing.wanted()
    writing.open()
    writing.scrape(501, 400)
    writing.loose(range(400_700, 900_000, 2_900))
    settle(writing.head)
    assert everything(reader) == writing.wanted()
    kill(writing.head)
    writing.open()
    assert everything(reader) == writing.wanted()
    assert writing.head.wal_corruptions == 0
    assert writing.head.cut.time == 840_000
    assert writing.head.stats().min_time == 840_000
    writing.head.close()


def test_blocks_alone(tmp_path: Path) -> None:
    """The folders of blocks are enough: copied, without a head."""
    writing = Writing(tmp_path / "data")
    writing.scrape(1, 500)
    settle(writing.head)
    writing.head.close()
    cut = writing.head.cut.time
    for name in block_names(tmp_path / "data"):
        shutil.copytree(tmp_path / "data" / name, tmp_path / "copy" / name)
    wanted = {
        key: [(t, bits) for t, bits in samples if t < cut]
        for key, samples in writing.wanted().items()
    }
    with open_reader(tmp_path / "copy") as reader:
        assert everything(reader) == wanted
        assert reader.time_range() == (1_000, cut - 1_000)
        names = reader.label_names([], *ALWAYS)
        assert names == ["__name__", "instance", "n"]
        assert reader.exemplars([[match("n", "1")]], *ALWAYS) == []


@pytest.mark.parametrize(
    ("name", "value", "kind", "start", "end"),
    [
        ("__name__", "m3", "=", 100_000, 250_000),
        ("n", "7", "=", 55_000, 61_500),
        ("__name__", "m[12]|loose", "=~", 119_999, 120_001),
        ("instance", "", "=", 0, 400_000),
        ("instance", "a|b", "!~", 420_000, 10**9),
        ("n", "5", "!=", 69_000, 71_000),
        ("nothing", "x", "=", 0, 10**9),
    ],
)
def test_matchers_and_ranges(
    tmp_path: Path, name: str, value: str, kind: str, start: int, end: int
) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 500)
    writing.loose(range(1_000, 500_000, 3_000))
    settle(writing.head)
    matcher = match(name, value, kind)
    with open_reader(tmp_path) as reader:
        found = reader.select([matcher], start, end)
        labels = reader.series([matcher], start, end)
        values = reader.label_values("n", [matcher], start, end)
    wanted = {}
    for key, samples in writing.wanted().items():
        kept = [(t, bits) for t, bits in samples if start <= t <= end]
        if kept and matcher.matches(dict(key).get(name, "")):
            wanted[key] = kept
    assert as_dict(found) == wanted
    assert {key_of(row) for row in labels.rows()} >= set(wanted)
    assert set(values) >= {dict(key)["n"] for key in wanted}
    writing.head.close()


def test_series_of_a_target_share_their_times(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 500)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        batch = reader.select([match("__name__", "m0"), match("instance", "a")], *ALWAYS)
        assert batch.n == 3
        assert len(set(batch.times_at.tolist())) == 1
        assert len(batch.t_ms) == 500
    writing.head.close()


def test_retention_by_time_and_by_size(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 1_000)
    settle(writing.head)
    keeper = writing.head.blocks
    assert keeper is not None
    before = metas(tmp_path)
    keeper.limits = replace(keeper.limits, retention_s=400.0)
    settle(writing.head)
    left = metas(tmp_path)
    assert 0 < len(left) < len(before)
    assert all(meta.max_time > 600_000 for meta in left)
    assert keeper.stats.gone["time"] > 0
    keeper.limits = replace(keeper.limits, retention_s=0.0, retention_bytes=1)
    settle(writing.head)
    assert metas(tmp_path) == []
    assert keeper.stats.gone["size"] == len(left)
    with open_reader(tmp_path) as reader:
        _, last = reader.time_range() or (0, 0)
        assert last == 1_000_000
        assert len(everything(reader)) == 27
    writing.head.close()


@pytest.mark.parametrize("file", ["meta.json", "series.parquet", "samples.parquet"])
def test_a_damaged_block_is_set_aside_and_the_rest_serves(tmp_path: Path, file: str) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 500)
    settle(writing.head)
    writing.head.close()
    hurt = metas(tmp_path)[0]
    path = tmp_path / hurt.ulid / file
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    wanted = {
        key: [(t, bits) for t, bits in samples if not hurt.min_time <= t < hurt.max_time]
        for key, samples in writing.wanted().items()
    }
    with open_reader(tmp_path) as reader:
        assert everything(reader) == wanted
        assert list(reader.blocks.damaged) == [hurt.ulid]
    writing.open()
    keeper = writing.head.blocks
    assert keeper is not None
    assert keeper.stats.damaged == 1
    assert (tmp_path / f"{hurt.ulid}.damaged").is_dir()
    with open_reader(tmp_path) as reader:
        assert everything(reader) == wanted
        assert reader.blocks.damaged == {}
    writing.head.close()


def test_damage_that_shows_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose checksum does not fit is found when it is read; the rest serves."""
    monkeypatch.setattr("promlab.tsdb.blocks.checksums._TAIL", 64)
    writing = Writing(tmp_path)
    writing.scrape(1, 900)
    settle(writing.head)
    writing.head.close()
    hurt = metas(tmp_path)[-1]
    path = tmp_path / hurt.ulid / "samples.parquet"
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    wanted = {
        key: [(t, bits) for t, bits in samples if not hurt.min_time <= t < hurt.max_time]
        for key, samples in writing.wanted().items()
    }
    with open_reader(tmp_path) as reader:
        assert everything(reader) == wanted
        assert str(path) in reader.blocks.damaged[hurt.ulid]


def test_indexes_of_blocks_that_nobody_touches_go(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.scrape(1, 400)
    settle(writing.head)
    with open_reader(tmp_path) as reader:
        reader._touched_blocks = TouchedBlocks(kept_bytes=1, counted=1)
        assert everything(reader) == writing.wanted()
        blocks = reader.blocks.current
        assert len(blocks) > 2
        for _ in range(2):
            for block in blocks:
                reader.gathered([], block.meta.min_time, block.meta.max_time - 1)
                assert reader._touched_blocks.blocks() == [block]
        assert [block for block in blocks if block._index is not None] == [blocks[-1]]
    writing.head.close()
