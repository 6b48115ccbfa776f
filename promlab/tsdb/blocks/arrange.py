"""The order of rows within a row group: those whose values move alike stand together.

A page is one zstd frame, and a frame knows one alphabet at a time: counters that grow by
thousands beside counters that stand still cost both of them bits. Nobody who reads a row group
minds, as its rows are found by their numbers anyway.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promlab.tsdb.blocks import block_kernels as k

Longs = npt.NDArray[np.int64]


def by_activity(series: Longs, counts: Longs, integers: Longs) -> Longs:
    """An order of rows: by how far values move from one to the next, of rows alike as they came.

    `counts` are the numbers of `integers` that rows have, 0 for a row of doubles. All rows of
    a series stay together.
    """
    activity = np.empty(len(counts), np.int64)
    k.activities(np.ascontiguousarray(counts), np.ascontiguousarray(integers), activity)
    found, which = np.unique(series, return_inverse=True)
    most = np.zeros(len(found), np.int64)
    np.maximum.at(most, which, activity)
    order: Longs = np.argsort(most[which], kind="stable")
    return order


def reordered(items: Longs, counts: Longs, order: Longs) -> Longs:
    """Items of rows, with the rows in another order."""
    if not len(items):
        return items
    ends = np.cumsum(counts)
    moved = counts[order]
    out = np.empty(len(items), np.int64)
    k.copy_pieces(
        np.ascontiguousarray(items), (ends - counts)[order], moved, np.cumsum(moved) - moved, out
    )
    return out
