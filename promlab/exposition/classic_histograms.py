"""Classic histograms of a body as native ones with custom buckets.

Which rows make up which histogram is found once a layout; the table is one gather a scrape.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.exposition.layout import Layout
from promlab.exposition.series_keys import run_names
from promlab.model.histograms import CUSTOM_SCHEMA, UNKNOWN, Buckets, HistogramTable
from promlab.model.labels import Codes
from promlab.model.metadata import MetricType
from promlab.model.samples import Values

Index = npt.NDArray[np.int64]


class ClassicHistograms(NamedTuple):
    """h classic histograms of a layout."""

    names: Codes  # u32[h]: the metric's name
    example: Index  # i64[h]: a row that has its labels
    members: Index  # all rows that belong to one
    histogram_of_member: Index
    offsets: Index  # i64[h + 1] into `bucket_rows`
    bucket_rows: Index  # by bound; n stands for "as many as the count says"
    count_rows: Index  # i64[h], n where there is none
    sum_rows: Index
    custom: npt.NDArray[np.int32]
    bounds: tuple[tuple[float, ...], ...]

    @staticmethod
    def none() -> ClassicHistograms:
        """No histograms."""
        zero = np.zeros(0, np.int64)
        return ClassicHistograms(
            np.zeros(0, np.uint32), zero, zero, zero, np.zeros(1, np.int64), zero, zero, zero,
            np.zeros(0, np.int32), (),
        )  # fmt: skip

    def table(self, values: Values) -> tuple[HistogramTable, npt.NDArray[np.bool_]]:
        """The histograms that a body's values make, and which of them hold together.

        One whose buckets fall, or whose last bucket is not its count, does not.
        """
        h, n = len(self.names), len(values)
        padded = np.append(values, np.nan)
        last = self.offsets[1:] - 1
        at_bound = padded[self.bucket_rows]
        counts = padded[self.count_rows]
        counts = np.where(self.count_rows == n, at_bound[last] if h else counts, counts)
        at_bound = np.where(
            self.bucket_rows == n, np.repeat(counts, np.diff(self.offsets)), at_bound
        )
        below = np.concatenate([[0.0], at_bound[:-1]])[: len(at_bound)]
        below[self.offsets[:-1]] = 0.0
        inside = at_bound - below
        row = np.repeat(np.arange(h), np.diff(self.offsets))
        falls = np.bincount(row, ~(inside >= 0), h) > 0
        fits = ~falls & (at_bound[last] == counts if h else np.zeros(0, np.bool_))
        sums = np.where(self.sum_rows == n, 0.0, padded[self.sum_rows])
        zeros = np.zeros(h)
        small = np.zeros(h, np.int8)
        indices = np.arange(len(row)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))
        table = HistogramTable(
            small + np.int8(CUSTOM_SCHEMA),
            zeros,
            zeros,
            counts,
            sums,
            small + np.int8(UNKNOWN),
            Buckets(self.offsets, indices.astype(np.int32), inside),
            Buckets(np.zeros(h + 1, np.int64), np.zeros(0, np.int32), np.zeros(0)),
            self.custom,
            self.bounds,
        )
        return table, fits


def find_histograms(
    layout: Layout, keys: Index, native: npt.NDArray[np.bool_] | None
) -> ClassicHistograms:
    """The classic histograms of a layout; those that have a native form too are left out.

    `keys` are the rows' `series_keys`.
    """
    n = layout.n
    bound = _bounds(layout)
    kind = np.zeros(n, np.int8)  # 1 bucket, 2 sum, 3 count
    names = np.zeros(n, np.uint32)
    for rows, run in run_names(layout, MetricType.HISTOGRAM):
        for number, suffix in ((1, "_bucket"), (2, "_sum"), (3, "_count")):
            kind[rows][run.ends(suffix)] = number
        names[rows] = layout.labels.symbols.code(run.family)
    kind[(kind == 1) & np.isnan(bound)] = 0
    kind[layout.duplicate_rows] = 0
    if native is not None:
        kind[np.isin(keys, keys[native])] = 0
    members = np.flatnonzero(kind)
    # A sum alone is no histogram.
    members = members[np.isin(keys[members], keys[(kind == 1) | (kind == 3)])]
    if not len(members):
        return ClassicHistograms.none()
    _, first, histogram = np.unique(keys[members], return_index=True, return_inverse=True)
    h = len(first)
    count_rows, sum_rows = np.full(h, n, np.int64), np.full(h, n, np.int64)
    for number, row_of in ((2, sum_rows), (3, count_rows)):
        mine = kind[members] == number
        row_of[histogram[mine]] = members[mine]
    offsets, bucket_rows, at = _buckets(members, histogram, kind, bound, n, h)
    custom, bounds = _custom(offsets, at)
    return ClassicHistograms(
        names[members[first]], members[first], members, histogram, offsets, bucket_rows,
        count_rows, sum_rows, custom, bounds,
    )  # fmt: skip


def _bounds(layout: Layout) -> Values:
    """The number in each row's `le`, NaN where there is none."""
    distinct, which = np.unique(layout.labels.column("le"), return_inverse=True)
    return np.array([_number(text) for text in layout.labels.symbols.texts(distinct)])[which]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _buckets(
    members: Index, histogram: Index, kind: npt.NDArray[np.int8], bound: Values, n: int, h: int
) -> tuple[Index, Index, Values]:
    """Rows of buckets by histogram and bound, an infinite one always last; and the bounds."""
    mine = kind[members] == 1
    rows, of = members[mine], histogram[mine]
    open_ended = np.zeros(h, np.bool_)
    open_ended[of[np.isposinf(bound[rows])]] = True
    lacking = np.flatnonzero(~open_ended)
    of = np.concatenate([of, lacking])
    at = np.concatenate([bound[rows], np.full(len(lacking), np.inf)])
    rows = np.concatenate([rows, np.full(len(lacking), n)])
    order = np.lexsort((at, of))
    offsets = np.searchsorted(of[order], np.arange(h + 1)).astype(np.int64)
    return offsets, rows[order], at[order]


def _custom(
    offsets: Index, at: Values
) -> tuple[npt.NDArray[np.int32], tuple[tuple[float, ...], ...]]:
    """Each histogram's bounds, without the infinite one, as a code among the distinct ones."""
    codes: dict[tuple[float, ...], int] = {}
    custom = [
        codes.setdefault(tuple(at[start : end - 1].tolist()), len(codes))
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]
    return np.array(custom, np.int32), tuple(codes)
