"""Tombstones in blocks and beside the head, cleaning them, snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from block_tools import metas, settle
from test_blocks import Writing
from tsdb_model import ALWAYS, everything, match

from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.open import open as open_reader


def ask(writing: Writing, **job: Any) -> Any:
    """Have the keeper do something."""
    keeper = writing.head.blocks
    assert keeper is not None
    future = keeper.ask(job)
    settle(writing.head)
    return future.result(0)


def delete(writing: Writing, matchers: list[list[str]], start: int, end: int) -> None:
    ask(writing, kind="delete", selectors=[matchers], start_ms=start, end_ms=end)
    passes = [match(name, value, kind) for name, kind, value in matchers]
    for key in list(writing.model):
        labels = dict(key)
        if all(m.matches(labels.get(m.name, "")) for m in passes):
            samples = writing.model[key]
            writing.model[key] = {t: v for t, v in samples.items() if not start <= t <= end}
            if not writing.model[key]:
                del writing.model[key]


def small(writing: Writing) -> None:
    writing.scrape(1, 400)
    writing.loose(range(1_000, 400_000, 3_000))
    settle(writing.head)


def test_deleted_at_once_and_for_good(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    small(writing)
    with open_reader(tmp_path) as reader:
        delete(writing, [["__name__", "=", "m1"], ["instance", "=", "a"]], 100_500, 380_000)
        assert everything(reader) == writing.wanted()
        delete(writing, [["__name__", "=~", "lo.*"]], *ALWAYS)
        assert everything(reader) == writing.wanted()
        assert reader.label_values("__name__", [], *ALWAYS) == ["m0", "m1", "m2", "m3"]
        assert reader.series([match("__name__", "loose")], *ALWAYS).n == 0
        # What comes later is not deleted.
        writing.loose(range(401_000, 500_000, 3_000))
        writing.scrape(401, 300)
        assert everything(reader) == writing.wanted()
        settle(writing.head)
        assert everything(reader) == writing.wanted()
        before = sum(meta.samples for meta in metas(tmp_path))
        delete(writing, [["n", "=", "3"]], 90_000, 90_000)
        ask(writing, kind="clean")
        assert everything(reader) == writing.wanted()
        assert sum(meta.samples for meta in metas(tmp_path)) == before - 3
        assert not list(tmp_path.glob("0*/tombstones.parquet"))
    writing.head.close()
    writing.open()
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
    writing.head.close()


def test_a_block_of_which_nothing_is_left_goes(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    small(writing)
    first = metas(tmp_path)[0]
    delete(writing, [["__name__", "!=", ""]], -(2**62), first.max_time)
    ask(writing, kind="clean")
    assert first.ulid not in block_names(tmp_path)
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
    writing.head.close()


@pytest.mark.parametrize("skip_head", [False, True])
def test_snapshot(tmp_path: Path, skip_head: bool) -> None:
    writing = Writing(tmp_path)
    small(writing)
    writing.loose(range(110_500, 150_000, 3_000))  # late, and not sealed
    writing.head.commit()
    delete(writing, [["n", "=", "2"]], *ALWAYS)
    ask(writing, kind="snapshot", name="one", skip_head=skip_head)
    copy = tmp_path / "snapshots" / "one"
    name = block_names(tmp_path)[0]
    assert (copy / name / "samples.parquet").stat().st_nlink == 2
    wanted = writing.wanted()
    cut = writing.head.cut.time
    writing.scrape(401, 300)  # goes on without the copy
    settle(writing.head)
    with open_reader(copy) as reader:
        found = everything(reader)
    if skip_head:
        assert max(t for samples in found.values() for t, _ in samples) < cut
    else:
        assert found == wanted
        again = Writing(copy)  # it is a data directory of its own
        again.scrape(900, 5)
        with open_reader(copy) as reader:
            assert sum(map(len, everything(reader).values())) > sum(map(len, wanted.values()))
        again.head.close()
    writing.head.close()
