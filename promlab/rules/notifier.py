"""Sending alerts: a queue and a sender for each Alertmanager.

    notifier = Notifier(make_client, clock, external_url)
    notifier.apply(config)                       # external labels, relabelling, timeouts
    notifier.update_targets(0, [{"__address__": "am:9093"}])
    notifier.send(rule.expr, alerts)             # never waits
    await notifier.stop()

One Alertmanager that is slow or gone holds up no other. A full queue loses its oldest alerts,
a batch that can't be sent is lost; both are counted. Alerts are sent again by their rule.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import aiohttp
import msgspec
from yarl import URL

from promlab.config.alerting import AlertmanagerConfig
from promlab.config.config import Config
from promlab.config.http_client import HttpClientConfig
from promlab.config.relabel import RelabelConfig
from promlab.config.relabelling import relabel
from promlab.errors import PromlabError
from promlab.model.labels import LabelTable, Symbols
from promlab.rules.alert import Alert
from promlab.rules.seams import Warn
from promlab.rules.status import rfc3339
from promlab.templating.texts import table_link

BATCH = 256
CAPACITY = 10_000
DRAIN_S = 30.0  # how long the end of a server may wait for Alertmanagers


class HttpClient(Protocol):
    """What is asked of `promlab.scrape.session.HttpClient`."""

    @property
    def session(self) -> aiohttp.ClientSession:
        """Open connections."""

    @property
    def server_name(self) -> str | None:
        """Name for TLS, where it is not the URL's."""

    async def headers(self, *, trusted: bool) -> dict[str, str]:
        """Headers of a request, with credentials if the host is trusted."""

    def proxy_for(self, url: str) -> str | None:
        """URL of the proxy for a URL."""

    async def close(self) -> None:
        """Close all connections."""


MakeClient = Callable[[HttpClientConfig], HttpClient]


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

    sent: int = 0
    errors: int = 0
    dropped: int = 0
    latency_s: float = 0.0
    last_error: str = ""


class Sender:
    """Queue and task of one Alertmanager."""

    def __init__(
        self, url: str, client: HttpClient, timeout_s: float, warn: Warn, capacity: int
    ) -> None:
        self.url, self.stats, self.capacity = url, SenderStats(), capacity
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
                count = min(BATCH, len(self._queue))
                await self._post([self._queue.popleft() for _ in range(count)])
            self._idle.set()

    async def _post(self, batch: Sequence[Notification]) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._request(msgspec.json.encode([alert.plain() for alert in batch]))
            self.stats.sent += len(batch)
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
        self.stats.latency_s = time.perf_counter() - started

    async def _request(self, body: bytes) -> None:
        url = URL(self.url, encoded=True)
        headers = await self._client.headers(trusted=True)
        async with self._client.session.post(
            url,
            data=body,
            headers={**headers, "Content-Type": "application/json"},
            allow_redirects=False,
            proxy=self._client.proxy_for(self.url),
            server_hostname=self._client.server_name if url.scheme == "https" else None,
        ) as response:
            if not 200 <= response.status < 300:
                raise SendError(f"bad response status {response.status} {response.reason or ''}")


class SendError(PromlabError):
    """An Alertmanager that did not take a batch."""


class _Set:
    """The Alertmanagers of one section of the configuration."""

    def __init__(self, config: AlertmanagerConfig, client: HttpClient) -> None:
        self.config, self.client = config, client
        self.senders: dict[str, Sender] = {}
        self.dropped: list[str] = []


