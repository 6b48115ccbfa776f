"""`Pieces`: the parts of rows that are asked for, where they come from, and which is where.

A piece is what is wanted of one row of a block, or of one series of the head: neighbouring
samples, and where their times are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.row_groups import Rows
from promlab.tsdb.blocks.tombstones import Tombstones

Longs = npt.NDArray[np.int64]


class BlockPart(NamedTuple):
    """Series of a block (of its index, ascending), and which row of the result each is.

    Of that block only samples with start_ms <= t <= end_ms count.
    """

    block: Block
    series: Longs
    to: Longs
    start_ms: int = -(2**62)
    end_ms: int = 2**62


class HeadPart(NamedTuple):
    """The head's batch, which row of the result each series is, and what is deleted of those."""

    batch: SeriesBatch
    to: Longs
    deleted: Tombstones | None = None


class Source(NamedTuple):
    """What pieces are decoded from: rows of a block, or the head's batch."""

    block: Block | None
    rows: Rows | None
    head: SeriesBatch | None = None


class Pieces(NamedTuple):
    """Columns of pieces; `low` is the first sample within the row (or the head's values)."""

    series: Longs
    source: Longs
    row: Longs
    low: Longs
    samples: Longs
    t_at: Longs

    def take(self, which: npt.NDArray[np.generic] | slice) -> Pieces:
        """Some of the pieces."""
        return Pieces(*(column[which] for column in self))


def in_order(pieces: Pieces, times: Longs) -> tuple[Pieces, Longs]:
    """Pieces by series and time, and the first time of each."""
    first = times[pieces.t_at]
    order = np.lexsort([first, pieces.series])
    return pieces.take(order), first[order]


def positions(at: Longs, counts: Longs) -> Longs:
    """Where all samples of some pieces are: `counts` from `at` on, piece by piece."""
    before = np.cumsum(counts) - counts
    found: Longs = np.repeat(at - before, counts) + np.arange(int(counts.sum()))
    return found


def without(pieces: Pieces, own: Longs, deleted: Tombstones, t_ms: Longs, shift: int) -> Pieces:
    """Pieces without what is deleted; `own` are their series' numbers in the tombstones."""
    hit = np.isin(own, deleted.series)
    if not hit.any():
        return pieces
    kept = [pieces.take(~hit)]
    for i in np.flatnonzero(hit).tolist():
        low, count, t_at = int(pieces.low[i]), int(pieces.samples[i]), int(pieces.t_at[i])
        times = t_ms[t_at - shift : t_at - shift + count]
        at = 0
        bounds = [
            np.searchsorted(times, [first, last + 1]).tolist()
            for first, last in deleted.of(int(own[i]))
        ]
        for begin, end in [*bounds, [count, count]]:
            if begin > at:
                one = pieces.take(np.array([i]))
                kept.append(
                    one._replace(
                        low=np.array([low + at]),
                        samples=np.array([begin - at]),
                        t_at=np.array([t_at + at]),
                    )
                )
            at = max(at, end)
    return Pieces(*(np.concatenate(columns) for columns in zip(*kept, strict=True)))
