"""Histograms and counts that the core keeps of itself; the server shows them as metrics."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

# Bounds in seconds that client libraries have by default.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BYTES = tuple(100.0 * 10.0**power for power in range(7))


class Histogram:
    """How many observations were at most each bound, how many in all, and their sum."""

    __slots__ = ("_counts", "bounds", "sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds, self.sum = bounds, 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count how long this takes, also where it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - started)

    @property
    def count(self) -> int:
        """How many in all."""
        return sum(self._counts)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Bounds, and how many were at most that; without the last bucket, which has all."""
        total = 0
        for bound, count in zip(self.bounds, self._counts, strict=False):
            total += count
            yield bound, total


@dataclass(slots=True)
class StoreMeasures:
    """What silences, or the notification log, were asked, and what it took."""

    queries: int = 0
    query_errors: int = 0
    query_s: Histogram = field(default_factory=Histogram)
    gc_s: Histogram = field(default_factory=Histogram)
    gc_errors: int = 0
    propagated: int = 0  # changes that peers were told
    scanned: int = 0  # silences that were looked at for an alert
    skipped: int = 0  # silences that the index made it unnecessary to look at
