"""Native histograms as columns: a table of them, never an object for one.

A histogram counts observations in buckets. With a schema from -4 to 8 the buckets grow
exponentially by 2^(2^-schema): the positive bucket with index i holds values in
(2^((i-1)/2^schema), 2^(i/2^schema)], negative ones mirror it, and the zero bucket holds what
lies within the zero threshold. With the schema -53 bucket i lies between two custom bounds.

A table is immutable; samples and results refer to its rows by an index, -1 for a float.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.exponential_bounds import FINEST, FRACTIONS, LARGEST

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

CUSTOM_SCHEMA = -53
UNKNOWN, RESET, NOT_RESET, GAUGE = range(4)  # hints whether a counter was reset just before


class Buckets(NamedTuple):
    """Buckets of one sign: row r has those from offsets[r] to offsets[r + 1], by index."""

    offsets: Index  # i64[n + 1]
    indices: npt.NDArray[np.int32]
    counts: Floats

    @property
    def rows(self) -> Index:
        """Which row each bucket is of."""
        sizes = np.diff(self.offsets)
        return np.repeat(np.arange(len(sizes)), sizes)

    def take(self, rows: Index) -> Buckets:
        """The buckets of these rows."""
        sizes = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        at = np.repeat(self.offsets[rows] - offsets[:-1], sizes) + np.arange(int(offsets[-1]))
        return Buckets(offsets, self.indices[at], self.counts[at])


@dataclass(frozen=True, slots=True)
class HistogramTable:
    """n histograms. `custom` is the code of a row's bounds in `bounds`, -1 for exponential."""

    schema: npt.NDArray[np.int8]
    zero_threshold: Floats
    zero_count: Floats
    count: Floats
    sum: Floats
    hint: npt.NDArray[np.int8]
    positive: Buckets
    negative: Buckets
    custom: npt.NDArray[np.int32]
    bounds: tuple[tuple[float, ...], ...] = field(default=())

    @property
    def n(self) -> int:
        """Number of histograms."""
        return len(self.schema)

    @property
    def bucket_count(self) -> int:
        """Number of all buckets: what a table costs in memory."""
        return len(self.positive.indices) + len(self.negative.indices)

    @staticmethod
    def empty() -> HistogramTable:
        """A table of no histograms."""
        none = np.zeros(0)
        small = np.zeros(0, np.int8)
        buckets = Buckets(np.zeros(1, np.int64), np.zeros(0, np.int32), none)
        return HistogramTable(
            small, none, none, none, none, small, buckets, buckets, np.zeros(0, np.int32)
        )

    def take(self, rows: Index) -> HistogramTable:
        """The table of these rows, in this order."""
        return HistogramTable(
            self.schema[rows],
            self.zero_threshold[rows],
            self.zero_count[rows],
            self.count[rows],
            self.sum[rows],
            self.hint[rows],
            self.positive.take(rows),
            self.negative.take(rows),
            self.custom[rows],
            self.bounds,
        )

    def scaled(self, factor: npt.ArrayLike) -> HistogramTable:
        """Each histogram multiplied by a number (one for all, or f64[n])."""
        factors = np.broadcast_to(np.asarray(factor, np.float64), (self.n,))
        with np.errstate(all="ignore"):
            return replace(
                self,
                # Custom buckets have no zero bucket that a factor of Inf would make a NaN of.
                zero_count=np.where(self.custom < 0, self.zero_count * factors, 0.0),
                count=self.count * factors,
                sum=self.sum * factors,
                positive=_scaled(self.positive, factors),
                negative=_scaled(self.negative, factors),
            )

    def hinted(self, hint: npt.ArrayLike) -> HistogramTable:
        """The same with other hints."""
        return replace(self, hint=np.broadcast_to(np.asarray(hint, np.int8), (self.n,)))

    @staticmethod
    def stack(tables: Sequence[HistogramTable]) -> HistogramTable:
        """The rows of several tables, one after the other."""
        if len(tables) == 1:
            return tables[0]
        bounds: dict[tuple[float, ...], int] = {}
        custom = []
        for table in tables:
            codes = [bounds.setdefault(b, len(bounds)) for b in table.bounds]
            recoded = np.array([*codes, -1], np.int32)
            custom.append(recoded[table.custom])
        join = np.concatenate
        return HistogramTable(
            join([t.schema for t in tables]),
            join([t.zero_threshold for t in tables]),
            join([t.zero_count for t in tables]),
            join([t.count for t in tables]),
            join([t.sum for t in tables]),
            join([t.hint for t in tables]),
            _stacked([t.positive for t in tables]),
            _stacked([t.negative for t in tables]),
            join(custom),
            tuple(bounds),
        )


@dataclass(frozen=True, slots=True)
class HistogramColumn:
    """Histograms among floats: `index` (any shape) gives a row of `table`, -1 for a float."""

    table: HistogramTable
    index: Index

    def take(self, selection: npt.NDArray[np.generic]) -> HistogramColumn:
        """The column with a part of its index; the table stays whole."""
        return HistogramColumn(self.table, self.index[selection])

    @staticmethod
    def stack(
        columns: Sequence[HistogramColumn | None], lengths: Sequence[int]
    ) -> HistogramColumn | None:
        """Columns one after the other; one that is None has this many floats."""
        if all(column is None for column in columns):
            return None
        tables, indices, before = [], [], 0
        for column, length in zip(columns, lengths, strict=True):
            if column is None:
                indices.append(np.full(length, -1, np.int64))
                continue
            indices.append(np.where(column.index < 0, -1, column.index + before))
            tables.append(column.table)
            before += column.table.n
        return HistogramColumn(HistogramTable.stack(tables), np.concatenate(indices))


