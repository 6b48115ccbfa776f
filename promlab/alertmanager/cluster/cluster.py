"""A peer at work: joins, probes, sends news, exchanges everything from time to time.

News (a silence that changed, a notification that arrived) go to every living peer, at once or
in batches of `gossip_interval`. Everything is exchanged with one peer every `pushpull_interval`,
and with each peer that is met anew: so that what was lost on the way arrives later. Whoever
can't reach others notifies on its own: rather twice than never.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from promlab.alertmanager.cluster.measures import ClusterMeasures
from promlab.alertmanager.cluster.messages import BadMessage, Message, decode
from promlab.alertmanager.cluster.network import Listener, Network, Unreachable, advertised
from promlab.alertmanager.cluster.state import Member, Members
from promlab.alertmanager.nflog import Entry, NotificationLog
from promlab.alertmanager.nflog import decode as decode_entry
from promlab.alertmanager.server.flags import ClusterSettings
from promlab.alertmanager.silence import InvalidSilence, Silence
from promlab.alertmanager.silence import decode as decode_silence
from promlab.alertmanager.silences import Silences
from promlab.errors import StorageError
from promlab.web.log import facts
from promlab.web.sockets import address_of, listen

log = logging.getLogger(__name__)

_STABLE_POLLS = 3
_TAKEN = 500


class Cluster:
    """This peer, and what it knows of the others."""

    def __init__(
        self, settings: ClusterSettings, silences: Silences, notified: NotificationLog
    ) -> None:
        self._settings, self._silences, self._log = settings, silences, notified
        self._network = Network(settings)
        self._news: dict[str, tuple[str, bytes]] = {}
        self._settled = asyncio.Event()
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._resolved: set[str] = set()
        self.members: Members
        self.address = ""
        self.measures = ClusterMeasures()
        silences.changed = self._silence_changed
        notified.changed = self._entry_changed

    # What the pipeline asks

    async def settled(self) -> None:
        """Return when the peers have found each other, or that took too long."""
        if not self._settled.is_set():
            await self._settled.wait()

    def wait_s(self) -> float:
        """How long those before this peer have."""
        return self.members.position * self._settings.peer_timeout_s

    async def wait(self) -> None:
        """Return when those before this peer had their time."""
        seconds = self.wait_s()
        if seconds:
            await asyncio.sleep(seconds)

    # Life

    async def join(self) -> None:
        """Listen, look for peers, and go on doing so in the background."""
        listener = listen(self._settings.listen_address)
        own_address = self._settings.advertise_address or advertised(address_of(listener))
        self.address = own_address
        name = self._settings.name or secrets.token_hex(13).upper()
        own = Member(name, own_address, time.time_ns())
        self.members = Members(own, self._settings.reconnect_timeout_s)
        await self._network.open(Listener(listener, self._handle))
        loop = asyncio.get_running_loop()
        await self._meet(self._settings.peers)
        self._tasks = [
            loop.create_task(work)
            for work in (
                self._settle(), self._probe(), self._gossip(), self._exchange(), self._reconnect(),
            )
        ]  # fmt: skip
        log.info("Joined the cluster", extra=facts(name=name, address=own_address,
                 peers=len(self.members.alive)))  # fmt: skip

    async def leave(self) -> None:
        """Send what is left to be said, say goodbye, and end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            await self._send_news()
            own = self.members.own
            gone = Member(own.name, own.address, own.incarnation + 1, left=True)
            message = self._message(members=[gone])
            await asyncio.gather(
                *(self._tell(member, message) for member in self.members.alive),
                return_exceptions=True,
            )
        await self._network.close()

    async def _settle(self) -> None:
        """Notifying begins when the number of peers stays the same for a while."""
        deadline = time.monotonic() + self._settings.settle_timeout_s
        count, stable = -1, 0
        pause_s = min(self._settings.gossip_interval_s, 1.0)
        while self._settings.settle_timeout_s and time.monotonic() < deadline:
            await asyncio.sleep(pause_s)
            now = len(self.members.alive)
            stable = stable + 1 if now == count else 0
            count = now
            # Peers that are named but not met are still waited for, up to the timeout.
            met = len(self._resolved) >= len(self._settings.peers) or count > 0
            if stable >= _STABLE_POLLS and (met or not self._settings.peers):
                break
        self._settled.set()
        log.info("Gossip settled", extra=facts(peers=count + 1))

    async def _meet(self, addresses: Iterable[str]) -> tuple[int, int]:
        """Exchange everything with peers; returns how many were met, and how many were not."""
        own = self.members.own.address
        wanted = [address for address in addresses if address != own]
        results = await asyncio.gather(
            *(self._full(address) for address in wanted), return_exceptions=True
        )
        met = 0
        for address, result in zip(wanted, results, strict=True):
            if isinstance(result, Unreachable):
                log.warning("Peer not reached", extra=facts(peer=address, err=str(result)))
            elif isinstance(result, BaseException):
                log.error("Peer refused", extra=facts(peer=address, err=str(result)))
            else:
                self._resolved.add(address)
                met += 1
        return met, len(wanted) - met

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(self._settings.probe_interval_s)
            message = self._message(members=self.members.everybody)
            await asyncio.gather(
                *(
                    self._tell(member, message, self._settings.probe_timeout_s)
                    for member in self.members.alive
                )
            )

    async def _reconnect(self) -> None:
        while True:
            await asyncio.sleep(self._settings.reconnect_interval_s)
            failed = [member.address for member in self.members.failed]
            alive = {member.address for member in self.members.alive}
            missing = [a for a in self._settings.peers if a not in alive]
            await self.measures.count_meetings(
                again=self._meet(failed), anew=self._meet(a for a in missing if a not in failed)
            )

    async def _exchange(self) -> None:
        while True:
            await asyncio.sleep(self._settings.pushpull_interval_s)
            alive = self.members.alive
            if alive:
                peer = random.choice(alive)  # noqa: S311  (spreads load)
                with contextlib.suppress(Unreachable, BadMessage):
                    await self._full(peer.address)

    async def _gossip(self) -> None:
        while True:
            # The first news goes at once, what comes right after it in a batch.
            await self._more.wait()
            self._more.clear()
            await self._send_news()
            await asyncio.sleep(self._settings.gossip_interval_s)

    async def _send_news(self) -> None:
        news, self._news = self._news, {}
        if not news or not self.members.alive:
            return
        message = self._message(members=[self.members.own])
        message.silences = [msgspec.Raw(raw) for kind, raw in news.values() if kind == "sil"]
        message.entries = [msgspec.Raw(raw) for kind, raw in news.values() if kind == "nfl"]
        await asyncio.gather(*(self._tell(member, message) for member in self.members.alive))

    # Messages

    def _silence_changed(self, silence: Silence) -> None:
        self._news[f"sil {silence.id}"] = ("sil", silence.encode())
        self._silences.measures.propagated += 1
        self._more.set()

    def _entry_changed(self, entry: Entry) -> None:
        self._news[f"nfl {entry.key}"] = ("nfl", entry.encode())
        self._log.measures.propagated += 1
        self._more.set()

    def _message(self, members: list[Member], *, full: bool = False) -> Message:
        message = Message(self.members.own, self._settings.label, full=full, members=members)
        if full:
            message.silences = [msgspec.Raw(each.encode()) for each in self._silences]
            message.entries = [msgspec.Raw(each.encode()) for each in self._log]
        return message

    async def _tell(self, member: Member, message: Message, timeout_s: float = 0.0) -> None:
        now_s = asyncio.get_running_loop().time()
        try:
            raw = await self._send(
                member.address, message, timeout_s or self._settings.tcp_timeout_s
            )
        except Unreachable:
            self.members.no_answer(member.name, now_s)
            return
        self.members.heard_from(member.name, now_s)
        if raw:
            with contextlib.suppress(BadMessage):
                await self._read(raw)

    async def _full(self, address: str) -> None:
        """Exchange everything with a peer. Raises Unreachable, BadMessage."""
        message = self._message(self.members.everybody, full=True)
        await self._read(await self._send(address, message, self._settings.tcp_timeout_s))

    async def _send(self, address: str, message: Message, timeout_s: float) -> bytes:
        encoded = msgspec.json.encode(message)
        raw = await self._network.send(address, encoded, timeout_s)
        self.measures.went(message.kind, len(encoded))
        return raw

    async def _handle(self, raw: bytes) -> bytes:
        """Answer a message. Raises BadMessage."""
        message = await self._read(raw)
        return msgspec.json.encode(self._message(self.members.everybody, full=message.full))

    async def _read(self, raw: bytes) -> Message:
        """Take what a message says. Raises BadMessage."""
        message = decode(raw, self._settings.label)
        self.measures.came(message.kind, len(raw), message.sender.name)
        await self._take(message)
        return message

    async def _take(self, message: Message) -> None:
        now_s = asyncio.get_running_loop().time()
        self.members.merge([*message.members, message.sender], now_s)
        if not message.sender.left:
            self.members.heard_from(message.sender.name, now_s)
        # A whole state may be large: it is taken in pieces, each of them one write.
        for start in range(0, len(message.silences), _TAKEN):
            with self._noted():
                raws = message.silences[start : start + _TAKEN]
                self._silences.merge([decode_silence(bytes(raw)) for raw in raws])
            await asyncio.sleep(0)
        for raw in message.entries:
            with self._noted():
                self._log.merge(decode_entry(bytes(raw)))

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Say what could not be taken; its maker tells everybody, so news is not passed on."""
        try:
            yield
        except (InvalidSilence, StorageError) as error:
            log.error("A peer's record was not taken", extra=facts(err=str(error)))

    # What is shown

    def status(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "name": self.members.own.name,
            "status": "ready" if self._settled.is_set() else "settling",
            "peers": [
                {"name": member.name, "address": member.address}
                for member in sorted(self.members.everybody, key=lambda m: m.name)
            ],
        }

    def metrics(self) -> list[tuple[str, Mapping[str, str], float]]:
        """Names, labels, values."""
        return self.measures.metrics(self.members, queued=len(self._news))
