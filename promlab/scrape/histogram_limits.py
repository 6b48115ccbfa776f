"""Limits of native histograms: how many buckets, and how fine, a scrape may bring.

A histogram that is too fine is made coarser, bucket pairs merged, as often as it takes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from promlab.config.scrape import ScrapeConfig
from promlab.errors import ScrapeError
from promlab.exposition.parsed import ParsedBody
from promlab.model.histograms import Buckets, HistogramTable

_MIN_SCHEMA, _MAX_SCHEMA = -4, 8


class BucketLimitExceeded(ScrapeError):
    """A histogram has more buckets than it may, however coarse."""


def limited(body: ParsedBody, job: ScrapeConfig) -> ParsedBody:
    """The body with every histogram within its job's limits. Raises BucketLimitExceeded."""
    found = body.histograms
    if found is None or not (
        job.native_histogram_bucket_limit or job.native_histogram_min_bucket_factor > 1
    ):
        return body
    table = found.table
    if job.native_histogram_min_bucket_factor > 1:
        table = _not_finer(table, job.native_histogram_min_bucket_factor)
    if job.native_histogram_bucket_limit:
        table = _not_more(table, job.native_histogram_bucket_limit)
    return replace(body, histograms=replace(found, table=table))


def _not_finer(table: HistogramTable, factor: float) -> HistogramTable:
    """Histograms whose buckets grow by less than the factor, with a schema that grows more."""
    # Go picks the largest schema whose growth factor is at least this one.
    finest = int(np.clip(np.floor(-np.log2(np.log2(factor))), _MIN_SCHEMA, _MAX_SCHEMA))
    while True:
        rows = np.flatnonzero((table.schema > finest) & (table.custom < 0))
        if not len(rows):
            return table
        table = _halved(table, rows)


def _not_more(table: HistogramTable, limit: int) -> HistogramTable:
    while True:
        counts = np.diff(table.positive.offsets) + np.diff(table.negative.offsets)
        over = counts > limit
        stuck = over & ((table.schema <= _MIN_SCHEMA) | (table.custom >= 0))
        if stuck.any():
            raise BucketLimitExceeded(
                f"histogram bucket limit exceeded "
                f"(number of buckets: {int(counts[stuck].max())}, limit: {limit})"
            )
        rows = np.flatnonzero(over)
        if not len(rows):
            return table
        table = _halved(table, rows)


def _halved(
    table: HistogramTable, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> HistogramTable:
    """The table with these histograms one schema lower."""
    chosen = np.zeros(table.n, np.bool_)
    chosen[rows] = True
    return replace(
        table,
        schema=(table.schema - chosen).astype(np.int8),
        positive=_merged(table.positive, chosen),
        negative=_merged(table.negative, chosen),
    )


def _merged(side: Buckets, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Buckets:
    """Buckets in pairs, of the chosen rows: bucket i goes into bucket ceil(i / 2)."""
    n, row = len(chosen), side.rows
    index = np.where(chosen[row], (side.indices + 1) >> 1, side.indices)
    fresh = np.ones(len(row), np.bool_)
    fresh[1:] = (row[1:] != row[:-1]) | (index[1:] != index[:-1])
    starts = np.flatnonzero(fresh)
    counts = np.add.reduceat(side.counts, starts) if len(starts) else side.counts
    offsets = np.searchsorted(row[starts], np.arange(n + 1)).astype(np.int64)
    return Buckets(offsets, index[starts].astype(np.int32), counts)
