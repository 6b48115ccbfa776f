"""What makes a histogram from outside one that can be stored.

The rules are those of Prometheus: buckets and bounds have to make sense, and a resolution that
is too fine is reduced.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import CUSTOM_SCHEMA, Buckets, HistogramTable

LEAST_SCHEMA, MOST_SCHEMA, FINEST_SCHEMA = -4, 8, 52
MOST_BOUNDS = 10_000
_Floats = npt.NDArray[np.float64]


def problems(
    table: HistogramTable, is_float: npt.NDArray[np.bool_], has_bounds: npt.NDArray[np.bool_]
) -> dict[int, str]:
    """Rows that can't be stored, and why.

    `is_float` says which have counts that need not be integers, `has_bounds` which came with
    custom bounds, whatever their schema.
    """
    found: dict[int, str] = {}

    def note(rows: npt.NDArray[np.bool_], words: str) -> None:
        for row in np.flatnonzero(rows).tolist():
            found.setdefault(row, words)

    schema = table.schema
    custom = schema == CUSTOM_SCHEMA
    known = custom | ((schema >= LEAST_SCHEMA) & (schema <= FINEST_SCHEMA))
    note(~known, "its schema must be between -4 and 8, or -53 for custom buckets")
    note(has_bounds & ~custom, "histogram with exponential schema must not have custom bounds")
    note(custom & (table.zero_count != 0), "custom buckets: must have zero count of 0")
    note(custom & (table.zero_threshold != 0), "custom buckets: must have zero threshold of 0")
    note(custom & (np.diff(table.negative.offsets) > 0), "custom buckets: no negative ones")
    note(custom & _wrong_bounds(table), "custom bounds must be finite and strictly increasing")
    note(custom & _beyond_bounds(table), "custom bounds are too few for its buckets")
    sums = np.zeros(table.n)
    with np.errstate(invalid="ignore"):
        for side in (table.positive, table.negative):
            note(_any(side, ~(side.counts >= 0)), "a bucket's observation count is negative")
            sums += _sums(side)
        note(~(table.count >= 0), "its observation count is negative")
        note(~(table.zero_count >= 0), "the zero bucket's observation count is negative")
        note(~(table.zero_threshold >= 0), "its zero threshold is negative")
        sums += table.zero_count
        skewed = np.where(np.isnan(table.sum), sums > table.count, sums != table.count)
    note(~is_float & skewed, "its count does not equal the observations in its buckets")
    return found


def _wrong_bounds(table: HistogramTable) -> npt.NDArray[np.bool_]:
    wrong = [
        len(bounds) > MOST_BOUNDS
        or not np.isfinite(bounds).all()
        or bool((np.diff(bounds) <= 0).any())
        for bounds in table.bounds
    ]
    return np.array([*wrong, False])[table.custom]


def _beyond_bounds(table: HistogramTable) -> npt.NDArray[np.bool_]:
    sizes = np.array([*(len(bounds) for bounds in table.bounds), 0])[table.custom]
    side = table.positive
    most = np.repeat(sizes, np.diff(side.offsets))
    return _any(side, (side.indices > most) | (side.indices < 0))


def _any(side: Buckets, which: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    ends = np.concatenate([[0], np.cumsum(which)])[side.offsets]
    found: npt.NDArray[np.bool_] = np.diff(ends) > 0
    return found


def _sums(side: Buckets) -> _Floats:
    sums: _Floats = np.bincount(side.rows, side.counts, len(side.offsets) - 1).astype(np.float64)
    return sums


def reduced(table: HistogramTable, most: int = MOST_SCHEMA) -> HistogramTable:
    """The same with exponential buckets no finer than a schema: pairs are joined."""
    fine = (table.schema > most) & (table.schema != CUSTOM_SCHEMA)
    if not fine.any():
        return table
    shift = np.where(fine, table.schema.astype(np.int64) - most, 0)
    return replace(
        table,
        schema=np.where(fine, most, table.schema).astype(np.int8),
        positive=_joined(table.positive, shift),
        negative=_joined(table.negative, shift),
    )


def _joined(side: Buckets, shift: npt.NDArray[np.int64]) -> Buckets:
    sizes = np.diff(side.offsets)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    # Bucket i of a schema becomes ceil(i / 2) of the one below.
    index = -(-side.indices.astype(np.int64) >> np.repeat(shift, sizes))
    begins = np.flatnonzero((np.diff(index, prepend=0) != 0) | (np.diff(rows, prepend=-1) != 0))
    counts = np.add.reduceat(side.counts, begins) if len(begins) else side.counts
    left = np.bincount(rows[begins], minlength=len(sizes))
    offsets = np.concatenate([[0], np.cumsum(left)]).astype(np.int64)
    return Buckets(offsets, index[begins].astype(np.int32), counts)
