"""Few series of the head, read with one call: what most queries of dashboards and rules ask for.

Nothing here locates or decodes: kernels do, into memory that each thread keeps. What is not
plain numbers, or more than fits that memory, is left to `locating` and `decoding`.
"""

from __future__ import annotations

import threading
from functools import cache

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.model.storage import SelectHints
from promlab.tsdb import few_kernels as k
from promlab.tsdb.mapped import Mapped
from promlab.tsdb.selections import Selection

Longs = npt.NDArray[np.int64]
_Where = tuple[Longs, Longs, Longs, int, int]
_TRIES = 3
_local = threading.local()


def read_few(
    mapped: Mapped, selection: Selection, start_ms: int, end_ms: int, hints: SelectHints
) -> SeriesBatch | None:
    """The samples of a selection in a range, in the head; None if they are not for this way.

    Hold the reader's lock: chunks are looked up.
    """
    labels = selection.labels
    assert labels is not None
    if labels.n > k.PLACES:
        return None
    read_from_head = _newest if hints.newest else _all
    for _ in range(_TRIES):
        view = mapped.all_chunks()
        found = read_from_head(labels, _where(mapped, selection, start_ms, end_ms))
        if not mapped.has_sealed_since(view):
            break
    else:
        return None
    if found is None or len(found.values) > hints.max_samples > 0:
        return None
    # Looked up after the samples were: none of them can lack its start time.
    mapped.refresh_series()
    return found if mapped.index.starts(selection) is None else None


def _where(mapped: Mapped, selection: Selection, start_ms: int, end_ms: int) -> _Where:
    """What each kernel is told first, of the view of all chunks."""
    plan = mapped.index.plan(selection)
    return mapped.packed_places, mapped.packed_chunks, plan.packed, start_ms, end_ms


def _newest(labels: LabelTable, where: _Where) -> SeriesBatch | None:
    """The newest sample of each series."""
    t_ms, values, scratch = np.empty(labels.n, np.int64), np.empty(labels.n), _scratch()
    n, specials = k.newest_few(*where, t_ms, values, scratch)
    if n < 0:
        return None
    if n < labels.n:
        labels, t_ms, values = labels.take(scratch[:n].copy()), t_ms[:n], values[:n]
    offsets = _counted(n + 1)
    return SeriesBatch(labels, offsets, _counted(n), t_ms, values, None, None, specials > 0)


def _all(labels: LabelTable, where: _Where) -> SeriesBatch | None:
    """All samples of each series."""
    scratch = _scratch()
    n, times, samples, specials = k.read_few(*where, scratch)
    if n < 0:
        return None
    rows_at, t_at = 2 * n + 1, 3 * n + 1
    values_at = t_at + times
    read = scratch[: values_at + samples].copy()
    if n < labels.n:
        labels = labels.take(read[rows_at:t_at])
    offsets, times_at, t_ms = read[: n + 1], read[n + 1 : rows_at], read[t_at:values_at]
    values = read[values_at:].view(np.float64)
    return SeriesBatch(labels, offsets, times_at, t_ms, values, None, None, specials > 0)


def all_alive(
    mapped: Mapped, selection: Selection, rows: Longs, start_ms: int, end_ms: int
) -> bool:
    """Whether the head has samples in a range of all these series of a selection.

    Hold the reader's lock. False as well where head files have to be mapped anew to know it,
    and where samples were being sealed meanwhile.
    """
    mapped.all_chunks()
    places, chunks, plan, *times = _where(mapped, selection, start_ms, end_ms)
    found: int = k.all_live(places, chunks, plan, rows, *times)
    return found == 1


@cache  # as many as there may be series
def _counted(n: int) -> Longs:
    """0, 1, 2, … of n series with a sample each. Batches are never written to."""
    return np.arange(n)


def _scratch() -> Longs:
    """This thread's memory."""
    found: Longs | None = getattr(_local, "scratch", None)
    if found is None:
        found = _local.scratch = np.empty(k.SCRATCH, np.int64)
    return found
