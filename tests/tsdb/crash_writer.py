"""A writer for the crash test: appends, commits, and reports each commit on stdout.

    crash_writer.py DIRECTORY SEED

The sample of series i at step n has the time n * 1000 and the value `value(i, n)`, so that
the test knows what must be there from the number of the last step alone.
"""

from __future__ import annotations

import os
import sys

import numpy as np

from promlab.model.labels import LabelTable
from promlab.tsdb.head import Head
from promlab.tsdb.options import HeadOptions

OPTIONS = HeadOptions(
    sync="never", segment_bytes=30_000, wal_bytes=100_000, chunk_file_bytes=50_000
)
WIDTHS = {"a": 1, "b": 13, "c": 150}  # slots of each target
REMOTE = 40


def value(series: int, step: int) -> float:
    return float((series * 7919 + step * (series % 5) + (step % 97 == 0)) % 100_003) / 8


def labels(name: str, n: int) -> list[dict[str, str]]:
    return [{"__name__": f"m{i}", "instance": name} for i in range(n)]


def main(directory: str) -> None:
    head = Head.open(directory, options=OPTIONS)
    groups, slots = {}, {}
    for name, width in WIDTHS.items():
        groups[name] = head.open_group({"instance": name})
        slots[name] = groups[name].slots(LabelTable.from_dicts(labels(name, width), head.symbols))
    refs = head.refs(LabelTable.from_dicts(labels("remote", REMOTE), head.symbols))
    last = head.stats().max_time
    step = 1 if last is None else last // 1000 + 1
    os.write(1, f"start {step}\n".encode())
    while True:
        for name, width in WIDTHS.items():
            values = np.array([value(i, step) for i in range(width)])
            groups[name].append(step * 1000, slots[name], values)
        values = np.array([value(i, step) for i in range(REMOTE)])
        head.append_loose(refs, np.full(REMOTE, step * 1000), values)
        if step % 3 == 0:
            head.commit()
            os.write(1, f"{step}\n".encode())
        step += 1


if __name__ == "__main__":
    main(sys.argv[1])
