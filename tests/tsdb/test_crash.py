"""Killing a real writer at any moment loses nothing that was committed, and doubles nothing."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
from crash_writer import OPTIONS, REMOTE, WIDTHS, value
from tsdb_model import ALWAYS, match

from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.reader import Reader

KILLS = 30


def run_and_kill(directory: Path, commits: int, extra_bytes: int) -> tuple[int, int]:
    """Kill a writer after some commits; its first step and the last that it committed."""
    script = Path(__file__).with_name("crash_writer.py")
    with subprocess.Popen(
        [sys.executable, script, str(directory)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        first = int(writer.stdout.readline().split()[1])
        last = first - 1
        for _ in range(commits):
            last = int(writer.stdout.readline())
        # A varying amount of work, not of time, goes by before the signal.
        sum(range(extra_bytes))
        writer.kill()
        rest = writer.stdout.read().split(b"\n")
    whole = [int(line) for line in rest[:-1] if line]
    return first, whole[-1] if whole else last


def check(reader: Reader, lost: set[int], committed: int) -> int:
    """Every committed step is there once; the newest step of all."""
    newest = 0
    for name, width in {**WIDTHS, "remote": REMOTE}.items():
        batch = reader.select([match("instance", name)], *ALWAYS)
        assert batch.n == width
        for i, labels in enumerate(batch.labels.rows()):
            series = int(labels["__name__"][1:])
            t_ms, values = batch.series(i)
            steps = (t_ms // 1000).tolist()
            assert len(set(steps)) == len(steps)
            wanted = set(range(1, committed + 1)) - lost
            assert wanted <= set(steps), (name, series, sorted(wanted - set(steps))[:5])
            expected = np.array([value(series, step) for step in steps])
            assert (values == expected).all()
            newest = max(newest, steps[-1])
    return newest


def test_kill_at_any_moment(tmp_path: Path) -> None:
    dice = random.Random(5)
    lost: set[int] = set()
    committed = 0
    for _ in range(KILLS):
        first, last = run_and_kill(tmp_path, dice.randrange(1, 120), dice.randrange(1_000_000))
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
