"""Tombstones in blocks and beside the head, cleaning them, snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from block_tools import metas, settle
from test_blocks import Writing
from test_head_model import kill
from tsdb_model import ALWAYS, everything, match, table

from promlab.tsdb.blocks import job
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.open import open as open_reader


def ask(writing: Writing, **work: Any) -> Any:
    """Have the keeper do something."""
    keeper = writing.head.blocks
    assert keeper is not None
    future = keeper.ask(work)
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


def test_what_comes_later_is_not_deleted(tmp_path: Path) -> None:
    """A series that lags behind others goes on, though its samples are older than theirs."""
    writing = Writing(tmp_path)
    writing.loose(range(1_000, 50_000, 1_000))
    writing.scrape(1, 100)
    delete(writing, [["__name__", "=", "loose"]], *ALWAYS)
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
        writing.loose(range(60_000, 99_000, 1_000))
        writing.head.commit()
        assert everything(reader) == writing.wanted()
    writing.head.close()


def test_late_samples_stay_deleted(tmp_path: Path) -> None:
    """What came late, and is in the head when the cut has long passed it."""
    writing = Writing(tmp_path)
    writing.scrape(1, 400)
    settle(writing.head)
    rows = [{"__name__": "late", "n": "1"}]
    refs = writing.head.refs(table(writing.head, rows))
    # The first is younger than the next cut, the others are older than the last one.
    for t_ms in (600_000, 590_000, 101_000, 102_000):
        writing.head.append_loose(refs, np.array([t_ms]), np.array([1.0]))
        writing.note(rows[0], t_ms, 1.0)
    writing.head.commit()
    delete(writing, [["__name__", "=", "late"]], 100_000, 110_000)
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
        for first in range(401, 900, 70):
            writing.scrape(first, 70)
            settle(writing.head)
            assert everything(reader) == writing.wanted()
    writing.head.close()


def test_a_cut_that_is_not_recorded_brings_nothing_back(tmp_path: Path) -> None:
    """The writer is killed between the new blocks and the record of them."""
    writing = Writing(tmp_path)
    writing.scrape(1, 400)
    settle(writing.head)
    rows = [{"__name__": "late", "n": str(n)} for n in range(2)]
    refs = writing.head.refs(table(writing.head, rows))
    for t_ms in range(200_000, 300_000, 500):
        writing.head.append_loose(refs, np.array([t_ms] * 2), np.array([1.0, 2.0]))
        writing.note(rows[0], t_ms, 1.0)
        writing.note(rows[1], t_ms, 2.0)
    writing.head.commit()
    delete(writing, [["__name__", "=", "late"], ["n", "=", "1"]], 100_000, 310_000)
    work = {"directory": str(tmp_path), "before_ms": 420_000, "block_ms": 60_000}
    job.run({"kind": "cut", **work})
    with open_reader(tmp_path) as reader:
        assert everything(reader) == writing.wanted()
        kill(writing.head)
        writing.open()
        assert everything(reader) == writing.wanted()
    writing.head.close()
