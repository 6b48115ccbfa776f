"""All jobs of a configuration at work."""

from __future__ import annotations

import asyncio
import logging
import socket

from promlab.config.config import Config
from promlab.config.scrape import ScrapeConfig
from promlab.discovery import DiscoveryStats, Providers
from promlab.errors import ConfigError, StorageError
from promlab.model.storage import Appender
from promlab.scrape.clock import Clock, SystemClock
from promlab.scrape.failure_log import FailureLogs
from promlab.scrape.loop import Surroundings
from promlab.scrape.metrics import ScrapeStats
from promlab.scrape.pool import ScrapePool
from promlab.scrape.retirement import Retirement
from promlab.scrape.status import DroppedTarget, TargetMetadata, TargetStatus, status_of

log = logging.getLogger(__name__)

_FIRST_SYNC_S = 5.0


class ScrapeManager:
    """Scrapes what a configuration says, on the running event loop.

    `appender` gets all samples, and a `commit` at most `commit_every_s` after each (None: the
    caller commits). `hostname` names this machine in targets' global URLs and spreads the
    scrapes of several servers; `version` is what targets are told; `features` are the names
    of --enable-feature.
    """

    def __init__(
        self,
        appender: Appender,
        *,
        version: str = "",
        clock: Clock | None = None,
        hostname: str | None = None,
        commit_every_s: float | None = 0.1,
        features: frozenset[str] = frozenset(),
    ) -> None:
        self.stats = ScrapeStats()
        self.discovery_stats = DiscoveryStats()
        self._hostname = socket.gethostname() if hostname is None else hostname
        self._appender, self._version = appender, version or "dev"
        self._providers = Providers(self.discovery_stats, self._version)
        self._commit_every_s = commit_every_s
        self._commit_timer: asyncio.TimerHandle | None = None
        self._around = Surroundings(
            appender, clock or SystemClock(), self.stats, self._appended, self._hostname, features
        )
        self._failure_logs = FailureLogs()
        self._retirement = Retirement(self._around)
        self._pools: dict[str, ScrapePool] = {}
        self._applying = asyncio.Lock()

    async def apply(self, config: Config) -> None:
        """Scrape by this configuration from now on.

        Jobs that did not change go on undisturbed; targets whose job changed keep their
        series. Raises ConfigError, with nothing changed, if a job can't be set up.
        """
        async with self._applying:
            jobs = {job.job_name: job for job in config.jobs}
            fresh = self._fresh_pools(jobs)
            for name, pool in list(self._pools.items()):
                if name in fresh or name not in jobs:
                    del self._pools[name]
                    await pool.stop(retire=True)
                    if name not in jobs:
                        self._forget(name)
            self._pools |= fresh
            self._failure_logs.reopen({job.limits.scrape_failure_log_file for job in jobs.values()})
            for pool in fresh.values():
                pool.start()
            await self._providers.sweep()
            waiting = [asyncio.create_task(pool.synced()) for pool in fresh.values()]
            if waiting:
                # A mechanism that is slow to speak must not hold up the others.
                _, slow = await asyncio.wait(waiting, timeout=_FIRST_SYNC_S)
                for task in slow:
                    task.cancel()

    def _fresh_pools(self, jobs: dict[str, ScrapeConfig]) -> dict[str, ScrapePool]:
        """Pools for jobs that are new or changed, not started yet."""
        fresh = {}
        for name, job in jobs.items():
            old = self._pools.get(name)
            if old is not None and old.job == job:
                continue
            try:
                fresh[name] = ScrapePool(
                    job,
                    self._around,
                    self._retirement,
                    self._providers,
                    self._version,
                    self._failure_logs.get(job.limits.scrape_failure_log_file),
                )
            except ConfigError:
                self.stats.pools_failed += 1
                raise
            self.stats.pools += old is None
            self.stats.pool_reloads += old is not None
        return fresh

    def _forget(self, name: str) -> None:
        stats = self.stats
        for by_job in (stats.pool_syncs, stats.pool_targets, stats.pool_target_limit):
            by_job.pop(name, None)
        stats.sync_s.pop(name, None)
        stats.sync_failed.pop(name, None)
        stats.discovered_targets.pop(name, None)
        self.discovery_stats.forget(name)

    async def stop(self) -> None:
        """Stop scraping and commit. Series are not ended: they go on after a restart."""
        async with self._applying:
            pools, self._pools = list(self._pools.values()), {}
            for pool in pools:
                await pool.stop(retire=False)
            await self._providers.sweep()
            await self._retirement.stop()
            if self._commit_timer is not None:
                self._commit_timer.cancel()
                self._commit_every_s = None
                self._commit()
            self._failure_logs.reopen(set())

    @property
    def pools(self) -> list[str]:
        """Names of all jobs."""
        return sorted(self._pools)

    def targets(self) -> list[TargetStatus]:
        """Every target that is scraped, by pool and URL."""
        return [
            status_of(loop, name, self._hostname)
            for name, pool in sorted(self._pools.items())
            for loop in pool.loops
        ]

    def dropped_targets(self) -> list[DroppedTarget]:
        """Targets that relabelling dropped, as many a job as `keep_dropped_targets` allows."""
        return [
            DroppedTarget(labels, name)
            for name, pool in sorted(self._pools.items())
            for labels in pool.dropped
        ]

    def dropped_counts(self) -> dict[str, int]:
        """How many targets of each pool relabelling dropped."""
        return {name: pool.dropped_count for name, pool in sorted(self._pools.items())}

    def metadata(self) -> list[TargetMetadata]:
        """What each target said last about its metrics."""
        return [
            TargetMetadata(loop.target.labels, name, loop.metadata)
            for name, pool in sorted(self._pools.items())
            for loop in pool.loops
        ]

    def _appended(self) -> None:
        if self._commit_every_s is not None and self._commit_timer is None:
            loop = asyncio.get_running_loop()
            self._commit_timer = loop.call_later(self._commit_every_s, self._commit)

    def _commit(self) -> None:
        self._commit_timer = None
        try:
            self._appender.commit()
        except StorageError as error:
            self.stats.commit_failures += 1
            log.error("scraped samples could not be made durable, trying again: %s", error)
            self._appended()
