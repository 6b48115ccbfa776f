"""How a body gets to one endpoint of remote write: sent until it arrives, or never will.

A receiver that fails, or can't be reached, is asked again, later and later; what it refuses is
dropped and counted. Whoever sends waits meanwhile: nothing is queued here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from promlab.config.remote import MESSAGES, RemoteWriteConfig
from promlab.errors import ScrapeError
from promlab.remote.batches import Batch
from promlab.remote.encode import V1, V2
from promlab.remote.queue_stats import TOO_OLD, QueueStats
from promlab.transport.cloud_auth import authenticator
from promlab.transport.session import HttpClient

log = logging.getLogger(__name__)

_TYPES = {V1: "application/x-protobuf", V2: f"application/x-protobuf;proto={MESSAGES[1]}"}
_VERSIONS = {V1: "0.1.0", V2: "2.0.0"}


class _Refused(Exception):
    """The receiver will never take this batch."""


class _Retry(Exception):
    """The receiver may take this batch later; `after_s` is when it said."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class Delivery:
    """Sends batches to one endpoint. Raises ConfigError if TLS settings can't be used."""

    def __init__(
        self,
        config: RemoteWriteConfig,
        stats: QueueStats,
        *,
        name: str,
        version: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._config, self._stats, self._name, self._now_ms = config, stats, name, now_ms
        self.message = V2 if config.protobuf_message == MESSAGES[1] else V1
        headers = {
            "User-Agent": f"promlab/{version}",
            "Content-Type": _TYPES[self.message],
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": _VERSIONS[self.message],
            **config.headers,
        }
        self._client = HttpClient(
            config.http,
            headers,
            spread=config.round_robin_dns,
            auth=authenticator(config.cloud_auth, headers["User-Agent"]),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def send(self, batch: Batch) -> None:
        """Send a batch until it has arrived, or will never."""
        settings, stats = self._config.queue_config, self._stats
        backoff_s, attempt = settings.min_backoff_ms / 1000, 0
        while True:
            try:
                await self._attempt(batch, attempt)
            except _Refused as error:
                stats.failed.add(batch.counts)
                log.error("remote write %s: %d dropped: %s", self._name, batch.counts.total, error)
                break
            except _Retry as error:
                if attempt == 0:
                    log.warning("remote write %s: trying again: %s", self._name, error)
                stats.retried.add(batch.counts)
                await asyncio.sleep(max(backoff_s, error.after_s))
                backoff_s = min(2 * backoff_s, settings.max_backoff_ms / 1000)
                attempt += 1
                if self._is_too_old(batch):
                    stats.drop(TOO_OLD, batch.counts)
                    return
            else:
                break
        if batch.counts.metadata:
            stats.metadata_bytes += len(batch.body)
        else:
            stats.bytes += len(batch.body)
        stats.highest_sent_ms = max(stats.highest_sent_ms, batch.newest_ms)

    async def _attempt(self, batch: Batch, attempt: int) -> None:
        """Send once, and count it. Raises _Refused or _Retry."""
        self._stats.sent.add(batch.counts)
        started = time.monotonic()
        try:
            await self._post(batch.body, attempt)
        finally:
            self._stats.requests.add(time.monotonic() - started)

    def _is_too_old(self, batch: Batch) -> bool:
        limit_ms = self._config.queue_config.sample_age_limit_ms
        return bool(limit_ms and batch.newest_ms) and batch.newest_ms < self._now_ms() - limit_ms

    async def _post(self, body: bytes, attempt: int) -> None:
        """Raises _Refused or _Retry."""
        url = URL(self._config.url, encoded=True)
        again = {"Retry-Attempt": str(attempt)} if attempt else {}
        try:
            async with (
                asyncio.timeout(self._config.remote_timeout_ms / 1000),
                self._client.open(
                    "POST", url, always=again, body=body, keep_method=True
                ) as response,
            ):
                if response.status // 100 == 2:
                    return
                text = (await response.content.read(512)).decode(errors="replace")
                self._judge(response.status, " ".join(text.split()), response.headers)
        except (aiohttp.ClientError, OSError, ValueError, ScrapeError) as error:
            raise _Retry(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    def _judge(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        why = f"HTTP status {status}: {text}"
        limited = status == 429 and self._config.queue_config.retry_on_http_429
        if status // 100 == 5 or limited:
            raise _Retry(why, _seconds(headers.get("Retry-After", "")))
        raise _Refused(why)


def _seconds(text: str) -> float:
    """What a Retry-After header says: seconds, or a date."""
    if text.isdigit():
        return float(text[:6])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
