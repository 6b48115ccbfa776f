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
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import cramjam
import msgspec
from yarl import URL

from promlab.config.kinds import show_url
from promlab.config.remote import MESSAGES, RemoteWriteConfig
from promlab.errors import PromlabError, ScrapeError, StorageError, TooManySamples
from promlab.model.storage import Position, Querier, StoredLog
from promlab.remote.batches import Batch, Chosen, choose, final_labels, make_batch, shard_rows
from promlab.remote.encode import V1, V2, Family, Index, exemplars_request, metadata_request
from promlab.remote.tail import Fresh, Tail
from promlab.transport.cloud_auth import authenticator
from promlab.transport.session import HttpClient

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_REMEMBER_S = 10.0
_FAR_BACK_MS = -(1 << 62)
_TYPES = {V1: "application/x-protobuf", V2: f"application/x-protobuf;proto={MESSAGES[1]}"}
Metadata = Callable[[], Awaitable[Sequence[Family]]]
_VERSIONS = {V1: "0.1.0", V2: "2.0.0"}


@dataclass(slots=True)
class QueueStats:
    """Counts of one endpoint, under the names that /metrics gives them."""

    samples: int = 0
    histograms: int = 0
    metadata: int = 0
    exemplars: int = 0
    exemplars_failed: int = 0
    exemplars_retried: int = 0
    exemplars_dropped: int = 0
    samples_failed: int = 0
    samples_retried: int = 0
    samples_dropped: int = 0
    samples_pending: int = 0
    bytes: int = 0
    shards: int = 1
    shards_desired: float = 1.0
    highest_ms: int = 0
    highest_sent_ms: int = 0
    batches: int = 0
    batch_s: float = 0.0


class _State(msgspec.Struct):
    """How far an endpoint has come."""

    sent_ms: int
    url: str = ""
    log: Position | None = None
    exemplars: Position | None = None


_state = msgspec.json.Decoder(_State).decode


class _Refused(Exception):
    """The receiver will never take this batch."""


