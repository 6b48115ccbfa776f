"""All objects of one resource, listed once and watched from then on.

What is lost is noticed: a watch that ends is taken up again where it ended, one whose place the
server has forgotten (410 Gone) begins with a new list. While the server can't be asked, the store
keeps what it knows.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import ClientResponse

from promlab.discovery.answers import Answer
from promlab.discovery.asking import Asker, parsed
from promlab.discovery.base import DiscoveryStats
from promlab.errors import DiscoveryError, PromlabError

log = logging.getLogger(__name__)

PAGE = 100  # objects a request: what is decoded at once must not hold up the event loop
MAX_EVENT_BYTES = 16 << 20
WATCH_S = 300
FIRST_RETRY_S, MAX_RETRY_S = 1.0, 30.0
GONE = 410

Key = tuple[str, str]  # namespace ("" for objects of the cluster), name
Changed = Callable[[str, Key], None]


@dataclass(frozen=True, slots=True)
class Resource:
    """Which objects: the path of their list, and selectors."""

    role: str
    path: str
    label: str = ""
    field: str = ""

    def params(self) -> dict[str, str]:
        """Selectors as parameters of a request."""
        found = {"labelSelector": self.label, "fieldSelector": self.field}
        return {name: value for name, value in found.items() if value}


class Gone(DiscoveryError):
    """The server no longer knows the place where a watch should go on."""


class Store:
    """The objects of a resource. `changed` is called with role and key for each change."""

    def __init__(
        self, asker: Asker, url: str, resource: Resource, changed: Changed, stats: DiscoveryStats
    ) -> None:
        self.resource, self.objects = resource, dict[Key, Answer]()
        self.tried, self.synced = asyncio.Event(), asyncio.Event()
        self.last_error = ""
        self._asker, self._url = asker, url + resource.path
        self._changed, self._stats = changed, stats
        self._version = ""
        self._failures = 0

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                self._failures = 0
            except Gone:
                self._version = ""
            except Exception as error:
                self._failed(error)
                pause_s = min(MAX_RETRY_S, FIRST_RETRY_S * 2 ** min(self._failures - 1, 10))
                await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311

    def _failed(self, error: Exception) -> None:
        self.tried.set()
        self._failures += 1
        self._stats.count("prometheus_sd_kubernetes_failures_total")
        self.last_error = " ".join(str(error).split())[:500] or type(error).__name__
        log.warning(
            "kubernetes discovery keeps what it knows of %s: %s",
            self.resource.path,
            self.last_error,
            exc_info=None if isinstance(error, PromlabError) else error,
        )

    async def _list(self) -> None:
        found: dict[Key, Answer] = {}
        params = {**self.resource.params(), "limit": str(PAGE)}
        while True:
            reply = await self._asker.ask(self._url, params=params, accepted=(GONE,))
            if reply.status == GONE:  # The list took so long that its next page is gone.
                raise DiscoveryError("the list of objects changed too fast")
            page = await parsed(reply, self._url)
            found |= {_key(item): item for item in page.items("items")}
            if not page.text("metadata", "continue"):
                break
            params["continue"] = page.text("metadata", "continue")
        self._version = page.text("metadata", "resourceVersion") or "0"
        await self._replace(found)
        self.synced.set()
        self.tried.set()

    async def _replace(self, found: dict[Key, Answer]) -> None:
        before, self.objects = self.objects, found
        for i, key in enumerate([*found, *(before.keys() - found.keys())]):
            old, new = before.get(key), found.get(key)
            if old is None or new is None or _version(old) != _version(new):
                self._count("add" if old is None else "delete" if new is None else "update")
                self._changed(self.resource.role, key)
            if i % 100 == 99:
                await asyncio.sleep(0)

    async def _watch(self) -> None:
        seconds = int(WATCH_S * random.uniform(1, 2))  # noqa: S311
        params = {
            **self.resource.params(),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
        }
        try:
            async with (
                asyncio.timeout(seconds + 30),
                self._asker.open(self._url, params=params) as response,
            ):
                if response.status == GONE:
                    raise Gone("resource version too old")
                if response.status != 200:
                    raise DiscoveryError(f"watching {self._url}: HTTP status {response.status}")
                async for line in _lines(response):
                    self._event(Answer.parse(line, f"watching {self._url}"))
        except TimeoutError:
            log.debug("a watch of %s said nothing for too long", self.resource.path)

    def _event(self, event: Answer) -> None:
        kind, item = event.text("type"), event.at("object")
        if kind == "ERROR":
            if item.whole("code") == GONE:
                raise Gone(item.text("message"))
            raise DiscoveryError(f"watching {self._url}: {item.text('message') or 'error'}")
        version = _version(item)
        if kind in ("ADDED", "MODIFIED"):
            key = _key(item)
            self._count("update" if key in self.objects else "add")
            self.objects[key] = item
            self._changed(self.resource.role, key)
        elif kind == "DELETED":
            key = _key(item)
            self._count("delete")
            if self.objects.pop(key, None) is not None:
                self._changed(self.resource.role, key)
        elif kind != "BOOKMARK":
            raise DiscoveryError(f"watching {self._url}: unknown event {kind[:40]!r}")
        self._version = version or self._version
        self._failures, self.last_error = 0, ""

    def _count(self, event: str) -> None:
        role = self.resource.role
        self._stats.count("prometheus_sd_kubernetes_events_total", event=event, role=role)


async def _lines(response: ClientResponse) -> AsyncIterator[bytes]:
    """Lines of an open answer; more in one line than an object can have is refused."""
    rest = bytearray()
    while piece := await response.content.readany():
        rest += piece
        *lines, last = rest.split(b"\n")
        rest = last
        if len(rest) > MAX_EVENT_BYTES:
            raise DiscoveryError(f"an event is larger than {MAX_EVENT_BYTES >> 20} MiB")
        for line in lines:
            if line.strip():
                yield bytes(line)


def _key(item: Answer) -> Key:
    name = item.text("metadata", "name")
    if not name:
        raise DiscoveryError("unexpected answer: an object without a name")
    return item.text("metadata", "namespace"), name


def _version(item: Answer) -> str:
    return item.text("metadata", "resourceVersion")
