"""Where the samples of some series are: their places, and the sources these belong to.

A place is a slot of a group or a ring; a source is a group or a ring (see select_kernels). A
plan depends on the series log alone, not on time, and is kept with its selection.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.tsdb.packed import pack

Longs = npt.NDArray[np.int64]
GROUP, RING, LATE = 0, 1, 3  # as in select_kernels
RING_PLACE, LATE_PLACE = -1, -2  # instead of a group's number


class Plan(NamedTuple):
    """Places of n series, grouped by series; sources are groups first, then rings."""

    records: int  # of the series log that it was made from
    places_at: Longs  # [n + 1]
    slots: Longs  # of each place: slot in its group, or ring number
    sources: Longs  # of each place
    groups: Longs  # group numbers of the first sources
    group_places_at: Longs  # [groups + 1]
    group_places: Longs  # places, group by group
    rings: Longs  # ring numbers of the other sources
    ring_places: Longs  # place of each ring
    owners: Longs  # group or ring number of each source
    loose: Longs  # GROUP, RING or LATE of each source
    packed: Longs  # all these arrays, as kernels for few series want them


def make_plan(series: Longs, of_series: Longs, group: Longs, slot: Longs, records: int) -> Plan:
    """The plan for ascending `series`, from all places sorted by series."""
    low = np.searchsorted(of_series, series, side="left")
    counts = np.searchsorted(of_series, series, side="right") - low
    places_at = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    at = np.repeat(low - places_at[:-1], counts) + np.arange(places_at[-1])
    groups_of, slots = group[at], np.ascontiguousarray(slot[at])
    ring_places = np.flatnonzero(groups_of < 0)
    in_group = np.flatnonzero(groups_of >= 0)
    groups, inverse = np.unique(groups_of[in_group], return_inverse=True)
    sources = np.empty(len(at), np.int64)
    sources[in_group] = inverse
    sources[ring_places] = len(groups) + np.arange(len(ring_places))
    order = np.argsort(inverse, kind="stable")
    sizes = np.bincount(inverse, minlength=len(groups))
    rings = slots[ring_places]
    kinds = np.where(groups_of[ring_places] == LATE_PLACE, LATE, RING)
    arrays = (
        places_at,
        slots,
        sources,
        groups.astype(np.int64),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        in_group[order],
        rings,
        ring_places,
        np.concatenate([groups, rings]).astype(np.int64),
        np.concatenate([np.full(len(groups), GROUP, np.int64), kinds.astype(np.int64)]),
    )
    return Plan(records, *arrays, pack(*arrays))
