"""What comes beside the values of an append: histograms become references, start times samples.

A histogram is stored when its sample will be taken, and the sample's value becomes a reference
to it. A start time is a sample, at the same time, of a hidden series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.histogram_checks import reduced
from promlab.model.histograms import GAUGE, RESET, UNKNOWN, HistogramColumn
from promlab.model.samples import STALE_BITS
from promlab.tsdb.codec_kernels import NAN
from promlab.tsdb.files import Longs
from promlab.tsdb.histogram_files import NOWHERE, is_reference
from promlab.tsdb.histogram_store import HistogramStore

U32 = npt.NDArray[np.uint32]


class Newest(NamedTuple):
    """Of each series its newest sample."""

    t_ms: Longs
    bits: Longs


def with_references(
    store: HistogramStore,
    column: HistogramColumn,
    series: U32,
    t_ms: Longs,
    bits: Longs,
    newest: Newest,
    *,
    floor: int,
    late_floor: int,
    distinct: bool,
) -> Longs:
    """The bits of an append with references to its histograms, which are stored.

    A histogram that is what the series has already at that time gets the reference that is
    there; one that can't be taken gets NOWHERE. What is older than `floor` is refused, but may
    come late if it is not older than `late_floor`; `distinct` says that no series comes
    twice. Resolutions finer than schema 8 are reduced. Raises StorageError.
    """
    column = HistogramColumn(reduced(column.table), column.index)
    bits = bits.copy()
    bits[is_reference(bits)] = NAN
    at = np.flatnonzero(column.index >= 0)
    rows = np.ascontiguousarray(column.index[at], np.int64)
    ended = column.table.sum.view(np.int64)[rows] == STALE_BITS
    bits[at[ended]] = STALE_BITS
    at, rows = at[~ended], rows[~ended]
    # Its sample before in this append, -1: none.
    earlier = np.full(len(at), -1) if distinct else _before(series, t_ms, newest, floor)[at]
    inside = np.where((earlier >= 0) & (bits[earlier] != STALE_BITS), column.index[earlier], -1)
    owner = series[at]
    t_before = np.where(earlier >= 0, t_ms[earlier], newest.t_ms[owner])
    bits_before = np.where(earlier >= 0, bits[earlier], newest.bits[owner])
    bits_before[(earlier < 0) & (t_before > t_ms[at])] = 0
    hints, equal = store.compare(column.table, rows, bits_before, inside)
    in_time = t_ms[at] >= floor
    fresh, same = in_time & (t_ms[at] > t_before), in_time & (t_ms[at] == t_before)
    late = ~fresh & ~same & (t_ms[at] >= late_floor)
    given = column.table.hint[rows]
    hints[late & (given != GAUGE) & (given != RESET)] = UNKNOWN
    bits[at] = NOWHERE
    stored = np.flatnonzero(fresh | late)
    if len(stored):
        newest_t = int(t_ms[at[stored]].max())
        bits[at[stored]] = store.add(column.table, rows[stored], hints[stored], newest_t)
    again = np.flatnonzero(same & equal)
    first = again[earlier[again] < 0]
    bits[at[first]] = bits_before[first]
    for i in again[earlier[again] >= 0].tolist():  # in order: each may repeat a repeated one
        bits[at[i]] = bits[earlier[i]]
    return bits


def _before(series: U32, t_ms: Longs, newest: Newest, floor: int) -> Longs:
    """The sample before each one in its series that an append takes; -1 where there is none."""
    from promlab.tsdb.histogram_kernels import samples_before

    before = np.empty(len(series), np.int64)
    order = np.argsort(series, kind="stable")
    samples_before(series, t_ms, order, newest.t_ms, floor, before)
    return before
