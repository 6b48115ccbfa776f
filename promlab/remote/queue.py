"""One endpoint of remote write: looks for new samples, and sends them until they arrive.

Shards send at the same time; each series belongs to one, so that its samples arrive in order.
Storage itself is the queue: what was not sent yet is looked up there, so a receiver that is away
for hours costs no memory here, and nothing is lost when this process ends. How far it has come
is kept in a file.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from promlab.config.kinds import show_url
from promlab.config.remote import RemoteWriteConfig
from promlab.errors import PromlabError, StorageError, TooManySamples
from promlab.model.storage import Querier, StoredLog
from promlab.remote.batches import (
    Batch,
    Chosen,
    choose,
    counted,
    final_labels,
    make_batch,
    packed,
    shard_rows,
)
from promlab.remote.delivery import Delivery
from promlab.remote.encode import V2, Family, Index, exemplars_request, metadata_request
from promlab.remote.progress import Progress, read_progress, write_progress
from promlab.remote.queue_stats import BY_RULES, TOO_OLD, Counts, QueueStats
from promlab.remote.sharding import Sharding
from promlab.remote.tail import Fresh, Tail

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_REMEMBER_S = 10.0
_ROUND = 10  # batches of a shard between two decisions about shards
_FAR_BACK_MS = -(1 << 62)
Metadata = Callable[[], Awaitable[Sequence[Family]]]


class Queue:
    """Sends what is new in storage to one endpoint.

    `state_path` is the file with how far it has come; without it, that is `since_ms`, or now.
    Raises ConfigError if TLS settings can't be used.
    """

    def __init__(
        self,
        config: RemoteWriteConfig,
        external: Mapping[str, str],
        querier: Querier,
        state_path: Path,
        *,
        version: str,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        since_ms: int | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        self.config, self.external = config, external
        self._metadata, self._now_ms, self._state_path = metadata, now_ms, state_path
        self.stats = QueueStats()
        self._sharding = Sharding(config.queue_config, self.stats)
        self._delivery = Delivery(
            config, self.stats, name=self.name, version=version, now_ms=now_ms
        )
        state = read_progress(state_path) or Progress(now_ms() if since_ms is None else since_ms)
        self._tail = Tail(querier, state.sent_ms, state.log)
        self._families: Mapping[str, Family] = {}
        self._log = querier if isinstance(querier, StoredLog) else None
        self._exemplars_at = state.exemplars
        if self._log is not None and config.send_exemplars and self._exemplars_at is None:
            self._exemplars_at = self._log.exemplars_since(None).position
        self._stored_before = 0  # the last look
        self._remembered_at = -_REMEMBER_S
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        """What it is called in metrics."""
        return self.config.name or self._state_path.stem[:6]

    @property
    def url(self) -> str:
        """Where it sends, without a password."""
        return show_url(self.config.url)

    def pending(self) -> Counts:
        """What waits for being sent; what came while the last of it was sent counts as samples."""
        found = replace(self.stats.pending)
        found.samples += self._behind()
        return found

    def newest_ms(self) -> int:
        """The newest sample that is stored."""
        return self.stats.highest_ms if self._log is None else self._log.so_far()[1]

    @property
    def sent_to_ms(self) -> int:
        """Samples up to this time are not needed any more."""
        return self._tail.oldest_needed_ms - 1

    def start(self) -> None:
        """Send from now on; after the next start, too, what could not be sent by then."""
        self._remember()
        self._tasks = [asyncio.create_task(self._run(), name=f"remote write {self.name}")]
        if self._metadata is not None and self.config.metadata_config.send:
            task = self._tell_for_ever(self._metadata)
            self._tasks.append(asyncio.create_task(task, name=f"remote write {self.name} metadata"))

    async def stop(self) -> None:
        """Stop at once: what has not arrived is sent after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._delivery.close()

    async def _tell_for_ever(self, metadata: Metadata) -> None:
        """In 1.0 all metadata now and then; in 2.0 they come with each series."""
        interval_s = self.config.metadata_config.send_interval_ms / 1000
        with_series = self._delivery.message == V2
        while True:
            # What is scraped first has none before that, so it is looked for soon.
            early = with_series and not self._families
            await asyncio.sleep(min(interval_s, _LOOK_S) if early else interval_s)
            try:
                found = await metadata()
                if with_series:
                    self._families = {family[0]: family for family in found}
                else:
                    await self.tell(found)
            except PromlabError as error:
                log.warning("remote write %s: metadata not sent: %s", self.name, error)

    async def tell(self, families: Sequence[Family]) -> None:
        """Send metadata, once: what is lost comes again with the next."""
        size = self.config.metadata_config.max_samples_per_send
        for at in range(0, len(families), size):
            part = families[at : at + size]
            body = packed(metadata_request(part))
            await self._delivery.send(Batch(body, Counts(metadata=len(part))))

    async def _run(self) -> None:
        while True:
            started = time.monotonic()
            try:
                behind = await self.step()
            except (StorageError, TooManySamples) as error:
                log.error("remote write %s: samples can't be read: %s", self.name, error)
                behind = False
            except Exception:
                log.exception("remote write %s", self.name)
                behind = False
            if not behind:
                await asyncio.sleep(max(0.0, _LOOK_S - (time.monotonic() - started)))

    async def step(self) -> bool:
        """Look for new samples and send them; whether there is more at once."""
        now_ms, stats = self._now_ms(), self.stats
        if self._log is not None:
            self._stored_before = self._log.so_far()[0]
        fresh = await asyncio.to_thread(self._tail.look, now_ms)
        behind = fresh.end_ms < now_ms
        stats.pending = counted(fresh)
        if fresh.n:
            stats.highest_ms = max(stats.highest_ms, int(fresh.t_ms.max()))
        if not behind and self._may_wait(fresh, now_ms):
            return False
        if fresh.n:
            chosen = await asyncio.to_thread(self._choose, fresh, now_ms)
            stats.came.add(counted(fresh))
            stats.drop(BY_RULES, chosen.by_rules)
            stats.drop(TOO_OLD, chosen.too_old)
            stats.pending = counted(chosen.fresh)
            await self._send_all(chosen.fresh)
        await self._send_exemplars()
        await self._note_progress(fresh)
        self._reshard()
        return behind

    async def _note_progress(self, fresh: Fresh) -> None:
        """These samples are done; where nothing came, that is written down now and then."""
        self._tail.sent(fresh)
        now = time.monotonic()
        if fresh.n or now - self._remembered_at > _REMEMBER_S:
            self._remembered_at = now
            await asyncio.to_thread(self._remember)

    def _may_wait(self, fresh: Fresh, now_ms: int) -> bool:
        """Whether so few samples may wait for more."""
        settings = self.config.queue_config
        if not 0 < fresh.n < settings.max_samples_per_send:
            return False
        return now_ms - int(fresh.t_ms.min()) < settings.batch_send_deadline_ms

    def _choose(self, fresh: Fresh, now_ms: int) -> Chosen:
        config = self.config
        limit_ms = config.queue_config.sample_age_limit_ms
        return choose(
            fresh,
            self.external,
            config.write_relabel_configs,
            histograms=config.send_native_histograms,
            oldest_ms=now_ms - limit_ms if limit_ms else _FAR_BACK_MS,
        )

    async def _send_all(self, fresh: Fresh) -> None:
        """Some batches of each shard, then some more of each: of as many shards as do then."""
        size, at = self.config.queue_config.max_samples_per_send, 0
        while at < fresh.n:
            shards = self.stats.shards
            rows = np.arange(at, min(at + shards * size * _ROUND, fresh.n))
            async with asyncio.TaskGroup() as group:
                for batches in shard_rows(fresh, rows, shards, size):
                    if batches:
                        group.create_task(self._send_shard(fresh, batches))
            at += len(rows)
            self._reshard()

    def _reshard(self) -> None:
        stats, waiting = self.stats, self._behind()
        dropped = sum(counts.total for counts in stats.dropped.values())
        kept = 1 - dropped / max(1, stats.came.total)
        behind_s = (self.newest_ms() - stats.highest_sent_ms) / 1000
        self._sharding.decide(stats.came.total + waiting, kept, behind_s)

    def _behind(self) -> int:
        """How many samples were stored since the last look."""
        return 0 if self._log is None else max(0, self._log.so_far()[0] - self._stored_before)

    async def _send_shard(self, fresh: Fresh, batches: list[Index]) -> None:
        message = self._delivery.message
        for rows in batches:
            batch = await asyncio.to_thread(make_batch, fresh, rows, message, self._families)
            await self._delivery.send(batch)
            self.stats.pending.add(batch.counts, -1)

    async def _send_exemplars(self) -> None:
        """Those that came since; their series have arrived before."""
        log_, stats = self._log, self.stats
        if log_ is None or not self.config.send_exemplars:
            return
        size = self.config.queue_config.max_samples_per_send
        found = await asyncio.to_thread(log_.exemplars_since, self._exemplars_at)
        if len(found.t_ms):
            labels, kept = final_labels(
                found.labels, self.external, self.config.write_relabel_configs
            )
            stats.came.exemplars += len(found.t_ms)
            stats.drop(BY_RULES, Counts(exemplars=len(found.t_ms) - len(kept)))
            stats.pending.exemplars = len(kept)
            for at in range(0, len(kept), size):
                rows = kept[at : at + size]
                series = [labels.row(i) for i in range(at, at + len(rows))]
                own = [found.own.row(i) for i in rows.tolist()]
                body = exemplars_request(
                    series, own, found.t_ms[rows], found.values[rows], self._delivery.message
                )
                newest = int(found.t_ms[rows].max())
                batch = Batch(packed(body), Counts(exemplars=len(rows)), newest)
                await self._delivery.send(batch)
                stats.pending.add(batch.counts, -1)
        self._exemplars_at = found.position

    def _remember(self) -> None:
        tail = self._tail
        state = Progress(tail.mark_ms, self.config.url, tail.position, self._exemplars_at)
        try:
            write_progress(self._state_path, state)
        except StorageError as error:
            log.error("remote write %s: %s", self.name, error)
