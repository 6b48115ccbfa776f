"""Deleting series: tombstones in every block that has them, and beside the head.

The head's are in `head/tombstones.parquet`, by number of series; they are left out by whoever
reads the head, and so never get into a block. What comes later is not deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.model.labels import Symbols
from promlab.model.matchers import Matcher
from promlab.tsdb import control
from promlab.tsdb.blocks import tombstones
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.catalog import block_names, touch
from promlab.tsdb.blocks.cut_record import read_cut
from promlab.tsdb.blocks.head_source import HeadSource
from promlab.tsdb.blocks.tombstones import Tombstones
from promlab.tsdb.index import SeriesIndex, Verdicts

Longs = npt.NDArray[np.int64]


def delete_series(
    directory: Path, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
) -> int:
    """Delete samples with start_ms <= t <= end_ms; how many series had tombstones added.

    A series is deleted that passes all matchers of one of the selectors. Raises StorageError.
    """
    found = 0
    if control.path_of(directory).exists():
        found += _delete_in_head(directory, selectors, start_ms, end_ms)
    verdicts = Verdicts(Symbols())
    for name in block_names(directory):
        block = Block(directory / name)
        if not block.overlaps(start_ms, end_ms):
            continue
        series = _passing(block.index(verdicts), selectors)
        if len(series):
            first = max(start_ms, block.meta.min_time)
            last = min(end_ms, block.meta.max_time - 1)
            numbers = block.numbers[series]
            if block.tombstones:
                numbers = numbers[~block.tombstones.covers(numbers, first, last)]
            if not len(numbers):
                continue
            tombstones.write(block.path, block.tombstones.joined(numbers, first, last))
            found += len(numbers)
    touch(directory)
    return found


def _passing(index: SeriesIndex, selectors: Sequence[Sequence[Matcher]]) -> Longs:
    """Series that pass all matchers of one of the selectors, ascending."""
    parts = [index.select(matchers).series for matchers in selectors]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))


def _delete_in_head(
    directory: Path, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
) -> int:
    with HeadSource(directory) as head:
        times = head.time_range()
        if times is None or start_ms > times[1]:
            return 0
        series = _passing(head.index(), selectors)
    if len(series):
        known = tombstones.read(directory / "head")
        # Nothing newer than what is there now: that has still to come.
        tombstones.write(directory / "head", known.joined(series, start_ms, min(end_ms, times[1])))
    return len(series)


def forget_old(directory: Path) -> None:
    """Drop the head's tombstones for what has been in blocks for long enough."""
    known = tombstones.read(directory / "head")
    if not known:
        return
    kept = known.max_time >= read_cut(directory).time
    if not kept.all():
        tombstones.write(directory / "head", Tombstones(*(column[kept] for column in known)))
