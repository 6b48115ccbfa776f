"""What the core counts. The server turns it into metrics; tests just look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from promlab.alertmanager.measures import Histogram


@dataclass(slots=True)
class Counters:
    """Counts since the start; keys are the labels of the metrics."""

    notifications: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    requests_failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    latencies: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    handed_over: int = 0  # alerts to the dispatcher, and as many to the inhibitor
    processing_count: int = 0
    processing_s: float = 0.0

    def create(self, kinds: Iterable[str]) -> None:
        """Begin at 0 for these kinds of integrations: a series that is missing hides its rise."""
        for kind in kinds:
            for counter in (self.notifications, self.requests, self.requests_failed):
                counter[kind, ""] += 0

    def latency(self, key: tuple[str, str], seconds: float) -> None:
        """Note how long a notification took."""
        if key not in self.latencies:
            self.latencies[key] = Histogram(LATENCY_BUCKETS)
        self.latencies[key].observe(seconds)


LATENCY_BUCKETS = (1, 5, 10, 15, 20)
