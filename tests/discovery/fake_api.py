"""Servers that answer as the APIs do that discovery asks; what they answer is ours.

A `FakeApi` maps "GET /path" to a JSON value, to bytes, or to a function of the request. It runs
in a thread of its own, so that synchronous tests and other processes can ask it too.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from tests.patience import PATIENCE_S

Routes = Mapping[str, Any]


class FakeApi:
    """One server; `seen` are the requests that it got."""

    def __init__(self, routes: Routes) -> None:
        self.routes = dict(routes)
        self.seen: list[web.BaseRequest] = []
        self.base = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        await request.read()
        answer = self.routes.get(f"{request.method} {request.path}")
        if answer is None:
            answer = self.routes.get(f"{request.method} *")
        if callable(answer):
            answer = answer(request)
            if inspect.isawaitable(answer):
                answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, bytes):
            return web.Response(body=answer)
        if answer is None:
            return web.Response(status=404, text=f"no {request.method} {request.path} here")
        return web.Response(text=json.dumps(answer), content_type="application/json")

    def asked(self, path: str) -> list[web.BaseRequest]:
        return [request for request in self.seen if request.path == path]


async def _started(
    api: FakeApi, unix: str, tls: ssl.SSLContext | None, host: str
) -> web.ServerRunner:
    runner = web.ServerRunner(web.Server(api.handle), shutdown_timeout=0.1)
    await runner.setup()
    if unix:
        site: web.BaseSite = web.UnixSite(runner, unix)
    else:
        site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    if not unix:
        port = runner.addresses[0][1]
        api.base = f"{'https' if tls else 'http'}://{host}:{port}"
    return runner


@contextmanager
def loop_in_thread() -> Iterator[Callable[[Any], Any]]:
    """Runs coroutines on a loop in a thread: `run(coroutine)` waits for the result."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE_S)

    try:
        yield run
    finally:

        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        run(end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def serving(
    routes: Routes, *, unix: str = "", tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[FakeApi]:
    """A server with these answers, for as long as the block lasts."""
    api = FakeApi(routes)
    with loop_in_thread() as run:
        runner = run(_started(api, unix, tls, host))
        try:
            yield api
        finally:
            run(runner.cleanup())
