"""One Alertmanager: a bounded queue of alerts, and the task that posts them in batches."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import aiohttp
import msgspec
from yarl import URL

from promlab.errors import PromlabError
from promlab.model.quantiles import Window
from promlab.rules.seams import Warn

BATCH = 256
_JSON = {"Content-Type": "application/json"}


class HttpClient(Protocol):
    """What is asked of `promlab.transport.session.HttpClient`."""

    def open(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str] = ...,
        always: Mapping[str, str] = ...,
        body: bytes | None = None,
        keep_method: bool = False,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """An answer, redirects followed."""

    async def close(self) -> None:
        """Close all connections."""


class Notification(NamedTuple):
    """An alert as Alertmanagers get it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: str
    ends_at: str
    generator_url: str

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": self.starts_at,
            "endsAt": self.ends_at,
            "generatorURL": self.generator_url,
        }


@dataclass(slots=True)
class SenderStats:
    """What happened with one Alertmanager's alerts."""

    sent: int = 0  # also in vain
    errors: int = 0
    dropped: int = 0
    latency_s: Window = field(default_factory=Window)
    last_error: str = ""


class Sender:
    """Queue and task of one Alertmanager."""

    def __init__(
        self,
        url: str,
        client: HttpClient,
        timeout_s: float,
        warn: Warn,
        capacity: int,
        batch: int = BATCH,
    ) -> None:
        self.url, self.stats, self.capacity, self._batch = url, SenderStats(), capacity, batch
        self._client, self._timeout_s, self._warn = client, timeout_s, warn
        self._queue: deque[Notification] = deque()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._run(), name=f"alerts to {url}")

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, alerts: Sequence[Notification]) -> None:
        """Queue alerts; what no longer fits is dropped, oldest first."""
        self._queue.extend(alerts)
        over = max(0, len(self._queue) - self.capacity)
        for _ in range(over):
            self._queue.popleft()
        if over:
            self.stats.dropped += over
            self._warn(f"alerts to {self.url}: queue full, {over} dropped")
        if self._queue:
            self._idle.clear()
            self._more.set()

    async def drained(self) -> None:
        """Return when everything that was queued has been sent or lost."""
        await self._idle.wait()

    async def stop(self) -> None:
        """End; what is still queued is lost."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.stats.dropped += len(self._queue)
        self._queue.clear()
        self._idle.set()

    async def _run(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._queue:
                count = min(self._batch, len(self._queue))
                await self._post([self._queue.popleft() for _ in range(count)])
            self._idle.set()

    async def _post(self, batch: Sequence[Notification]) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._request(msgspec.json.encode([alert.plain() for alert in batch]))
            self.stats.last_error = ""
        except asyncio.CancelledError:
            self.stats.dropped += len(batch)
            raise
        except (aiohttp.ClientError, PromlabError, OSError, ValueError) as error:
            reason = "context deadline exceeded" if isinstance(error, TimeoutError) else str(error)
            self.stats.errors += len(batch)
            self.stats.dropped += len(batch)
            self.stats.last_error = " ".join(reason.split())[:300] or type(error).__name__
            self._warn(f"alerts to {self.url}: {len(batch)} not sent: {self.stats.last_error}")
        self.stats.sent += len(batch)
        self.stats.latency_s.add(time.perf_counter() - started)

    async def _request(self, body: bytes) -> None:
        url = URL(self.url, encoded=True)
        async with self._client.open(
            "POST", url, always=_JSON, body=body, keep_method=True
        ) as response:
            if not 200 <= response.status < 300:
                raise SendError(f"bad response status {response.status} {response.reason or ''}")


class SendError(PromlabError):
    """An Alertmanager that did not take a batch."""
