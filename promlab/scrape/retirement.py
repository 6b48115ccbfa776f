"""Targets that are gone, for now.

Their series are ended (staleness markers) only after two intervals: a target that comes back
sooner, or that a changed configuration merely describes anew, goes on with its series as if
nothing had happened. At shutdown nothing is ended: the series go on after the restart.
"""

from __future__ import annotations

import asyncio
import logging

from promlab.errors import StorageError
from promlab.scrape.ingest import TargetIngest
from promlab.scrape.loop import Surroundings
from promlab.scrape.schedule import next_tick
from promlab.scrape.target import Target

log = logging.getLogger(__name__)

_Key = tuple[str, tuple[tuple[str, str], ...]]


class Retirement:
    """Ingests without a target, by job and labels."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._waiting: dict[_Key, tuple[TargetIngest, asyncio.Task[None]]] = {}

    def retire(self, job_name: str, target: Target, ingest: TargetIngest) -> None:
        """End the series of a target in two intervals, unless it is reclaimed."""
        key = (job_name, target.identity)
        task = asyncio.create_task(self._end(key, target, ingest))
        self._waiting[key] = (ingest, task)

    def reclaim(self, job_name: str, target: Target) -> TargetIngest | None:
        """The ingest of a target that is back, if its series have not ended yet."""
        found = self._waiting.pop((job_name, target.identity), None)
        if found is None:
            return None
        ingest, task = found
        task.cancel()
        return ingest

    async def _end(self, key: _Key, target: Target, ingest: TargetIngest) -> None:
        clock, interval_ms = self._around.clock, target.interval_ms
        tick_ms = next_tick(clock.now_ms(), interval_ms, target.offset_ms(self._around.seed))
        await clock.sleep_until(tick_ms + 1.1 * interval_ms)
        self._waiting.pop(key, None)
        try:
            ingest.end(round(tick_ms))
            self._around.appended()
        except StorageError as error:
            log.error("series of %s could not be ended: %s", target.url, error)

    async def stop(self) -> None:
        """Forget them all, without ending their series."""
        waiting, self._waiting = list(self._waiting.values()), {}
        for ingest, task in waiting:
            task.cancel()
            ingest.close()
        await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
