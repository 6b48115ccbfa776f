"""Sums of native histograms, row by row of two tables: what differences add up to.

Exponential histograms become as coarse as the coarser of both, and what lies within the wider
zero bucket goes there. Those with custom bounds have to have the same ones.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import (
    CUSTOM_SCHEMA,
    UNKNOWN,
    Buckets,
    HistogramTable,
    Index,
    bucket_bounds,
)

Flags = npt.NDArray[np.bool_]


def can_be_added(left: HistogramTable, right: HistogramTable) -> Flags:
    """Which rows have the same kind of buckets."""
    same_kind = (left.schema == CUSTOM_SCHEMA) == (right.schema == CUSTOM_SCHEMA)
    codes: dict[tuple[float, ...], int] = {}
    sets = [
        np.array([codes.setdefault(bounds, len(codes)) for bounds in table.bounds] + [-1])
        for table in (left, right)
    ]
    same: Flags = same_kind & (sets[0][left.custom] == sets[1][right.custom])
    return same


def added(left: HistogramTable, right: HistogramTable) -> HistogramTable:
    """The sum of each row of two tables whose rows can be added."""
    schema = np.minimum(left.schema, right.schema)
    threshold = np.maximum(left.zero_threshold, right.zero_threshold)
    pair = [_fitted(table, schema, threshold) for table in (left, right)]
    return replace(
        pair[0],
        count=pair[0].count + pair[1].count,
        sum=pair[0].sum + pair[1].sum,
        zero_count=pair[0].zero_count + pair[1].zero_count,
        hint=np.full(left.n, UNKNOWN, np.int8),
        positive=_joined(pair[0].positive, pair[1].positive),
        negative=_joined(pair[0].negative, pair[1].negative),
    )


def _fitted(
    table: HistogramTable, schema: npt.NDArray[np.int8], threshold: npt.NDArray[np.float64]
) -> HistogramTable:
    """The table with these schemas, none finer than its own, and these zero buckets."""
    shift = table.schema.astype(np.int64) - schema
    zero_count = table.zero_count.copy()
    sides = []
    for side in (table.positive, table.negative):
        row = side.rows
        _, upper = bucket_bounds(table, row, side.indices)
        inside = (upper <= threshold[row]) & (table.schema[row] != CUSTOM_SCHEMA)
        np.add.at(zero_count, row[inside], side.counts[inside])
        row, index, counts = row[~inside], side.indices[~inside], side.counts[~inside]
        coarse = ((index.astype(np.int64) - 1) >> shift[row]) + 1
        sides.append(_grouped(row, np.where(shift[row] > 0, coarse, index), counts, table.n))
    return replace(
        table,
        schema=schema,
        zero_threshold=threshold,
        zero_count=zero_count,
        positive=sides[0],
        negative=sides[1],
    )


def _joined(left: Buckets, right: Buckets) -> Buckets:
    n = len(left.offsets) - 1
    row = np.concatenate([left.rows, right.rows])
    index = np.concatenate([left.indices, right.indices])
    counts = np.concatenate([left.counts, right.counts])
    order = np.lexsort((index, row))
    return _grouped(row[order], index[order], counts[order], n)


def _grouped(row: Index, index: Index, counts: npt.NDArray[np.float64], n: int) -> Buckets:
    """Buckets in order of row and index, those of the same index as one."""
    fresh = np.ones(len(row), np.bool_)
    fresh[1:] = (row[1:] != row[:-1]) | (index[1:] != index[:-1])
    starts = np.flatnonzero(fresh)
    if len(starts):
        counts = np.add.reduceat(counts, starts)
    offsets = np.searchsorted(row[starts], np.arange(n + 1)).astype(np.int64)
    return Buckets(offsets, index[starts].astype(np.int32), counts)
