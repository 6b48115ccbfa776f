"""Who the peers are: merged from what each of them says, and judged by signs of life."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec


class Member(msgspec.Struct, frozen=True):
    """A peer as it calls itself; a higher `incarnation` is the newer word."""

    name: str
    address: str
    incarnation: int
    left: bool = False


@dataclass(slots=True)
class Peer:
    """A peer as it is seen from here; seconds of the event loop."""

    member: Member
    alive: bool
    seen_s: float
    failures: int = 0
    failed_s: float = 0.0


FAILED_AFTER = 3  # probes without an answer


class Members:
    """All peers but this one."""

    def __init__(self, own: Member, reconnect_timeout_s: float) -> None:
        self.own = own
        self._reconnect_timeout_s = reconnect_timeout_s
        self._peers: dict[str, Peer] = {}
        self.joined = self.lost = self.updates = self.conflicts = 0

    def merge(self, members: Iterable[Member], now_s: float) -> bool:
        """Take what a peer knows of members; whether any of it was news."""
        news = False
        for member in members:
            if member.name == self.own.name:
                news |= self._defend(member)
                continue
            known = self._peers.get(member.name)
            if known is not None and known.member.incarnation >= member.incarnation:
                continue
            news = True
            self.updates += 1
            if member.left:
                if known is not None:
                    del self._peers[member.name]
                continue
            if known is None:
                self.joined += 1
                self._peers[member.name] = Peer(member, True, now_s)
            else:
                known.member = member
                self._revive(known, now_s)
        return news

    def _defend(self, said: Member) -> bool:
        """Somebody has an older word of this peer that is stronger: say it anew."""
        self.conflicts += said.address != self.own.address  # another one goes by this name
        if said.incarnation <= self.own.incarnation or said == self.own:
            return False
        self.own = Member(self.own.name, self.own.address, said.incarnation + 1)
        return True

    def heard_from(self, name: str, now_s: float) -> None:
        """A sign of life."""
        peer = self._peers.get(name)
        if peer is not None:
            self._revive(peer, now_s)

    def _revive(self, peer: Peer, now_s: float) -> None:
        peer.alive, peer.seen_s, peer.failures = True, now_s, 0

    def no_answer(self, name: str, now_s: float) -> None:
        """No sign of life; after a few of these the peer has failed."""
        peer = self._peers.get(name)
        if peer is None:
            return
        peer.failures += 1
        if peer.alive and peer.failures >= FAILED_AFTER:
            peer.alive, peer.failed_s = False, now_s
            self.lost += 1
        elif not peer.alive and now_s - peer.failed_s > self._reconnect_timeout_s:
            del self._peers[name]

    def forget(self, name: str) -> None:
        """A peer that said it leaves."""
        self._peers.pop(name, None)

    @property
    def alive(self) -> list[Member]:
        """Peers that answer, by name, without this one."""
        return sorted(
            (peer.member for peer in self._peers.values() if peer.alive), key=lambda m: m.name
        )

    @property
    def failed(self) -> list[Member]:
        """Peers that do not answer any more."""
        return [peer.member for peer in self._peers.values() if not peer.alive]

    @property
    def everybody(self) -> list[Member]:
        """What is told to others: this peer and those that are alive."""
        return [self.own, *self.alive]

    @property
    def position(self) -> int:
        """This peer's place among those that are alive, by name."""
        return sum(member.name < self.own.name for member in self.alive)