class OrderedBuckets(NamedTuple):
    """All buckets of each histogram from the lowest to the highest, empty ones left out.

    Row r has those from offsets[r] to offsets[r + 1]; `place` is -1 for a negative bucket, 0
    for the zero bucket and 1 for a positive or custom one.
    """

    offsets: Index
    lower: Floats
    upper: Floats
    counts: Floats
    place: npt.NDArray[np.int8]


def ordered_buckets(table: HistogramTable) -> OrderedBuckets:
    """Buckets with their bounds, as an API or a quantile needs them."""
    width = table.zero_threshold
    # As in Prometheus, a zero bucket that is negative (after a subtraction) is none.
    zero = np.flatnonzero(table.zero_count > 0)
    parts = [(zero, -width[zero], width[zero], table.zero_count[zero])]
    for side, sign in ((table.negative, -1), (table.positive, 1)):
        filled = np.flatnonzero(side.counts != 0)
        row = side.rows[filled]
        lower, upper = bucket_bounds(table, row, side.indices[filled])
        # What the zero bucket covers is not covered twice: a bucket begins where that ends.
        lower = np.where(table.custom[row] < 0, np.maximum(lower, width[row]), lower)
        if sign < 0:
            lower, upper = -upper, -lower
        parts.append((row, lower, upper, side.counts[filled]))
    sizes = [np.bincount(part[0], minlength=table.n) for part in parts]
    offsets = np.concatenate([[0], np.cumsum(sizes[0] + sizes[1] + sizes[2])]).astype(np.int64)
    # Negative buckets come first, the one nearest to zero last; then the zero bucket.
    starts = [offsets[:-1] + sizes[1], offsets[:-1], offsets[:-1] + sizes[1] + sizes[0]]
    total = int(offsets[-1])
    lower, upper, counts = np.empty(total), np.empty(total), np.empty(total)
    place = np.empty(total, np.int8)
    for part, size, start, sign in zip(parts, sizes, starts, (0, -1, 1), strict=True):
        row = part[0]
        within = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
        at = start[row] + (size[row] - 1 - within if sign < 0 else within)
        lower[at], upper[at], counts[at], place[at] = *part[1:], sign
    return OrderedBuckets(offsets, lower, upper, counts, place)


def boundary_rules(buckets: OrderedBuckets) -> npt.NDArray[np.int8]:
    """Which bounds each bucket includes, as the API numbers it: 0 the upper one, 1 the lower
    one, 2 none, 3 both."""
    rules = np.array([1, 3, 0], np.int8)[buckets.place + 1]
    rules[np.isneginf(buckets.lower)] = 3
    return rules


def bucket_bounds(
    table: HistogramTable, row: Index, index: npt.NDArray[np.int32]
) -> tuple[Floats, Floats]:
    """Lower and upper bound of (positive) buckets of these rows."""
    schema, wide = table.schema[row], index.astype(np.int64)
    upper = exponential_bound(schema, wide)
    lower = exponential_bound(schema, wide - 1)
    custom = np.flatnonzero(schema == CUSTOM_SCHEMA)
    if len(custom):
        starts, flat = flat_bounds(table.bounds)
        codes = table.custom[row[custom]]
        # Each set of bounds stands between -Inf and +Inf.
        at = starts[codes] + np.clip(wide[custom], 0, starts[codes + 1] - starts[codes] - 2)
        lower[custom], upper[custom] = flat[at], flat[at + 1]
    return lower, upper


_FRACTIONS = np.array(FRACTIONS)


def exponential_bound(schema: npt.NDArray[np.int8], index: Index) -> Floats:
    """Upper bound of the bucket with this index."""
    fine = np.clip(schema, 0, 8).astype(np.int64)
    coarse = np.clip(-schema.astype(np.int64), 0, 4)
    index = index << coarse
    whole = index >> fine
    part = _FRACTIONS[(index - (whole << fine)) << (FINEST - fine)]
    with np.errstate(over="ignore", under="ignore"):
        bound: Floats = np.ldexp(part, np.clip(whole, -2000, 2000).astype(np.int32) + 1)
    return np.where((whole == 1024) & (part == 0.5), LARGEST, bound)


def flat_bounds(bounds: Sequence[tuple[float, ...]]) -> tuple[Index, Floats]:
    """All sets of bounds in one array, each between -Inf and +Inf, and where each starts."""
    sets = [(-np.inf, *one, np.inf) for one in bounds]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in sets])]).astype(np.int64)
    return starts, np.array([value for one in sets for value in one], np.float64)


def _scaled(buckets: Buckets, factors: Floats) -> Buckets:
    return buckets._replace(counts=buckets.counts * np.repeat(factors, np.diff(buckets.offsets)))


def _stacked(parts: Sequence[Buckets]) -> Buckets:
    offsets = [np.zeros(1, np.int64)]
    size = 0
    for part in parts:
        offsets.append(part.offsets[1:] + size)
        size += len(part.indices)
    return Buckets(
        np.concatenate(offsets),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )
