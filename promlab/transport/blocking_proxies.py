"""Requests of an httpx client through the proxy that the rules of `proxies.py` name for each."""

from __future__ import annotations

from typing import Any

import httpx
from yarl import URL

from promlab.config.http_client import ProxyConfig
from promlab.transport.proxies import proxy_for


class ByProxy(httpx.BaseTransport):
    """A transport for each proxy, made when it is first needed, and one without any."""

    def __init__(self, config: ProxyConfig, verify: Any) -> None:
        self._config, self._verify = config, verify
        self._transports: dict[str | None, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request the way it has to go."""
        proxy = proxy_for(self._config, URL(str(request.url)))
        transport = self._transports.get(proxy)
        if transport is None:
            transport = httpx.HTTPTransport(verify=self._verify, proxy=proxy)
            self._transports[proxy] = transport
        return transport.handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()
