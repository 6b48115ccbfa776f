"""The firewall of a simulated instance: security groups decide who gets through.

For each port of an instance it listens at the outer addresses. A connection that no rule allows is
left without an answer, as on AWS, where packets are dropped: the other side waits until its own
patience ends. One that is allowed goes to the inner address; where nothing listens there it is
reset. Peers are told apart by address only: all programs of this machine are 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from promlab.lab.ec2.places import PORTS, Place

_HELD_S = 60.0  # how long a connection without an answer is kept
_MOST_HELD = 256
_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)


class Rule(NamedTuple):
    """What a security group lets in: `cidr` may reach ports low..high."""

    cidr: str
    low: int
    high: int

    def allows(self, source: str, port: int) -> bool:
        """Whether a connection from this address to this port passes."""
        try:
            within = ipaddress.ip_address(source) in ipaddress.ip_network(self.cidr, strict=False)
        except ValueError:
            return False
        return within and self.low <= port <= self.high


class Firewall:
    """Listens for one instance; `rules` is asked at each connection, so changes act at once."""

    def __init__(
        self,
        outer: Sequence[Place],
        inner: Place,
        ssh_port: int,
        rules: Callable[[], Sequence[Rule]],
    ) -> None:
        self._outer, self._inner, self._ssh_port = outer, inner, ssh_port
        self._rules = rules
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = 0
        self.refused = 0  # connections that no rule allowed

    async def start(self) -> None:
        """Listen at every outer address. A port that somebody else has is left out."""
        for place in dict.fromkeys(self._outer):
            for port in PORTS:
                listen = self._ssh_port if port == PORTS[0] else port
                host, outside = place.at(listen)
                with contextlib.suppress(OSError):
                    server = await asyncio.start_server(self._handler(port), host, outside)
                    self._servers.append(server)

    async def stop(self) -> None:
        """Stop listening, and end what goes through."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._servers.clear()

    def allows(self, source: str, port: int) -> bool:
        """Whether any rule lets this connection pass."""
        return any(rule.allows(source, port) for rule in self._rules())

    def _handler(self, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._answer(port, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return connected

    async def _answer(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        source = writer.get_extra_info("peername")[0]
        try:
            if self.allows(source, port):
                await self._through(port, reader, writer)
            else:
                await self._leave_waiting(reader)
        finally:
            writer.close()

    async def _leave_waiting(self, reader: asyncio.StreamReader) -> None:
        self.refused += 1
        if self._held >= _MOST_HELD:
            return
        self._held += 1
        try:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_HELD_S):
                    while await reader.read(_CHUNK):
                        pass
        finally:
            self._held -= 1

    async def _through(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        inside = self._ssh_port if port == PORTS[0] else port
        try:
            there, back = await asyncio.open_connection(*self._inner.at(inside))
        except OSError:
            _reset(writer)
            return
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees that nothing listens."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
