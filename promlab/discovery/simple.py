"""Mechanisms that ask an HTTP API for a list, and make a target of each of its items."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Generic, TypeVar

from promlab.config.http_client import HttpClientConfig, ProxyConfig
from promlab.config.mechanisms.base import Asked, Refreshed
from promlab.discovery.answers import Answer
from promlab.discovery.base import ADDRESS, META, Surroundings, host_port
from promlab.discovery.refresh import Refreshing
from promlab.errors import DiscoveryError

C = TypeVar("C", bound=Refreshed)
MAX_PAGES = 1000


class Simple(Refreshing, Generic[C]):
    """Asks with the HTTP settings of a section."""

    def __init__(self, config: C, around: Surroundings) -> None:
        super().__init__(around, config.refresh_interval_ms / 1000)
        self.config = config
        self.asker = around.asker(self.http(), timeout_s=max(5.0, min(self.interval_s, 60.0)))

    def http(self) -> HttpClientConfig:
        """How to ask: as the section says, or as the environment does where it says nothing."""
        if isinstance(self.config, Asked):
            return self.config.http
        return HttpClientConfig(proxy=ProxyConfig(proxy_from_environment=True))

    async def close(self) -> None:
        """Close all connections."""
        await self.asker.close()

    async def numbered(
        self, url: str, key: str, size: int, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Answer]:
        """Items of all pages of a list that counts its pages: until one is not full."""
        for page in range(1, MAX_PAGES + 1):
            params = {"page": str(page), "per_page": str(size)}
            answer = await self.asker.json(url, params=params, headers=headers)
            items = answer.needed_items(key)
            for item in items:
                yield item
            if len(items) < size:
                return
        raise DiscoveryError(f"{url}: the list has more than {MAX_PAGES} pages")


def target(mechanism: str, host: str, port: int | str, values: Mapping[str, str]) -> dict[str, str]:
    """A target at host and port, with labels named for the mechanism."""
    labels = {f"{META}{mechanism}_{name}": value for name, value in values.items()}
    return {ADDRESS: host_port(host, port), **labels}
