"""Killing a real writer at any moment loses nothing that was committed, and doubles nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from crash_writer import HISTOGRAMS, LATE_MS, OPTIONS, REMOTE, WIDTHS, values
from forked_writers import Writers
from tsdb_model import ALWAYS, match

from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.reader import Reader

KILLS = 30


def run_and_kill(
    writers: Writers, directory: Path, commits: int, extra_bytes: int
) -> tuple[int, int]:
    """Kill a writer after some commits; its first step and the last that it committed."""
    writers.start(directory)
    said: list[list[str]] = []
    while not writers.pid or len(said) <= commits:
        if words := writers.words():
            said.append(words)
    # A varying amount of work, not of time, goes by before the signal.
    sum(range(extra_bytes))
    said += writers.kill()
    first = int(said[0][1])
    return first, int(said[-1][0]) if len(said) > 1 else first - 1


def check(reader: Reader, lost: set[int], committed: int) -> int:
    """Every committed step is there once; the newest step of all."""
    newest = 0
    wanted = sorted(set(range(1, committed + 1)) - lost)
    for name, width in {**WIDTHS, "remote": REMOTE}.items():
        batch = reader.select([match("instance", name)], *ALWAYS)
        assert batch.n == width
        for i, labels in enumerate(batch.labels.rows()):
            series = int(labels["__name__"][1:])
            t_ms, found = batch.series(i)
            steps = t_ms // 1000
            assert (np.diff(steps) > 0).all()
            missing = np.setdiff1d(wanted, steps)
            assert not len(missing), (name, series, missing[:5])
            assert (found == values(np.array(series), steps)).all()
            newest = max(newest, int(steps[-1]))
    check_histograms(reader, lost, committed)
    check_late(reader, lost, committed)
    check_exemplars(reader, lost, committed)
    return newest


def check_histograms(reader: Reader, lost: set[int], committed: int) -> None:
    """Every committed histogram is there once, with its start time."""
    wanted = set(range(1, committed + 1)) - lost
    for name in ("h", "loose h"):
        batch = reader.select([match("instance", name)], *ALWAYS)
        assert batch.n == HISTOGRAMS
        assert batch.histograms is not None
        assert batch.start_ms is not None
        table, index = batch.histograms.table, batch.histograms.index
        assert (index >= 0).all()
        for s, labels in enumerate(batch.labels.rows()):
            rows = index[batch.offsets[s] : batch.offsets[s + 1]]
            t_ms, _ = batch.series(s)
            steps = t_ms // 1000
            assert wanted <= set(steps.tolist())
            assert (table.sum[rows] == steps).all()
            width = int(labels["__name__"][1:]) + 1
            assert (np.diff(table.positive.offsets)[rows] == width).all()
            last = table.positive.counts[table.positive.offsets[rows + 1] - 1]
            assert (last == steps + width - 1).all()
            starts = batch.start_ms[batch.offsets[s] : batch.offsets[s + 1]]
            # A start time that was not committed may be missing with its sample's step.
            sure = np.isin(steps, list(wanted))
            assert (starts[sure] == t_ms[sure] - 500).all()


def check_late(reader: Reader, lost: set[int], committed: int) -> None:
    """Every committed sample that came out of order is there once, in its place."""
    batch = reader.select([match("instance", "late")], *ALWAYS)
    assert batch.n == 2
    for s in range(2):
        t_ms, values = batch.series(s)
        assert (np.diff(t_ms) > 0).all()
        assert (values == t_ms).all()
        sure = set(range(1, committed + 1)) - lost
        wanted = {1000 * step - late for step in sure for late in (0, LATE_MS)}
        assert wanted <= set(t_ms.tolist())


def check_exemplars(reader: Reader, lost: set[int], committed: int) -> None:
    """The newest exemplars are there, each once."""
    every = reader.exemplars([[match("instance", "remote")]], *ALWAYS)
    times = [t_ms for series in every for _, t_ms, _ in series.exemplars]
    assert times == sorted(set(times))
    assert len(times) <= OPTIONS.max_exemplars
    kept = committed - OPTIONS.max_exemplars // 2
    wanted = {1000 * step for step in range(max(1, kept), committed + 1) if step not in lost}
    assert wanted <= set(times)


@pytest.fixture
def writers() -> Iterator[Writers]:
    found = Writers("crash_writer.py")
    yield found
    found.close()


def test_kill_at_any_moment(tmp_path: Path, writers: Writers) -> None:
    dice = random.Random(5)
    lost: set[int] = set()
    committed = 0
    for _ in range(KILLS):
        first, last = run_and_kill(
            writers, tmp_path, dice.randrange(1, 120), dice.randrange(1_000_000)
        )
        # Steps between the last commit and the kill may be there in part.
        lost |= set(range(committed + 1, first))
        committed = max(last, committed)
        with open_reader(tmp_path) as reader:
            check(reader, lost, committed)
    head = Head.open(tmp_path, options=OPTIONS)
    assert not head.clean_start
    assert head.wal_corruptions == 0
    assert head.stats().wal_bytes < 10 * OPTIONS.wal_bytes
    with open_reader(tmp_path) as reader:
        check(reader, lost, committed)
    head.close()
