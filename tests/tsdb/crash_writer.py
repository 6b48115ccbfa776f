"""Writers for the crash test, see forked_writers.py: one appends and commits until it is killed.

It says `start STEP`, then `STEP` for each that it has committed. The sample of series i at step n
has the time n * 1000 and the value `values(i, n)`, so that the test knows what must be there from
the number of the last step alone.
"""

from __future__ import annotations

import numpy as np
from forked_writers import fork_writers, say

from promlab.model.histograms import Buckets, HistogramColumn, HistogramTable
from promlab.model.labels import LabelTable, Symbols
from promlab.model.storage import ExemplarBatch, Refs, SampleExtras
from promlab.tsdb.head import Head
from promlab.tsdb.options import HeadOptions

OPTIONS = HeadOptions(
    sync="never",
    segment_bytes=30_000,
    wal_bytes=100_000,
    chunk_file_bytes=50_000,
    late_window_s=1_000_000.0,
    max_exemplars=500,
)
WIDTHS = {"a": 1, "b": 13, "c": 150}  # slots of each target
REMOTE = 40
HISTOGRAMS = 5  # of a target, and as many loose ones
LATE_MS = 700  # how much later than its neighbour in time a late sample comes


def values(series: np.ndarray, steps: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return ((series * 7919 + steps * (series % 5) + (steps % 97 == 0)) % 100_003) / 8


def histograms(step: int, n: int) -> HistogramTable:
    """Series i has the buckets 0 to i; they count steps."""
    sizes = np.arange(1, n + 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    indices = np.concatenate([np.arange(size) for size in sizes]).astype(np.int32)
    counts = step + indices.astype(np.float64)
    zeros, small = np.zeros(n), np.zeros(n, np.int8)
    none = Buckets(np.zeros(n + 1, np.int64), np.zeros(0, np.int32), np.zeros(0))
    count = np.add.reduceat(counts, offsets[:-1])
    positive = Buckets(offsets, indices, counts)
    custom = np.full(n, -1, np.int32)
    return HistogramTable(
        small, zeros, zeros, count, np.full(n, float(step)), small, positive, none, custom
    )


def exemplar(refs: Refs, step: int) -> ExemplarBatch:
    texts = LabelTable.from_dicts([{"trace_id": f"t{step}"}], Symbols())
    return ExemplarBatch(refs[:1], np.array([step * 1000]), np.array([float(step)]), texts)


def labels(name: str, n: int) -> list[dict[str, str]]:
    return [{"__name__": f"m{i}", "instance": name} for i in range(n)]


def life(directory: str) -> None:
    head = Head.open(directory, options=OPTIONS)
    groups, slots = {}, {}
    for name, width in WIDTHS.items():
        groups[name] = head.open_group({"instance": name})
        slots[name] = groups[name].slots(LabelTable.from_dicts(labels(name, width), head.symbols))
    refs = head.refs(LabelTable.from_dicts(labels("remote", REMOTE), head.symbols))
    target = head.open_group({"instance": "h"})
    places = target.slots(LabelTable.from_dicts(labels("h", HISTOGRAMS), head.symbols))
    loose = head.refs(LabelTable.from_dicts(labels("loose h", HISTOGRAMS), head.symbols))
    late = head.refs(LabelTable.from_dicts(labels("late", 2), head.symbols))
    last = head.stats().max_time
    step = 1 if last is None else last // 1000 + 1
    say(f"start {step}")
    while True:
        for name, width in WIDTHS.items():
            row = values(np.arange(width), np.array(step))
            groups[name].append(step * 1000, slots[name], row)
        row = values(np.arange(REMOTE), np.array(step))
        head.append_loose(refs, np.full(REMOTE, step * 1000), row)
        column = HistogramColumn(histograms(step, HISTOGRAMS), np.arange(HISTOGRAMS))
        extras = SampleExtras(column, np.full(HISTOGRAMS, step * 1000 - 500))
        target.append(step * 1000, places, np.zeros(HISTOGRAMS), extras)
        head.append_loose(loose, np.full(HISTOGRAMS, step * 1000), np.zeros(HISTOGRAMS), extras)
        for when in (step * 1000, step * 1000 - LATE_MS):
            head.append_loose(late, np.full(2, when), np.full(2, float(when)))
        head.append_exemplars(exemplar(refs, step))
        if step % 3 == 0:
            head.commit()
            say(str(step))
        step += 1


if __name__ == "__main__":
    fork_writers(life)
