"""What storage did not take of scrapes, told in the log: after a clock was set back, mostly.

Every sample is counted on /metrics; the log gets a line at once, then one a minute at most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from promlab.model.storage import AppendOutcome

log = logging.getLogger(__name__)

EVERY_S = 60.0


class Refusals:
    """Samples of all targets that were refused since the line before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_s = -EVERY_S
        self._late = self._old = self._duplicate = 0

    def note(self, target: str, outcome: AppendOutcome) -> None:
        """Samples of a target were refused."""
        self._late += outcome.out_of_order
        self._old += outcome.too_old
        self._duplicate += outcome.duplicate
        now = self._clock()
        if now - self._told_s < EVERY_S:
            return
        counts = (
            (self._late, "older than their series' newest"),
            (self._old, "too old"),
            (self._duplicate, "another value at the same time"),
        )
        why = ", ".join(f"{number:,} {reason}" for number, reason in counts if number)
        log.warning("scraped samples are refused: %s; the last ones of %s", why, target)
        self._told_s = now
        self._late = self._old = self._duplicate = 0
