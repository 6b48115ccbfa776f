"""The newest sample of each series of the head, for selectors that look at one moment.

Nothing else is copied or decoded: what such a query costs does not depend on how far it looks
back, nor on how many samples are there.
"""

from __future__ import annotations

from threading import Lock

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError, TooManySamples
from promlab.model.samples import SeriesBatch
from promlab.tsdb import newest_kernels as k
from promlab.tsdb.decoded import Decoded, with_histograms
from promlab.tsdb.head_kernels import NEVER
from promlab.tsdb.locating import HeadPlaces, find_chunks, read_head
from promlab.tsdb.mapped import Mapped
from promlab.tsdb.plan import Plan
from promlab.tsdb.selections import Selection
from promlab.tsdb.tail_kernels import NOTHING_HELD, OK, OLDEST

Longs = npt.NDArray[np.int64]


def newest_samples(
    mapped: Mapped,
    lock: Lock,
    selection: Selection,
    plan: Plan,
    start_ms: int,
    end_ms: int,
    max_samples: int = 0,
) -> Decoded:
    """The newest sample with start_ms <= t <= end_ms of each series that has one.

    Raises TooManySamples, StorageError.
    """
    t_ms = np.full(len(plan.slots), NEVER, np.int64)
    bits = np.empty(len(plan.slots), np.int64)
    firsts = np.full(len(plan.owners), NOTHING_HELD, np.int64)

    def held(places: HeadPlaces) -> int:
        state: int = k.newest_held(
            *places, plan.groups, plan.group_places_at, plan.group_places, plan.slots, plan.rings,
            plan.ring_places, plan.loose, start_ms, end_ms, firsts, t_ms, bits,
        )  # fmt: skip
        return state

    read_head(mapped, lock, held)
    if np.maximum.reduce(firsts, initial=OLDEST) > OLDEST:
        pieces, view = find_chunks(mapped, lock, plan, firsts, start_ms, end_ms)
        state = k.newest_sealed(
            view.indexes, view.counts, view.datas, view.sizes, pieces.file, pieces.entry,
            pieces.at, view.starts, end_ms, plan.loose, plan.sources, plan.slots, t_ms, bits,
        )  # fmt: skip
        if state != OK:
            raise StorageError("a chunk is damaged: its newest sample can't be read")
    return _batch(mapped, selection, plan, t_ms, bits, max_samples)


def _batch(
    mapped: Mapped, selection: Selection, plan: Plan, t_ms: Longs, bits: Longs, max_samples: int
) -> Decoded:
    labels = selection.labels
    assert labels is not None
    rows, times, values = (np.empty(labels.n, np.int64) for _ in range(3))
    n, histograms = k.newest_of_series(plan.places_at, t_ms, bits, rows, times, values)
    if max_samples and n > max_samples:
        raise TooManySamples(max_samples)
    if n < labels.n:
        rows, times, values = rows[:n], times[:n], values[:n]
        labels = labels.take(rows)
    at = np.arange(n + 1)
    found = Decoded(SeriesBatch(labels, at, at[:-1], times, values.view(np.float64)), rows)
    return with_histograms(found, plan, mapped.histograms) if histograms else found