class Notifier:
    """Sends alerts to all Alertmanagers; belongs to one event loop."""

    def __init__(
        self,
        make_client: MakeClient,
        external_url: str = "",
        *,
        warn: Warn = lambda line: None,
        capacity: int = CAPACITY,
        drain_on_stop: bool = True,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._make_client, self._external_url = make_client, external_url.rstrip("/")
        self._warn, self.capacity, self._drain_on_stop = warn, capacity, drain_on_stop
        self._drain_s = drain_s
        self._external_labels: Mapping[str, str] = {}
        self._relabel: tuple[RelabelConfig, ...] = ()
        self._sets: list[_Set] = []
        self._targets: list[list[Mapping[str, str]]] = []
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def active_urls(self) -> list[str]:
        """Where alerts go."""
        return [url for each in self._sets for url in each.senders]

    @property
    def dropped_urls(self) -> list[str]:
        """Alertmanagers that were found and relabelled away."""
        return [url for each in self._sets for url in each.dropped]

    def stats(self) -> dict[str, SenderStats]:
        """Counters by URL."""
        return {url: s.stats for each in self._sets for url, s in each.senders.items()}

    def queued(self) -> dict[str, int]:
        """Lengths of the queues by URL."""
        return {url: len(s) for each in self._sets for url, s in each.senders.items()}

    def apply(self, config: Config) -> None:
        """Take over a configuration; targets of sections that stayed the same are kept.

        Raises ConfigError, with nothing changed, if TLS settings can't be used.
        """
        old, sets = list(self._sets), []
        for section in config.alerting.alertmanagers:
            same = next((each for each in old if each.config == section), None)
            if same is not None:
                old.remove(same)
            sets.append(same or _Set(section, self._make_client(section.http)))
        self._sets = sets
        self._external_labels = config.global_.external_labels
        self._relabel = config.alerting.alert_relabel_configs
        for each in old:
            self._close(each)

    def update_targets(self, section: int, targets: Sequence[Mapping[str, str]]) -> None:
        """What discovery found for `alerting.alertmanagers[section]`: labels of each target."""
        each = self._sets[section]
        found, each.dropped = alertmanager_urls(each.config, targets)
        for url in each.senders.keys() - set(found):
            self._later(each.senders.pop(url).stop())
        for url in found:
            if url not in each.senders:
                timeout_s = each.config.timeout_ms / 1000
                each.senders[url] = Sender(url, each.client, timeout_s, self._warn, self.capacity)

    def send(self, expr: str, alerts: Sequence[Alert]) -> None:
        """Queue alerts of a rule with this expression; returns at once."""
        link = self._external_url + table_link(expr)
        made = self._relabelled(
            [self._notification(alert, link) for alert in alerts], self._relabel
        )
        if not made:
            return
        for each in self._sets:
            own = self._relabelled(made, each.config.alert_relabel_configs)
            for sender in each.senders.values():
                sender.put(own)

    async def drained(self) -> None:
        """Return when all queues are empty."""
        await asyncio.gather(*(s.drained() for each in self._sets for s in each.senders.values()))

    async def stop(self) -> None:
        """End; first send what is queued, where that was asked for, for a while."""
        if self._drain_on_stop:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._drain_s):
                    await self.drained()
        for each in self._sets:
            self._close(each)
        self._sets = []
        await asyncio.gather(*self._closing)

    def _notification(self, alert: Alert, link: str) -> Notification:
        ends_ms = alert.resolved_ms or alert.valid_until_ms
        labels = {**self._external_labels, **alert.labels}
        return Notification(
            labels, alert.annotations, rfc3339(alert.fired_ms), rfc3339(ends_ms), link
        )

    def _relabelled(
        self, alerts: Sequence[Notification], rules: Sequence[RelabelConfig]
    ) -> list[Notification]:
        if not rules:
            return list(alerts)
        table = LabelTable.from_dicts([alert.labels for alert in alerts], Symbols())
        kept, rows = relabel(table, rules)
        pairs = zip(kept.rows(), rows.tolist(), strict=True)
        return [alerts[row]._replace(labels=labels) for labels, row in pairs if labels]

    def _close(self, each: _Set) -> None:
        async def close() -> None:
            for sender in each.senders.values():
                await sender.stop()
            await each.client.close()

        self._later(close())

    def _later(self, ending: Any) -> None:
        task = asyncio.ensure_future(ending)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def alertmanager_urls(
    config: AlertmanagerConfig, targets: Sequence[Mapping[str, str]]
) -> tuple[list[str], list[str]]:
    """URLs that alerts are posted to, and those that relabelling drops; each once."""
    path = "/" + "/".join(part for part in (config.path_prefix.strip("/"), "api/v2/alerts") if part)
    base = {"__scheme__": config.scheme, "__alerts_path__": path}
    rows = [{**base, **target} for target in targets]
    table = LabelTable.from_dicts(rows, Symbols())
    kept, which = relabel(table, config.relabel_configs)
    urls = dict.fromkeys(url for row in kept.rows() if (url := _url(row)))
    gone = set(range(len(rows))) - set(which.tolist())
    return list(urls), [_url(rows[i]) for i in sorted(gone)]


def _url(labels: Mapping[str, str]) -> str:
    address = labels.get("__address__", "")
    scheme = labels.get("__scheme__", "http")
    if not address:
        return ""
    return f"{scheme}://{address}/{labels.get('__alerts_path__', '').lstrip('/')}"