class _Retry(Exception):
    """The receiver may take this batch later; `after_s` is when it said."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class Queue:
    """Sends what is new in storage to one endpoint.

    `state_path` is the file with how far it has come. Raises ConfigError if TLS settings
    can't be used.
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
        metadata: Metadata | None = None,
    ) -> None:
        self.config, self.external = config, external
        self._metadata = metadata
        self.stats = QueueStats(shards=config.queue_config.min_shards)
        self._now_ms, self._state_path = now_ms, state_path
        self._version = V2 if config.protobuf_message == MESSAGES[1] else V1
        headers = {
            "User-Agent": f"promlab/{version}",
            "Content-Type": _TYPES[self._version],
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": _VERSIONS[self._version],
            **config.headers,
        }
        self._client = HttpClient(
            config.http,
            headers,
            spread=config.round_robin_dns,
            auth=authenticator(config.cloud_auth, headers["User-Agent"]),
        )
        state = self._remembered()
        self._tail = Tail(querier, state[0], state[1])
        self._families: Mapping[str, Family] = {}
        self._log = querier if config.send_exemplars and isinstance(querier, StoredLog) else None
        self._exemplars_at = state[2]
        if self._log is not None and self._exemplars_at is None:
            self._exemplars_at = self._log.exemplars_since(None).position
        self._waiting_since: float | None = None
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

    def start(self) -> None:
        """Send from now on."""
        self._tasks = [asyncio.create_task(self._run(), name=f"remote write {self.name}")]
        if self._metadata is not None and self.config.metadata_config.send:
            task = self._tell_for_ever(self._metadata)
            self._tasks.append(asyncio.create_task(task, name=f"remote write {self.name} metadata"))

    async def stop(self) -> None:
        """Stop at once: what has not arrived is sent after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def _tell_for_ever(self, metadata: Metadata) -> None:
        """In 1.0 all metadata now and then; in 2.0 they come with each series."""
        interval_s = self.config.metadata_config.send_interval_ms / 1000
        while True:
            # What is scraped first has none before that, so it is looked for soon.
            early = self._version == V2 and not self._families
            await asyncio.sleep(min(interval_s, _LOOK_S) if early else interval_s)
            try:
                found = await metadata()
                if self._version == V2:
                    self._families = {family[0]: family for family in found}
                else:
                    await self.tell(found)
            except (PromlabError, _Refused, _Retry) as error:
                log.warning("remote write %s: metadata not sent: %s", self.name, error)

    async def tell(self, families: Sequence[Family]) -> None:
        """Send metadata, once: what is lost comes again with the next."""
        size = self.config.metadata_config.max_samples_per_send
        for at in range(0, len(families), size):
            body = metadata_request(families[at : at + size])
            await self._post(bytes(cramjam.snappy.compress_raw(body)), 0)
            self.stats.metadata += len(families[at : at + size])

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
        settings, now_ms = self.config.queue_config, self._now_ms()
        fresh = await asyncio.to_thread(self._tail.look, now_ms)
        behind = fresh.end_ms < now_ms
        self.stats.samples_pending = fresh.n
        if fresh.n:
            self.stats.highest_ms = max(self.stats.highest_ms, int(fresh.t_ms.max()))
        if not fresh.n and not behind:
            await self._note_progress(fresh)
            return False
        if not behind and self._may_wait(fresh.n, settings.max_samples_per_send):
            return False
        self._waiting_since = None
        started = time.monotonic()
        chosen = await asyncio.to_thread(self._choose, fresh, now_ms)
        self.stats.samples_dropped += chosen.dropped
        await self._send_all(chosen.fresh)
        self.stats.samples_pending = 0
        await self._send_exemplars()
        await self._note_progress(fresh)
        self._reshard(time.monotonic() - started, behind)
        return behind

    async def _note_progress(self, fresh: Fresh) -> None:
        """These samples are done; where nothing came, that is written down now and then."""
        self._tail.sent(fresh)
        now = time.monotonic()
        if fresh.n or now - self._remembered_at > _REMEMBER_S:
            self._remembered_at = now
            await asyncio.to_thread(self._remember)

    def _may_wait(self, n: int, size: int) -> bool:
        """Whether so few samples may wait for more."""
        if n >= size:
            return False
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        return now - self._waiting_since < self.config.queue_config.batch_send_deadline_ms / 1000

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
        size = self.config.queue_config.max_samples_per_send
        shards = shard_rows(fresh, self.stats.shards, size)
        async with asyncio.TaskGroup() as group:
            for batches in shards:
                if batches:
                    group.create_task(self._send_shard(fresh, batches))

    async def _send_exemplars(self) -> None:
        """Those that came since; their series have arrived before."""
        log_, size = self._log, self.config.queue_config.max_samples_per_send
        if log_ is None:
            return
        found = await asyncio.to_thread(log_.exemplars_since, self._exemplars_at)
        if len(found.t_ms):
            labels, kept = final_labels(
                found.labels, self.external, self.config.write_relabel_configs
            )
            self.stats.exemplars_dropped += len(found.t_ms) - len(kept)
            for at in range(0, len(kept), size):
                rows = kept[at : at + size]
                series = [labels.row(i) for i in range(at, at + len(rows))]
                own = [found.own.row(i) for i in rows.tolist()]
                body = exemplars_request(
                    series, own, found.t_ms[rows], found.values[rows], self._version
                )
                packed = bytes(cramjam.snappy.compress_raw(body))
                newest = int(found.t_ms[rows].max())
                await self._deliver(Batch(packed, 0, 0, newest, len(rows)))
        self._exemplars_at = found.position

    async def _send_shard(self, fresh: Fresh, batches: list[Index]) -> None:
        for rows in batches:
            batch = await asyncio.to_thread(make_batch, fresh, rows, self._version, self._families)
            await self._deliver(batch)

    async def _deliver(self, batch: Batch) -> None:
        """Send a batch until it has arrived, or will never."""
        settings, stats = self.config.queue_config, self.stats
        count = batch.samples + batch.histograms
        backoff_s, attempt = settings.min_backoff_ms / 1000, 0
        while True:
            started = time.monotonic()
            try:
                await self._post(batch.body, attempt)
            except _Refused as error:
                stats.samples_failed += count
                stats.exemplars_failed += batch.exemplars
                lost = count + batch.exemplars
                log.error("remote write %s: %d samples dropped: %s", self.name, lost, error)
                return
            except _Retry as error:
                if attempt == 0:
                    log.warning("remote write %s: trying again: %s", self.name, error)
                stats.samples_retried += count
                stats.exemplars_retried += batch.exemplars
                await asyncio.sleep(max(backoff_s, error.after_s))
                backoff_s = min(2 * backoff_s, settings.max_backoff_ms / 1000)
                attempt += 1
                if self._is_too_old(batch):
                    stats.samples_dropped += count
                    stats.exemplars_dropped += batch.exemplars
                    return
                continue
            stats.batches += 1
            stats.batch_s += time.monotonic() - started
            stats.samples += batch.samples
            stats.histograms += batch.histograms
            stats.exemplars += batch.exemplars
            stats.bytes += len(batch.body)
            stats.highest_sent_ms = max(stats.highest_sent_ms, batch.newest_ms)
            return

    def _is_too_old(self, batch: Batch) -> bool:
        limit_ms = self.config.queue_config.sample_age_limit_ms
        return bool(limit_ms) and batch.newest_ms < self._now_ms() - limit_ms

    async def _post(self, body: bytes, attempt: int) -> None:
        """Raises _Refused or _Retry."""
        url = URL(self.config.url, encoded=True)
        again = {"Retry-Attempt": str(attempt)} if attempt else {}
        try:
            async with (
                asyncio.timeout(self.config.remote_timeout_ms / 1000),
                self._client.open(
                    "POST", url, always=again, body=body, keep_method=True
                ) as response,
            ):
                if response.status // 100 == 2:
                    return
                text = (await response.content.read(512)).decode(errors="replace")
                self._judge(response.status, " ".join(text.split()), response.headers)
        except (aiohttp.ClientError, OSError, ScrapeError) as error:
            raise _Retry(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    def _judge(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        why = f"HTTP status {status}: {text}"
        limited = status == 429 and self.config.queue_config.retry_on_http_429
        if status // 100 == 5 or limited:
            raise _Retry(why, _seconds(headers.get("Retry-After", "")))
        raise _Refused(why)

    def _reshard(self, took_s: float, behind: bool) -> None:
        """More shards where sending takes longer than what is sent; fewer where it is quick."""
        settings, stats = self.config.queue_config, self.stats
        if behind or took_s > _LOOK_S:
            stats.shards_desired = stats.shards * max(2.0, took_s)
            stats.shards = min(settings.max_shards, 2 * stats.shards)
        elif took_s < 0.2 * _LOOK_S:
            stats.shards_desired = max(1.0, stats.shards * took_s / _LOOK_S)
            stats.shards = max(settings.min_shards, stats.shards - 1)

    # --- how far it has come -------------------------------------------------------------

    def _remembered(self) -> tuple[int, Position | None, Position | None]:
        """Where to go on, by time and in the logs: where the last one ended, or now."""
        try:
            found = _state(self._state_path.read_bytes())
        except (OSError, msgspec.DecodeError):
            return self._now_ms(), None, None
        return found.sent_ms, found.log, found.exemplars

    def _remember(self) -> None:
        fresh = self._state_path.with_suffix(".tmp")
        try:
            self._state_path.parent.mkdir(exist_ok=True)
            tail = self._tail
            state = _State(tail.mark_ms, self.config.url, tail.position, self._exemplars_at)
            fresh.write_bytes(msgspec.json.encode(state))
            fresh.replace(self._state_path)
        except OSError as error:
            log.error("remote write %s: %s can't be written: %s", self.name, fresh, error)


def _seconds(text: str) -> float:
    """What a Retry-After header says: seconds, or a date."""
    if text.isdigit():
        return float(text[:6])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
