"""Histogram points: buckets with explicit bounds, and exponential ones as native histograms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.histograms import CUSTOM_SCHEMA, GAUGE, UNKNOWN, Buckets, HistogramTable
from promlab.model.samples import Values
from promlab.model.wire import Decoded, unzigzag
from promlab.remote.otlp.points import Index, Points

MIN_SCHEMA, MAX_SCHEMA = -4, 8
# What lies as near to zero counts as zero where a point does not say.
DEFAULT_ZERO_THRESHOLD = 1e-128
Flags = npt.NDArray[np.bool_]


class Classic(NamedTuple):
    """Points with explicit bounds; buckets by point and bound, the infinite one last."""

    counts: Values
    sums: Values
    has_sum: Flags
    offsets: Index  # i64[n + 1] into the buckets
    bounds: Values
    inside: Values  # observations in each bucket alone

    def cumulative(self) -> Values:
        """Observations up to each bound; up to the infinite one, the point's count."""
        whole = np.cumsum(self.inside)
        first = self.offsets[:-1]
        before = np.repeat((whole - self.inside)[first], np.diff(self.offsets))
        found = whole - before
        found[self.offsets[1:] - 1] = self.counts
        return found

    @property
    def owner(self) -> Index:
        """The point of each bucket."""
        return np.repeat(np.arange(len(self.counts)), np.diff(self.offsets))


def read_classic(body: Decoded, points: Points) -> Classic:
    """The explicit buckets of these points."""
    n = body.count("histogram.point")
    bound_of = body.field("histogram_point.bound").owners.astype(np.int64)
    bounds = body.field("histogram_point.bound").values.view(np.float64)
    count_of = body.field("histogram_point.bucket").owners.astype(np.int64)
    inside = body.field("histogram_point.bucket").values.astype(np.float64)
    counted = np.searchsorted(count_of, np.arange(n + 1))
    place = np.arange(len(bounds)) - np.searchsorted(bound_of, bound_of)
    # As many buckets as there are both bounds and counts for.
    kept = place < np.diff(counted)[bound_of]
    which = np.full(n, -1, np.int64)
    which[points.at] = np.arange(points.n)
    kept &= which[bound_of] >= 0
    owner = np.concatenate([which[bound_of[kept]], np.arange(points.n)])
    at_bound = np.concatenate([bounds[kept], np.full(points.n, np.inf)])
    counts = body.words("histogram_point.count", n).astype(np.float64)[points.at]
    below = inside[counted[bound_of[kept]] + place[kept]]
    rest = counts - np.bincount(which[bound_of[kept]], below, points.n)
    order = np.lexsort((at_bound, owner))
    offsets = np.searchsorted(owner[order], np.arange(points.n + 1)).astype(np.int64)
    return Classic(
        counts,
        body.floats("histogram_point.sum", n)[points.at],
        body.has("histogram_point.sum", n)[points.at],
        offsets,
        at_bound[order],
        np.concatenate([below, rest])[order],
    )


def explicit_table(classic: Classic, points: Points) -> HistogramTable:
    """Native histograms with custom buckets of these points."""
    n = points.n
    sizes = np.diff(classic.offsets)
    indices = np.arange(len(classic.bounds)) - np.repeat(classic.offsets[:-1], sizes)
    codes: dict[tuple[float, ...], int] = {}
    bounds = zip(classic.offsets[:-1].tolist(), classic.offsets[1:].tolist(), strict=True)
    custom = [
        codes.setdefault(tuple(classic.bounds[start : end - 1].tolist()), len(codes))
        for start, end in bounds
    ]
    zeros = np.zeros(n)
    return HistogramTable(
        np.full(n, CUSTOM_SCHEMA, np.int8),
        zeros,
        zeros,
        classic.counts,
        np.where(classic.has_sum, classic.sums, 0.0),
        _hints(points),
        Buckets(classic.offsets, indices.astype(np.int32), classic.inside),
        _no_buckets(n),
        np.array(custom, np.int32),
        tuple(codes),
    )


def exponential_table(body: Decoded, points: Points) -> tuple[HistogramTable, Flags]:
    """Native histograms of these points that can be ones, and which can.

    A scale above 8 is made coarser; one below -4 has no place in a native histogram.
    """
    n = body.count("exponential.point")
    scale = unzigzag(body.words("exponential_point.scale", n))
    fits = scale[points.at] >= MIN_SCHEMA
    at = points.at[fits]
    shift = np.clip(scale - MAX_SCHEMA, 0, 62)
    threshold = body.floats("exponential_point.zero_threshold", n)
    threshold = np.where(threshold > 0, threshold, DEFAULT_ZERO_THRESHOLD)
    table = HistogramTable(
        np.minimum(scale, MAX_SCHEMA)[at].astype(np.int8),
        threshold[at],
        body.words("exponential_point.zero_count", n).astype(np.float64)[at],
        body.words("exponential_point.count", n).astype(np.float64)[at],
        body.floats("exponential_point.sum", n)[at],
        _hints(points)[fits],
        _exponential_buckets(body, "positive", n, shift).take(at),
        _exponential_buckets(body, "negative", n, shift).take(at),
        np.full(len(at), -1, np.int32),
    )
    return table, fits


def _exponential_buckets(body: Decoded, side: str, n: int, shift: Index) -> Buckets:
    inner = body.count(f"exponential_point.{side}")
    point = body.field(f"exponential_point.{side}").owners.astype(np.int64)
    offset = unzigzag(body.words(f"{side}.offset", inner))
    found = body.field(f"{side}.bucket")
    owner = found.owners.astype(np.int64)
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    row = point[owner]
    index = ((offset[owner] + place) >> shift[row]) + 1
    # Several buckets may have become one.
    fresh = np.ones(len(row), np.bool_)
    fresh[1:] = (row[1:] != row[:-1]) | (index[1:] != index[:-1])
    starts = np.flatnonzero(fresh)
    counts = found.values.astype(np.float64)
    if len(starts):
        counts = np.add.reduceat(counts, starts)
    filled = counts != 0
    row, index, counts = row[starts][filled], index[starts][filled], counts[filled]
    offsets = np.searchsorted(row, np.arange(n + 1)).astype(np.int64)
    limit = np.iinfo(np.int32)
    return Buckets(offsets, np.clip(index, limit.min, limit.max).astype(np.int32), counts)


def _hints(points: Points) -> npt.NDArray[np.int8]:
    return np.where(points.delta, GAUGE, UNKNOWN).astype(np.int8)


def _no_buckets(n: int) -> Buckets:
    return Buckets(np.zeros(n + 1, np.int64), np.zeros(0, np.int32), np.zeros(0))
