"""Names with several addresses: each new connection goes to any of them, failures to the next."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from promlab.config.http_client import HttpClientConfig
from promlab.transport.session import HttpClient

HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
N = 60


async def asked(
    monkeypatch: pytest.MonkeyPatch, *, spread: bool, records: list[str]
) -> Counter[str]:
    """Where requests arrive, each over a connection of its own."""
    found: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        found[request.transport.get_extra_info("sockname")[0]] += 1
        return web.Response(headers={"Connection": "close"})

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    first = web.TCPSite(runner, HOSTS[0], 0)
    await first.start()
    port = runner.addresses[0][1]
    for host in HOSTS[1:]:
        await web.TCPSite(runner, host, port).start()

    async def resolve(host: str, *args: Any, **more: Any) -> list[Any]:
        assert host == "many.example"
        kind = socket.AF_INET, socket.SOCK_STREAM, 6, ""
        return [(*kind, (record, port)) for record in records]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    client = HttpClient(HttpClientConfig(), {}, spread=spread)
    try:
        for _ in range(N):
            url = URL(f"http://many.example:{port}/")
            async with client.open("POST", url, body=b"x") as response:
                assert response.status == 200
    finally:
        await client.close()
        await runner.cleanup()
    return found


async def test_connections_go_to_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await asked(monkeypatch, spread=True, records=HOSTS)
    assert found.total() == N
    # One of three is passed over 60 times once in 10^10 runs.
    assert sorted(found) == HOSTS


async def test_an_address_where_nobody_listens_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = await asked(monkeypatch, spread=True, records=["127.0.0.9", HOSTS[0]])
    assert found == {HOSTS[0]: N}
