"""Excerpts: what blocks have of few series for a while, unpacked, for those who ask again.

Panels and rules ask for the same series every few seconds, and a block never changes. Only
plain numbers are kept, of few series, and of those that were asked for last. What the head
has is put behind them anew each time: no answer is kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks.excerpt_kernels import cut_out

Longs = npt.NDArray[np.int64]
SERIES = 256  # and no more in one excerpt
SAMPLES = 1 << 16
LARGE = 1 << 19  # samples that nobody keeps
KEPT_BYTES = 8 << 20
_KEPT = 512
_OF_ONE_SELECTOR = 4
_LEAST_STEP_MS = 60_000
FOREVER = 1 << 62


class Excerpt(NamedTuple):
    """All that blocks have of some series from first_ms to last_ms, both included.

    Without a batch: that is known to be too much to be kept (`is_large`), or not plain numbers.
    """

    first_ms: int
    last_ms: int
    batch: SeriesBatch | None
    is_large: bool = False

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        batch = self.batch
        if batch is None:
            return 0
        columns = batch.offsets, batch.times_at, batch.t_ms, batch.values
        return sum(column.nbytes for column in columns)


def range_around(start_ms: int, end_ms: int, blocks: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The range of an excerpt for a query, so that it does as well for one a little later.

    `blocks` are times, from the first to before the second: no other block is touched for it.
    """
    step = 1 << max(_LEAST_STEP_MS, (end_ms - start_ms) >> 3).bit_length()
    last = end_ms // step * step + step - 1
    first = max([start_ms // step * step, *(end for _, end in blocks if end <= start_ms)])
    if last >= max((end for _, end in blocks), default=last):
        return first, min((begin - 1 for begin, _ in blocks if begin > end_ms), default=FOREVER)
    return first, min([last, *(begin - 1 for begin, _ in blocks if begin > end_ms)])


class Excerpts:
    """Those that were used last."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()
        self._of: OrderedDict[tuple[Matcher, ...], list[Excerpt]] = OrderedDict()
        self._valid: object = None
        self.size = 0

    def find(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, valid: object
    ) -> Excerpt | None:
        """One that has this range. All are forgotten when `valid` is another than before."""
        key = tuple(matchers)
        with self._lock:
            self._are_for(valid)
            for found in self._of.get(key, ()):
                if found.first_ms <= start_ms and end_ms <= found.last_ms:
                    self._of.move_to_end(key)
                    return found
        return None

    def keep(self, matchers: Sequence[Matcher], excerpt: Excerpt, valid: object) -> None:
        """Keep one, and forget those that were not used for longest."""
        key = tuple(matchers)
        with self._lock:
            self._are_for(valid)
            mine = self._of.pop(key, [])
            self._of[key] = [*mine[-_OF_ONE_SELECTOR + 1 :], excerpt]
            self.size += excerpt.size - sum(one.size for one in mine[: -_OF_ONE_SELECTOR + 1])
            while len(self._of) > 1 and (self.size > self._kept_bytes or len(self._of) > _KEPT):
                _, gone = self._of.popitem(last=False)
                self.size -= sum(one.size for one in gone)

    def _are_for(self, valid: object) -> None:
        if self._valid != valid:
            self._of.clear()
            self._valid, self.size = valid, 0


def with_held(
    batch: SeriesBatch,
    held: SeriesBatch | None,
    labels: LabelTable,
    held_to: Longs,
    start_ms: int,
    end_ms: int,
) -> SeriesBatch | None:
    """An excerpt's samples in a range, and behind them the head's; None if they overlap.

    The excerpt's series are the first of `labels`; `held_to` says which each of the head's is.
    """
    held_rows = np.full(labels.n, -1, np.int64)
    most = len(batch.values)
    if held is not None:
        held_rows[held_to] = np.arange(len(held_to))
        most += len(held.values)
    else:
        held = batch  # of which no series is taken
    heads = np.empty(3 * labels.n + 1, np.int64)
    offsets, times_at = heads[: labels.n + 1], heads[labels.n + 1 : 2 * labels.n + 1]
    rows = heads[2 * labels.n + 1 :]
    t_ms, values = np.empty(most, np.int64), np.empty(most)
    offsets[0] = 0
    n, times, samples = cut_out(
        batch.offsets, batch.times_at, batch.t_ms, batch.values, held.offsets, held.times_at,
        held.t_ms, held.values, held_rows, start_ms, end_ms, offsets, times_at, rows, t_ms,
        values,
    )  # fmt: skip
    if n < 0:
        return None
    if n < labels.n:
        labels = labels.take(rows[:n])
    return SeriesBatch(labels, offsets[: n + 1], times_at[:n], t_ms[:times], values[:samples])
