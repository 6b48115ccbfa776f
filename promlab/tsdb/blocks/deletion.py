"""Deleting series: tombstones in every block that has them, and beside the head.

The head's are in `head/tombstones.parquet`, by number of series; they are left out by whoever
reads the head, and so never get into a block. What comes later is not deleted, unless it is out
of order, between samples of its series that were.
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
_SLICE = 1 << 14  # series of which samples are read at once


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
    with HeadSource(directory, deleted_too=True) as head:
        series = _passing(head.index(), selectors)
        series, first, last = _held(head, series, start_ms, end_ms)
    if len(series):
        known = tombstones.read(directory / "head")
        # Of each series what is there: what is older or newer than that has still to come.
        tombstones.write(directory / "head", known.joined(series, first, last))
    return len(series)


def _held(
    head: HeadSource, series: Longs, start_ms: int, end_ms: int
) -> tuple[Longs, Longs, Longs]:
    """Which of some series have samples from start to end, and the first and last time of each."""
    found, first, last = ([np.zeros(0, np.int64)] for _ in range(3))
    for at in range(0, len(series), _SLICE):
        part = series[at : at + _SLICE]
        batch, rows = head.of_series(part, start_ms, end_ms)
        found.append(part[rows])
        first.append(batch.t_ms[batch.times_at])
        last.append(batch.t_ms[batch.times_at + np.diff(batch.offsets) - 1])
    return np.concatenate(found), np.concatenate(first), np.concatenate(last)


def forget_old(directory: Path) -> None:
    """Drop the head's tombstones of samples that have left the head.

    What is older than the cut is in blocks, without what was deleted; but for what came late:
    that stays, and stays deleted, until another cut.
    """
    known, cut = tombstones.read(directory / "head"), read_cut(directory)
    old = np.flatnonzero(known.max_time < cut.time)
    if not len(old):
        return
    first, last = int(known.min_time[old].min()), int(known.max_time[old].max())
    with HeadSource(directory, after_file=cut.file, deleted_too=True) as late:
        held, _, _ = _held(late, np.unique(known.series[old]), first, last)
    gone = old[~np.isin(known.series[old], held)]
    if len(gone):
        kept = (np.delete(column, gone) for column in known)
        tombstones.write(directory / "head", Tombstones(*kept))
