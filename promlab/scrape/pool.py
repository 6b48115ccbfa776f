"""The targets of one job: discovered, relabelled, scraped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence

from promlab.config.limits import DEFAULT_PROTOCOLS, PROTOCOLS
from promlab.config.scrape import ScrapeConfig
from promlab.discovery import Discovery, Providers, TargetGroup
from promlab.exposition.formats import Protocol, accept_header
from promlab.model.quantiles import Window
from promlab.scrape.failure_log import FailureLog
from promlab.scrape.fetch import Fetcher
from promlab.scrape.ingest import TargetIngest
from promlab.scrape.loop import ScrapeLoop, Surroundings
from promlab.scrape.retirement import Retirement
from promlab.scrape.target import START_FEATURES, Target, make_targets
from promlab.transport.session import HttpClient

log = logging.getLogger(__name__)

_Key = tuple[str, int, int, tuple[tuple[str, bool], ...], tuple[tuple[str, str], ...]]


def request_headers(
    job: ScrapeConfig, version: str, features: frozenset[str] = frozenset()
) -> dict[str, str]:
    """What every request of a job says about itself."""
    names = job.scrape_protocols
    if names == DEFAULT_PROTOCOLS and not features.isdisjoint(START_FEATURES):
        names = PROTOCOLS
    protocols = [Protocol(name) for name in names]
    return {
        "Accept": accept_header(protocols, job.limits.metric_name_escaping_scheme),
        "Accept-Encoding": "gzip" if job.enable_compression else "identity",
        "User-Agent": f"promlab/{version}",
    }


class ScrapePool:
    """A job at work. Raises ConfigError if its TLS settings can't be used."""

    def __init__(
        self,
        job: ScrapeConfig,
        around: Surroundings,
        retirement: Retirement,
        providers: Providers,
        version: str,
        failure_log: FailureLog | None = None,
    ) -> None:
        self.job = job
        self._failure_log = failure_log
        self.dropped: list[dict[str, str]] = []
        self.dropped_count = 0
        self._around, self._retirement = around, retirement
        self._client = HttpClient(job.http, request_headers(job, version, around.features))
        self._fetcher = Fetcher(
            self._client,
            around.aside,
            follow_redirects=job.http.follow_redirects,
            body_size_limit=job.limits.body_size_limit,
        )
        self._loops: dict[_Key, tuple[ScrapeLoop, asyncio.Task[None]]] = {}
        self._identities: Counter[tuple[tuple[str, str], ...]] = Counter()
        found = providers.of(job.discovery, job.job_name)
        self._discovery = Discovery(found, self._sync, providers.stats)
        self._first_sync = asyncio.Event()

    @property
    def loops(self) -> list[ScrapeLoop]:
        """Loops of all targets, by URL."""
        return sorted((loop for loop, _ in self._loops.values()), key=lambda loop: loop.target.url)

    def start(self) -> None:
        """Start discovery, and with its first results, scraping."""
        self._discovery.start()

    async def synced(self) -> None:
        """Wait for the first results of discovery."""
        await self._first_sync.wait()

    async def stop(self, *, retire: bool) -> None:
        """Stop scraping. With `retire` the targets' series end unless they are taken over."""
        await self._discovery.stop()
        for key in list(self._loops):
            self._remove(key, retire=retire)
        await self._client.close()

    def _sync(self, groups: Sequence[TargetGroup]) -> None:
        try:
            self._follow(groups)
        finally:
            self._first_sync.set()

    def _follow(self, groups: Sequence[TargetGroup]) -> None:
        """Start and stop loops, so that there is one for each target."""
        started_s = time.perf_counter()
        name, stats, limits = self.job.job_name, self._around.stats, self.job.limits
        found = make_targets(groups, self.job)
        self.dropped_count = len(found.dropped)
        keep = limits.keep_dropped_targets
        self.dropped = found.dropped[:keep] if keep else found.dropped
        for error in found.errors:
            log.error("job %s: target can't be scraped: %s", name, error)
        wanted = {_key(target): target for target in found.active}
        for key in self._loops.keys() - wanted.keys():
            self._remove(key, retire=True)
        for key, target in wanted.items():
            if key not in self._loops:
                self._add(key, target)
            # What discovery says about a target may change without the target doing so.
            self._loops[key][0].target = target
        self._apply_target_limit()
        stats.pool_syncs[name] = stats.pool_syncs.get(name, 0) + 1
        stats.pool_targets[name] = len(self._loops)
        stats.pool_target_limit[name] = limits.target_limit
        stats.sync_failed[name] = stats.sync_failed.get(name, 0) + len(found.errors)
        stats.discovered_targets[name] = sum(len(group.targets) for group in groups)
        took_s = time.perf_counter() - started_s
        stats.sync_s.setdefault(name, Window()).add(took_s)

    def _apply_target_limit(self) -> None:
        limit, count = self.job.limits.target_limit, len(self._loops)
        error = ""
        if limit and count > limit:
            error = f"target_limit exceeded (number of targets: {count}, limit: {limit})"
            self._around.stats.exceeded_target_limit += 1
        for loop, _ in self._loops.values():
            loop.forced_error = error

    def _add(self, key: _Key, target: Target) -> None:
        ingest = self._retirement.reclaim(self.job.job_name, target)
        if ingest is None:
            around = self._around
            ingest = TargetIngest(
                around.appender, target.labels, self.job, around.stats, around.features
            )
        else:
            ingest.configure(self.job)
        around, log_ = self._around, self._failure_log
        loop = ScrapeLoop(target, self.job, ingest, self._fetcher, around, log_)
        task = asyncio.create_task(loop.run(), name=f"scrape {target.url}")
        task.add_done_callback(_log_crash)
        self._loops[key] = (loop, task)
        self._identities[target.identity] += 1

    def _remove(self, key: _Key, *, retire: bool) -> None:
        loop, task = self._loops.pop(key)
        task.cancel()
        identity = loop.target.identity
        self._identities[identity] -= 1
        # Two addresses may have the same labels: then the series are not over.
        if retire and not self._identities[identity]:
            self._retirement.retire(self.job.job_name, loop.target, loop.ingest)
        else:
            loop.ingest.close()
        if not self._identities[identity]:
            del self._identities[identity]


def _key(target: Target) -> _Key:
    switches = tuple(sorted(target.switches.items()))
    return (target.url, target.interval_ms, target.timeout_ms, switches, target.identity)


def _log_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s has ended", task.get_name(), exc_info=error)
