"""Where a simulated instance is on this machine: loopback addresses, or one and several ports.

Linux has all of 127.0.0.0/8, so that an instance gets three addresses of its own: a public and a
private one, which the firewall guards, and an inner one, on which its programs listen. A system
with 127.0.0.1 alone gets the same ports moved by an offset.
"""

from __future__ import annotations

import random
import socket
from typing import NamedTuple

SSH_PORT = 22
MOVED_SSH_PORT = 2222  # where 22 is not for us
PORTS = (SSH_PORT, 80, 443, 3000, 8000, 8005, 8080, 9090, 9091, 9093, 9100)
_MOST = 90


class Place(NamedTuple):
    """A host, and what is added to the ports of an instance there."""

    host: str
    offset: int = 0

    def at(self, port: int) -> tuple[str, int]:
        """Host and port at which an instance's port is."""
        return self.host, port + self.offset


class Plan(NamedTuple):
    """The addresses of one simulated cloud."""

    prefix: str  # "127.9", or "" on a system with one address

    def public(self, number: int) -> Place:
        """Where an instance is asked for from outside."""
        return self._place(1, number, 10_000)

    def private(self, number: int) -> Place:
        """Where other instances ask for it."""
        return self._place(2, number, 10_000)

    def inner(self, number: int) -> Place:
        """Where its programs listen."""
        return self._place(3, number, 30_000)

    def _place(self, net: int, number: int, base: int) -> Place:
        if not self.prefix:
            return Place("127.0.0.1", base + 1_000 * (number % 20))
        return Place(f"{self.prefix}.{net}.{10 + number % _MOST}")


def choose(chance: random.Random) -> Plan:
    """A plan whose addresses nobody uses now."""
    if not _bindable("127.9.1.10", 0):
        return Plan("")
    for _ in range(50):
        plan = Plan(f"127.{chance.randrange(2, 250)}")
        if _bindable(plan.public(0).host, 9090) and _bindable(plan.inner(0).host, 9090):
            return plan
    return Plan("")


def ssh_port(plan: Plan) -> int:
    """22 where this process may listen there, a larger port elsewhere."""
    return SSH_PORT if _bindable(plan.public(0).host, SSH_PORT) else MOVED_SSH_PORT


def _bindable(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
