"""How many shards of an endpoint send at the same time.

As many as the time that requests take in a second, and some more while it is behind. What is
decided is looked at every ten seconds, and small differences change nothing: a shard more or
less moves series from one to another.
"""

from __future__ import annotations

import math
import time

from promlab.config.remote import QueueConfig
from promlab.remote.queue_stats import QueueStats

EVERY_S = 10.0
_WEIGHT = 0.2  # of the newest ten seconds
_CATCH_UP = 0.05  # share of what is behind that is sent in a second more than comes
_TOLERANCE = 0.3


class Sharding:
    """Decides for one endpoint; the counts are its own."""

    def __init__(self, settings: QueueConfig, stats: QueueStats) -> None:
        self._settings, self._stats = settings, stats
        stats.shards = settings.min_shards
        self._came, self._took = _Rate(), _Rate()
        self._since_s = time.monotonic()
        self._seen = (0, 0, 0.0)  # what came and arrived, and the time that requests took

    def decide(self, came: int, kept: float, behind_s: float, now_s: float | None = None) -> None:
        """Have more or fewer shards, if it is time to.

        `came` counts what was ever stored, `kept` is the share of it that is sent, and
        `behind_s` by how much the newest that was sent is older than the newest there is.
        """
        now_s = time.monotonic() if now_s is None else now_s
        elapsed_s = now_s - self._since_s
        if elapsed_s < EVERY_S:
            return
        stats, settings = self._stats, self._settings
        arrived = stats.sent.total - stats.retried.total
        before, self._seen = self._seen, (came, arrived, stats.requests.seconds)
        self._since_s = now_s
        if arrived == before[1]:
            return  # A receiver that takes nothing takes no more of several shards.
        self._came.add(kept * max(0, came - before[0]) / elapsed_s)
        self._took.add((stats.requests.seconds - before[2]) / (arrived - before[1]))
        behind_s = max(0.0, behind_s)
        stats.shards_desired = self._took.value * self._came.value * (1 + _CATCH_UP * behind_s)
        lowest, highest = (1 - _TOLERANCE) * stats.shards, (1 + _TOLERANCE) * stats.shards
        if not lowest <= stats.shards_desired <= highest:
            wanted = math.ceil(stats.shards_desired)
            stats.shards = min(max(wanted, settings.min_shards), settings.max_shards)


class _Rate:
    """A mean in which the newest counts most."""

    def __init__(self) -> None:
        self.value = 0.0
        self._known = False

    def add(self, value: float) -> None:
        self.value = _WEIGHT * value + (1 - _WEIGHT) * self.value if self._known else value
        self._known = True
