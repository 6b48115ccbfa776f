"""Mechanisms that ask again and again.

A refresh that fails keeps what was found before. It is tried again sooner than the interval
says, at first; each further failure doubles the wait until it is the interval. All waits vary
by a tenth, so that a hundred jobs do not ask at the same moment.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from promlab.discovery.base import Publish, Surroundings, TargetGroup
from promlab.errors import PromlabError

log = logging.getLogger(__name__)

FIRST_RETRY_S = 2.0
_JITTER = 0.1


class Refreshing(ABC):
    """A mechanism whose groups are all known after each refresh."""

    mechanism = ""

    def __init__(self, around: Surroundings, interval_s: float) -> None:
        self.around, self.interval_s = around, interval_s
        self.last_error = ""
        self._sources: set[str] = set()
        self._failures = 0

    @abstractmethod
    async def refresh(self) -> Sequence[TargetGroup]:
        """All groups that there are now. Raises PromlabError if they can't be had."""

    async def close(self) -> None:  # noqa: B027  (most have nothing to give back)
        """Give back what is held open."""

    async def run(self, publish: Publish) -> None:
        """Refresh until cancelled."""
        try:
            while True:
                publish(await self._once())
                await asyncio.sleep(self._pause_s())
        finally:
            await self.close()

    async def _once(self) -> Sequence[TargetGroup]:
        """What is to be published: all groups, and empty ones for those that are gone."""
        stats, key = self.around.stats, (self.mechanism, self.around.config)
        started_s = time.perf_counter()
        try:
            groups = await self.refresh()
        except Exception as error:
            self._failures += 1
            self.failed(error)
            return []
        finally:
            stats.refreshes[key] += 1
            took_s = time.perf_counter() - started_s
            stats.refresh_s[key] = stats.refresh_s.get(key, 0.0) + took_s
        self._failures, self.last_error = 0, ""
        gone = self._sources - {group.source for group in groups}
        self._sources = {group.source for group in groups}
        return [*groups, *(TargetGroup(source) for source in sorted(gone))]

    def failed(self, error: Exception) -> None:
        """Count and log what could not be had; a refresh may go on without a part of it."""
        self.around.stats.refresh_failures[self.mechanism, self.around.config] += 1
        self.last_error = " ".join(str(error).split())[:500] or type(error).__name__
        log.warning(
            "%s discovery of job %r keeps what it had: %s",
            self.mechanism,
            self.around.config,
            self.last_error,
            exc_info=None if isinstance(error, PromlabError) else error,
        )

    def _pause_s(self) -> float:
        pause_s = self.interval_s
        if self._failures:
            pause_s = min(pause_s, FIRST_RETRY_S * 2 ** min(self._failures - 1, 20))
        return pause_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
