"""Which server the magics ask: the one named by `--url`, or this kernel's own lab.

Where the kernel has none, it is the server at $PROMLAB_URL (`promlab lab` sets it), and without
that the first query starts a lab. What is asked again and again (metric
names for completion, scrape intervals) is kept for a few seconds.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from promlab.client import Client
from promlab.client.times import now_ms
from promlab.errors import PromlabError
from promlab.lab.session import Lab, running, start

_FRESH_S = 10.0
_WAIT_S = 0.25
_PATIENT_S = 5.0
_FIRST_SCRAPES_S = 7.0
_YOUNG_S = 120.0
_FALLBACK_STEP_MS = 5_000


class Connection:
    """Clients of a kernel's magics, one a server."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._current = ""

    def client(self, url: str = "") -> Client:
        """The client to ask; starts the default lab where there is no server yet."""
        if url:
            if url not in self._clients:
                self._clients[url] = Client(url)
            return self._clients[url]
        if self._elsewhere():
            return self.client(self._elsewhere())
        is_new = running() is None
        lab = self.lab().ready()
        if is_new:
            _await_scrapes(lab.client)
        return lab.client

    @property
    def is_young(self) -> bool:
        """Whether the lab is asked, and so new that most windows have no data yet."""
        lab = running()
        return not self._elsewhere() and lab is not None and lab.age_s < _YOUNG_S

    @property
    def is_elsewhere(self) -> bool:
        """Whether another server than the lab is asked."""
        return bool(self._elsewhere())

    def _elsewhere(self) -> str:
        """Address of a server that is not this kernel's lab, if that is the one to ask."""
        if self._current or running() is not None:
            return self._current
        return os.environ.get("PROMLAB_URL", "")

    def use(self, url: str, client: Any = None) -> None:
        """Make the server at `url` the one that is asked; empty for the lab again.

        `client` is anything with a client's methods, that answers in place of a server.
        """
        if client is not None:
            self._clients[url] = client
        elif url:
            self.client(url)
        self._current = url

    def lab(self) -> Lab:
        """This kernel's default lab, started now if it does not run."""
        return running() or start()

    def existing(self, url: str = "") -> Client | None:
        """The client that `client` gives, if that takes no starting and no waiting."""
        if url or self._elsewhere():
            return self.client(url)
        lab = running()
        return lab.client if lab is not None and lab.is_ready else None

    def close(self) -> None:
        """Forget all clients."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._current = ""


def clock_ms(client: Any) -> int:
    """What time it is where the client asks: a simulated world has a clock of its own."""
    own = getattr(client, "now_ms", None)
    return now_ms() if own is None else int(own)


class Cache:
    """Answers of a server, fresh or a little stale, never waited for long.

    A stale answer is given at once and renewed in the background; a new one is waited for
    at most a quarter of a second: completion must be quick.
    """

    def __init__(self, fresh_s: float = _FRESH_S, wait_s: float = _WAIT_S) -> None:
        self._fresh_s, self._wait_s = fresh_s, wait_s
        self._kept: dict[tuple[str, ...], tuple[float, Any]] = {}
        self._asking: dict[tuple[str, ...], threading.Thread] = {}
        self._guard = threading.Lock()

    def get(
        self,
        key: tuple[str, ...],
        ask: Callable[[], Any],
        default: Any,
        wait_s: float | None = None,
    ) -> Any:
        """What `ask` gave or gives now; `default` where the server does not answer in time."""
        with self._guard:
            kept = self._kept.get(key)
            asking = self._asking.get(key)
            if asking is None and (kept is None or time.monotonic() - kept[0] > self._fresh_s):
                asking = threading.Thread(
                    target=self._renew, args=(key, ask, kept[1] if kept else default), daemon=True
                )
                self._asking[key] = asking
                asking.start()
        if kept is None and asking is not None:
            asking.join(self._wait_s if wait_s is None else wait_s)
            with self._guard:
                kept = self._kept.get(key)
        return kept[1] if kept else default

    def _renew(self, key: tuple[str, ...], ask: Callable[[], Any], default: Any) -> None:
        try:
            found = ask()
        except PromlabError:
            found = default
        with self._guard:
            self._kept[key] = (time.monotonic(), found)
            self._asking.pop(key, None)
            if len(self._kept) > 500:
                del self._kept[next(iter(self._kept))]


def _await_scrapes(client: Client) -> None:
    """Wait a moment for the first scrape of each target: an empty first graph says nothing."""
    end, pause = time.monotonic() + _FIRST_SCRAPES_S, threading.Event()
    while time.monotonic() < end:
        targets = client.targets()
        if targets and all(target.get("health") != "unknown" for target in targets):
            return
        pause.wait(0.2)


def scrape_interval_ms(client: Client, cache: Cache) -> int:
    """The shortest interval at which the server's targets are scraped."""
    key = (client.url, "interval")
    return int(cache.get(key, lambda: _shortest(client), _FALLBACK_STEP_MS, wait_s=_PATIENT_S))


def _shortest(client: Client) -> int:
    from promlab.model.durations import parse_duration_ms

    found = []
    for target in client.targets():
        try:
            found.append(parse_duration_ms(str(target.get("scrapeInterval", ""))))
        except ValueError:
            continue
    return max(1_000, min(found)) if found else _FALLBACK_STEP_MS
