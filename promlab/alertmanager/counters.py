"""What the core counts. The server turns it into metrics; tests just look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Counts since the start; keys are the labels of the metrics."""

    notifications: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    requests_failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    # integration, receiver -> (count, sum, per bucket)
    latencies: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    processing_count: int = 0
    processing_s: float = 0.0

    def create(self, kinds: Iterable[str]) -> None:
        """Begin at 0 for these kinds of integrations: a series that is missing hides its rise."""
        for kind in kinds:
            for counter in (self.notifications, self.requests, self.requests_failed):
                counter[kind, ""] += 0

    def latency(self, key: tuple[str, str], seconds: float) -> None:
        """Note how long a notification took."""
        found = self.latencies.setdefault(key, [0.0] * (2 + len(LATENCY_BUCKETS)))
        found[0] += 1
        found[1] += seconds
        for i, bound in enumerate(LATENCY_BUCKETS):
            if seconds <= bound:
                found[2 + i] += 1


LATENCY_BUCKETS = (1, 5, 10, 15, 20)
