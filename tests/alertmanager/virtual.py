"""An event loop whose time jumps to the next timer, and an Alertmanager that lives in it."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.clock import LoopClock
from promlab.alertmanager.config import load_text
from promlab.alertmanager.core import Alertmanager, Peers
from promlab.alertmanager.nflog import NotificationLog
from promlab.alertmanager.receivers.client import Answer
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.alertmanager.silences import Silences
from promlab.alertmanager.storage import Memory
from promlab.config.http_client import HttpClientConfig

START_MS = 1_800_000_000_000


class _Selector(selectors.DefaultSelector):
    """Never waits: it moves the time of its loop instead."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.time += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time. Only for what waits for timers alone."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.time


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end in virtual time, which takes no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


async def until(second: float) -> None:
    """Wait until this second of the loop."""
    await asyncio.sleep(max(0.0, second - asyncio.get_running_loop().time()))


@dataclass
class Received:
    """A notification as a webhook got it."""

    second: float
    body: dict[str, Any]

    @property
    def alerts(self) -> list[tuple[str, str]]:
        """Name and status of each alert."""
        return [
            (alert["labels"].get("alertname", ""), alert["status"]) for alert in self.body["alerts"]
        ]


Answering = Callable[[], Awaitable[int]]


@dataclass
class Sinks:
    """Webhooks by URL; `answers` says what one replies, and takes its time about it."""

    received: dict[str, list[Received]] = field(default_factory=dict)
    tries: dict[str, list[float]] = field(default_factory=dict)
    answers: dict[str, Answering] = field(default_factory=dict)

    def client(self, _config: HttpClientConfig) -> SinkClient:
        return SinkClient(self)

    def at(self, url: str) -> list[Received]:
        """What a webhook has got."""
        return self.received.get(url, [])


class SinkClient:
    """A client whose every URL is a webhook of `Sinks`."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks
        self.closed = False

    async def request(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        sinks, now = self._sinks, asyncio.get_running_loop().time()
        sinks.tries.setdefault(url, []).append(now)
        status = 200
        if url in sinks.answers:
            status = await sinks.answers[url]()
        if status == 0:
            raise NotifyError("connection refused", retry=True)
        if status < 300:
            now = asyncio.get_running_loop().time()
            sinks.received.setdefault(url, []).append(Received(now, json.loads(body)))
        return Answer(status, b"", {})

    async def close(self) -> None:
        self.closed = True


class Lab:
    """An Alertmanager in virtual time, with webhooks that keep what they get."""

    def __init__(
        self,
        config: str,
        *,
        stores: tuple[Memory, Memory] | None = None,
        peers: Peers | None = None,
        start_delay_s: float = 0.0,
        sinks: Sinks | None = None,
    ) -> None:
        self.clock = LoopClock(START_MS)
        self.sinks = sinks or Sinks()
        self.stores = stores or (Memory(), Memory())
        self.silences = Silences(self.stores[0], self.clock, retention_ms=432_000_000)
        self.log = NotificationLog(self.stores[1], self.clock, retention_ms=432_000_000)
        self.am = Alertmanager(
            silences=self.silences,
            log=self.log,
            clock=self.clock,
            peers=peers,
            make_client=self.sinks.client,
            start_delay_s=start_delay_s,
        )
        self.am.apply(load_text(config))

    def push(
        self,
        name: str = "",
        *,
        start: float | None = None,
        end: float | None = None,
        annotations: dict[str, str] | None = None,
        resolve_timeout_s: float = 300.0,
        **labels: str,
    ) -> None:
        """Report one alert now; `start` and `end` are seconds of the loop."""
        now_ms = self.clock.now_ms()
        starts_ms = now_ms if start is None else START_MS + round(start * 1000)
        timeout = end is None
        ends_ms = now_ms + round(resolve_timeout_s * 1000)
        if end is not None:
            ends_ms = START_MS + round(end * 1000)
        found = {"alertname": name, **labels} if name else labels
        self.am.put([Alert(found, annotations or {}, starts_ms, ends_ms, now_ms, timeout=timeout)])

    async def close(self) -> None:
        await self.am.close()


def simple(
    *,
    wait: str = "1s",
    interval: str = "1s",
    repeat: str = "1ms",
    group_by: str = "[alertname]",
    more: str = "",
    send_resolved: bool = True,
) -> str:
    """A configuration with one route to one webhook."""
    return f"""
route:
  receiver: default
  group_by: {group_by}
  group_wait: {wait}
  group_interval: {interval}
  repeat_interval: {repeat}
receivers:
- name: default
  webhook_configs: [{{url: "http://sink/", send_resolved: {str(send_resolved).lower()}}}]
{more}
"""


SINK = "http://sink/"
