"""Figures of the storage engine: appending, sealing, remote write, selecting, opening.

    python benchmarks/tsdb.py [DIRECTORY]

CPU of this process unless said; medians where a figure is repeated.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher, MatchType
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions
from promlab.tsdb.reader import Reader

OPTIONS = HeadOptions(window_s=1e9)


def labels(head: Head, n: int, **more: str) -> LabelTable:
    rows = [{"__name__": f"metric_{i % 100}", "n": str(i), **more} for i in range(n)]
    return LabelTable.from_dicts(rows, head.symbols)


def append(head: Head, width: int, rows: int) -> None:
    """Rows with 40 % changed values, a commit every 10, sealing included."""
    dice = np.random.default_rng(1)
    group = head.open_group({"instance": f"w{width}"})
    slots = group.slots(labels(head, width, instance=f"w{width}"))
    table = [np.round(dice.random(width) * 1000, 1) for _ in range(8)]
    values = table[0].copy()
    before, start = head.stats(), time.process_time()
    for step in range(rows):
        some = slice(0, width * 2 // 5)
        values = values.copy()
        values[some] = table[step % 8][some]
        group.append(15_000 * step, slots, values)
        if step % 10 == 9:
            head.commit()
    head.commit()
    spent, after = time.process_time() - start, head.stats()
    wal = (after.wal_bytes - before.wal_bytes) / width / rows
    chunks = (after.chunk_bytes - before.chunk_bytes) / width / rows
    print(f"append {width:6,} slots: {spent / rows * 1e6:7.1f} us a row", end="")
    print(f"  WAL {wal:.2f} B/sample, chunks {chunks:.2f} B/sample")


def remote_write(head: Head, series: int, steps: int, per: int) -> None:
    """Counters by requests of 2,000 series with `per` samples each."""
    refs = head.refs(labels(head, series, instance="remote"))
    rate = np.random.default_rng(2).choice([0, 0.2, 3, 40, 900], series)
    start = time.process_time()
    for at in range(0, steps, per):
        t_ms = 15_000 * np.arange(at, at + per)
        for low in range(0, series, 2_000):
            part = slice(low, low + 2_000)
            values = np.floor(np.outer(rate[part], np.arange(at, at + per)))
            n = len(values)
            head.append_loose(np.repeat(refs[part], per), np.tile(t_ms, n), values.reshape(-1))
            head.commit()
    spent = time.process_time() - start
    print(f"remote write {series:,} x {steps:,}: {spent / series / steps * 1e9:.0f} ns a sample")


def register(head: Head, n: int) -> None:
    table = labels(head, n, instance="new")
    start = time.process_time()
    head.refs(table)
    head.commit()
    print(f"register {n:,} series: {time.process_time() - start:.2f} s")


def timed(what: str, call: Callable[[], object], repeat: int = 9) -> None:
    call()
    wall, cpu = [], []
    for _ in range(repeat):
        start, spent = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - spent)
    shown = f"{statistics.median(wall) * 1e3:.2f} ms, CPU {statistics.median(cpu) * 1e3:.2f} ms"
    print(f"{what}: {shown}")


def selects(reader: Reader, end: int) -> None:
    def instance(name: str) -> list[Matcher]:
        return [Matcher("instance", MatchType.EQUAL, name)]

    hour, lookback = 3_600_000, 300_000
    wide, remote = instance("w10000"), instance("remote")
    one = [*instance("w1000"), Matcher("n", MatchType.EQUAL, "7")]
    timed("select 1 series x 1 h", lambda: reader.select(one, end - hour, end))
    timed("select 10,000 of a target x 1 h", lambda: reader.select(wide, end - hour, end))
    timed("select 10,000 of a target, lookback", lambda: reader.select(wide, end - lookback, end))
    timed("select 20,000 loose x 1 h", lambda: reader.select(remote, end - hour, end))
    timed("select 20,000 loose, lookback", lambda: reader.select(remote, end - lookback, end))
    timed("label values", lambda: reader.label_values("n", one[:1], 0, end))


def main(directory: Path) -> None:
    head = Head.open(directory, options=OPTIONS)
    append(head, 1_000, 1_440)
    append(head, 10_000, 720)
    remote_write(head, 20_000, 720, 40)
    register(head, 300_000)
    end = 15_000 * 719
    with open_reader(directory) as reader:
        selects(reader, end)
    print(head.stats())
    head.close()
    start, spent = time.perf_counter(), time.process_time()
    head = Head.open(directory, options=OPTIONS)
    wall, cpu = time.perf_counter() - start, time.process_time() - spent
    print(f"open again: {wall:.2f} s, CPU {cpu:.2f} s")
    head.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        place = Path(tempfile.mkdtemp(prefix="promlab-bench-"))
        try:
            main(place)
        finally:
            shutil.rmtree(place)
