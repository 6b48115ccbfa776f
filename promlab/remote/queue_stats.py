"""What one endpoint of remote write counts, in the way Prometheus counts it.

An attempt counts as sent, also where it is repeated; what a receiver refuses counts as failed.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

KINDS = ("samples", "histograms", "exemplars", "metadata")
BY_RULES, TOO_OLD = "dropped_series", "too_old"  # why something is dropped
BOUNDS_S = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0,
)  # fmt: skip


@dataclass(slots=True)
class Counts:
    """Of each kind of what is sent, how many."""

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0
    metadata: int = 0

    def add(self, other: Counts, sign: int = 1) -> None:
        """Add others, or take them away."""
        self.samples += sign * other.samples
        self.histograms += sign * other.histograms
        self.exemplars += sign * other.exemplars
        self.metadata += sign * other.metadata

    @property
    def total(self) -> int:
        """Of all kinds."""
        return self.samples + self.histograms + self.exemplars + self.metadata


@dataclass(slots=True)
class Durations:
    """How long requests took, by buckets."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """One request."""
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class QueueStats:
    """All counts of one endpoint."""

    came: Counts = field(default_factory=Counts)
    sent: Counts = field(default_factory=Counts)
    failed: Counts = field(default_factory=Counts)
    retried: Counts = field(default_factory=Counts)
    pending: Counts = field(default_factory=Counts)
    dropped: dict[str, Counts] = field(default_factory=dict)
    bytes: int = 0
    metadata_bytes: int = 0
    requests: Durations = field(default_factory=Durations)
    shards: int = 1
    shards_desired: float = 1.0
    highest_ms: int = 0
    highest_sent_ms: int = 0

    def drop(self, reason: str, counts: Counts) -> None:
        """These will not be sent."""
        if counts.total:
            self.dropped.setdefault(reason, Counts()).add(counts)
