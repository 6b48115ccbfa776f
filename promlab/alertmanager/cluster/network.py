"""Messages between peers over HTTP, with TLS on both sides if so configured."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import uvicorn

from promlab.alertmanager.cluster.messages import MAX_BYTES, BadMessage
from promlab.alertmanager.server.flags import ClusterSettings
from promlab.errors import PromlabError
from promlab.web.http import JSON, Request, Response, Scope, not_found, send_response, text

log = logging.getLogger(__name__)

PATH = "/cluster/v1/messages"


class Unreachable(PromlabError):
    """A peer that does not answer."""


@dataclass(slots=True)
class Listener:
    """A socket, and what answers the messages that come there."""

    listener: socket.socket
    handle: Callable[[bytes], Awaitable[bytes]]


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


class Network:
    """Sends messages, and receives them."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._server_tls: ssl.SSLContext | None = None
        self._client_tls: ssl.SSLContext | bool = True
        self._server_name: str | None = None
        self._scheme = "http"
        if settings.tls_config:
            from promlab.alertmanager.cluster.tls import contexts

            tls = contexts(settings.tls_config)
            self._server_tls, self._client_tls, self._server_name = tls
            self._scheme = "https"
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def open(self, listener: Listener) -> None:
        """Listen. Returns when messages can come."""
        config = uvicorn.Config(
            _App(listener.handle), http="httptools", ws="none", lifespan="off", access_log=False,
            log_config=None, server_header=False, proxy_headers=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        config.load()
        config.ssl = self._server_tls
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener.listener]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110  (uvicorn has a flag, no event)
            await asyncio.sleep(0.005)

    async def send(self, address: str, body: bytes, timeout_s: float) -> bytes:
        """The answer of a peer. Raises Unreachable; BadMessage if it refuses."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._client_tls),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.post(
                    f"{self._scheme}://{address}{PATH}",
                    data=body,
                    server_hostname=self._server_name,
                ) as response,
            ):
                answer = await response.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise Unreachable(reason) from None
        if response.status == 400:
            raise BadMessage(answer.decode("utf-8", "replace").strip()[:300])
        if response.status != 200:
            raise Unreachable(f"status {response.status}")
        return answer

    async def close(self) -> None:
        """No longer listen; close connections."""
        if self._session is not None:
            await self._session.close()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task


class _App:
    def __init__(self, handle: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        if scope["path"] != PATH or request.method != "POST":
            response = not_found()
        else:
            try:
                answer = await self._handle(await request.body(MAX_BYTES))
                response = Response(200, answer, JSON)
            except PromlabError as error:
                log.warning("A message was refused", extra={"facts": {"err": str(error)}})
                response = text(f"{error}\n", 400)
        await send_response(request, response, send)


def advertised(address: str) -> str:
    """An address that others can reach, for one that listens everywhere."""
    host, _, port = address.rpartition(":")
    if host.strip("[]") not in ("0.0.0.0", "::"):  # noqa: S104  (names it, binds nothing)
        return address
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: this asks the kernel which address leads outwards.
        probe.connect(("192.0.2.1", 9))
        return f"{probe.getsockname()[0]}:{port}"
    return f"127.0.0.1:{port}"
