"""A server that keeps what it is asked: any method, any path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web


class Recorder:
    """`answer` makes the answer to a request."""

    def __init__(self) -> None:
        self.requests: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []
        self.answer: Callable[[web.BaseRequest], web.StreamResponse] = lambda _: web.Response()
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.requests.append(request)
        return self.answer(request)


@asynccontextmanager
async def recording(host: str = "127.0.0.1") -> AsyncIterator[Recorder]:
    """A recorder that listens."""
    found = Recorder()
    runner = web.ServerRunner(web.Server(found.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    found.url = f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()
