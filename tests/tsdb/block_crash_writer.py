"""Writers for the crash test of blocks, see forked_writers.py.

One opens its directory and appends, commits, cuts, joins and deletes as fast as it can, until it
is killed. It says `start STEP`, `STEP` (committed), `deleting STEP`, `deleted STEP`.

The sample of series i at step n has the time n * 1000 and the value `values(i, n)`.
"""

from __future__ import annotations

import numpy as np
from block_tools import in_process
from forked_writers import fork_writers, say

from promlab.model.labels import LabelTable
from promlab.tsdb.head import Head
from promlab.tsdb.options import HeadOptions

OPTIONS = HeadOptions(
    sync="never",
    segment_bytes=30_000,
    wal_bytes=100_000,
    chunk_file_bytes=50_000,
    window_s=20.0,
    late_window_s=300.0,
    retention_s=0.0,
    block_s=40.0,
    max_block_s=360.0,
)
WIDTHS = {"a": 1, "b": 7, "c": 40, "gone": 3}  # slots of each target
REMOTE = 9
LATE_BY = 100  # one step in three brings a late sample, so much older


def values(series: int, steps: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return ((series * 7919 + steps * (series % 5) + (steps % 97 == 0)) % 100_003) / 8


def labels(name: str, n: int) -> list[dict[str, str]]:
    return [{"__name__": f"m{i}", "instance": name} for i in range(n)]


class Run:
    """One life of a writer."""

    def __init__(self, directory: str) -> None:
        head = self.head = in_process(Head.open(directory, options=OPTIONS))
        self.groups, self.slots = {}, {}
        for name, width in WIDTHS.items():
            self.groups[name] = head.open_group({"instance": name})
            table = LabelTable.from_dicts(labels(name, width), head.symbols)
            self.slots[name] = self.groups[name].slots(table)
        self.refs = head.refs(LabelTable.from_dicts(labels("remote", REMOTE), head.symbols))
        self.late = head.refs(LabelTable.from_dicts(labels("late", 1), head.symbols))
        last = head.stats().max_time
        self.step = 1 if last is None else last // 1000 + 1

    def one_step(self) -> None:
        head, step = self.head, self.step
        for name, width in WIDTHS.items():
            row = np.array([float(values(i, np.array(step))) for i in range(width)])
            self.groups[name].append(step * 1000, self.slots[name], row)
        row = np.array([float(values(i, np.array(step))) for i in range(REMOTE)])
        head.append_loose(self.refs, np.full(REMOTE, step * 1000), row)
        if step % 3 == 0:
            old = step - LATE_BY if step % 2 and step > LATE_BY else step
            value = values(0, np.array([old])).astype(float)
            head.append_loose(self.late, np.array([old * 1000]), value)
            head.blocks._looked_s = -1e18  # type: ignore[union-attr]
            head.commit()
            say(str(step))
        if step % 211 == 0:
            self.delete(step)
        self.step += 1

    def delete(self, step: int) -> None:
        keeper = self.head.blocks
        assert keeper is not None
        self.head.commit()
        say(f"deleting {step}")
        selectors = [[["instance", "=", "gone"]]]
        future = keeper.ask(
            {"kind": "delete", "selectors": selectors, "start_ms": 0, "end_ms": step * 1000}
        )
        while not future.done():
            self.head.commit()
        future.result()
        say(f"deleted {step}")


def life(directory: str) -> None:
    run = Run(directory)
    say(f"start {run.step}")
    while True:
        run.one_step()


if __name__ == "__main__":
    fork_writers(life)
