"""Names with several addresses: each new connection goes to any of them."""

from __future__ import annotations

import random
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver


class ShuffledResolver(AbstractResolver):
    """Looks names up as the system does, for each connection anew, in an order by chance."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a host."""
        found = await self._inner.resolve(host, port, family)
        random.shuffle(found)
        return found

    async def close(self) -> None:
        """Nothing to close."""
        await self._inner.close()
