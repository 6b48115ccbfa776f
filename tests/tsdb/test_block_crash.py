"""Killing a writer at any moment of appending, cutting, joining and deleting loses nothing.

PROMLAB_CRASH_KILLS sets how often; the default is for CI.
"""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import numpy as np
import pytest
from block_crash_writer import LATE_BY, OPTIONS, REMOTE, WIDTHS, values
from block_tools import in_process, settle
from forked_writers import Writers
from tsdb_model import ALWAYS, match

from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.data import DataReader
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader

KILLS = int(os.environ.get("PROMLAB_CRASH_KILLS", "150"))
A_ROUND = 75  # kills of one data directory
CHECKED = 4  # of so many kills, one is followed by a look at everything


class Killed:
    """A data directory whose writers are killed, and what they acknowledged."""

    def __init__(self, path: Path, dice: random.Random) -> None:
        self.path, self._dice = path, dice
        self.committed = 0
        self.lost: set[int] = set()  # steps that were never acknowledged
        self.late: set[int] = set()
        self.deleted = self.deleting = 0
        self.writers = Writers("block_crash_writer.py")

    def kill_once(self) -> None:
        """Start a writer, kill it after a while, note what it said."""
        writers = self.writers
        writers.start(self.path)
        started = False
        patience = self._dice.randrange(1, 60)
        while not writers.pid or not started or patience:
            if words := writers.words():
                started = True
                patience -= patience > 0
                self._note(words)
            if writers.pid and self._dice.random() < 0.01:
                break  # some die while they open the directory
        threading.Event().wait(self._dice.random() ** 2 * 0.03)
        for words in writers.kill():
            self._note(words)

    def _note(self, words: list[str]) -> None:
        if words[0] == "start":
            self.lost |= set(range(self.committed + 1, int(words[1])))
        elif words[0] == "deleting":
            self.deleting = int(words[1])
        elif words[0] == "deleted":
            self.deleted = int(words[1])
        else:
            step = int(words[0])
            self.committed = step
            self.late.add(step - LATE_BY if step % 2 and step > LATE_BY else step)

    def check(self, reader: DataReader) -> None:
        """Every acknowledged sample is there once, exactly; none that was deleted."""
        wanted = np.zeros(self.committed + 1, bool)
        wanted[1:] = True
        wanted[[step for step in self.lost if step <= self.committed]] = False
        for name, width in {**WIDTHS, "remote": REMOTE}.items():
            batch = reader.select([match("instance", name)], *ALWAYS)
            must = wanted.copy()
            if name == "gone":
                must[: self.deleting + 1] = False
                assert batch.n == 0 or int(batch.t_ms.min()) > self.deleted * 1000
            assert batch.n == width or not must.any()
            for i, row in enumerate(batch.labels.rows()):
                t_ms, found = batch.series(i)
                steps = t_ms // 1000
                assert (np.diff(steps) > 0).all()
                there = np.zeros(max(len(must), int(steps[-1]) + 1), bool)
                there[steps] = True
                missing = np.flatnonzero(must & ~there[: len(must)])
                assert not len(missing), (name, row, missing[:5])
                assert (found == values(int(row["__name__"][1:]), steps)).all()
        batch = reader.select([match("instance", "late")], *ALWAYS)
        if self.late:
            t_ms, found = batch.series(0)
            assert (np.diff(t_ms) > 0).all()
            assert self.late <= set((t_ms // 1000).tolist())
            assert (found == values(0, t_ms // 1000)).all()


@pytest.mark.slow
def test_kill_at_any_moment(tmp_path: Path) -> None:
    dice = random.Random(7)
    blocks = joined = 0
    for number in range(0, KILLS, A_ROUND):
        killed = Killed(tmp_path / str(number), dice)
        try:
            for kill in range(min(A_ROUND, KILLS - number)):
                killed.kill_once()
                if kill % CHECKED == 0 and (killed.path / "head" / "control").exists():
                    with open_reader(killed.path) as reader:
                        killed.check(reader)
                        assert not reader.blocks.damaged
        finally:
            killed.writers.close()
        head = in_process(Head.open(killed.path, options=OPTIONS))
        assert head.wal_corruptions == 0
        settle(head)
        with open_reader(killed.path) as reader:
            killed.check(reader)
            blocks += len(block_names(killed.path))
            joined += max(block.meta.level for block in reader.blocks.refresh())
        assert not list(killed.path.glob("*.tmp-*"))
        head.close()
    assert blocks > 0
    assert joined > 1
