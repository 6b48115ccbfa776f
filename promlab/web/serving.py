"""A server on sockets that are there already: uvicorn with limits, and TLS that may change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn

from promlab.errors import ConfigError
from promlab.web.guard import Guard
from promlab.web.log import facts
from promlab.web.protocol import ConnectionLimits

log = logging.getLogger(__name__)

_LOOK_S = 1.0


class GuardedServer(uvicorn.Server):
    """Serves an ASGI application; whoever made it takes care of signals.

    An application may have a method `at_once`: see `promlab.web.protocol`.
    """

    def __init__(
        self, app: Any, guard: Guard, *, max_connections: int, read_timeout_s: float
    ) -> None:
        self._guard = guard
        at_once = getattr(app, "at_once", None)
        limits = ConnectionLimits(max_connections, read_timeout_s, self._accepts, at_once)
        config = uvicorn.Config(
            app,
            http=limits.protocol,  # type: ignore[arg-type]  # called like the class it makes
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=max(1, int(read_timeout_s)),
            timeout_graceful_shutdown=5,
            backlog=1024,
        )
        config.load()
        config.ssl = _context(guard)
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    async def run_on(self, listeners: list[socket.socket]) -> None:
        """Serve until `should_exit`."""
        watching = asyncio.create_task(self._watch(listeners))
        try:
            await self.serve(sockets=[listener.dup() for listener in listeners])
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _accepts(self, transport: asyncio.Transport) -> bool:
        tls = self._guard.tls
        if tls is None:
            return True
        from promlab.web.tls import name_is_allowed

        return name_is_allowed(transport, tls)

    async def _watch(self, listeners: list[socket.socket]) -> None:
        """Take over a web configuration that has changed, and certificates that were renewed."""
        before = self._state()
        while True:
            await asyncio.sleep(_LOOK_S)
            self._guard.refresh()
            now = self._state()
            if now == before or not self.started:
                continue
            before = now
            try:
                context = _context(self._guard)
            except ConfigError as error:
                log.error("TLS settings can't be used", extra=facts(err=str(error)))
                continue
            if context is not None or self.config.ssl is not None:
                await self._listen_with(context, listeners)

    def _state(self) -> tuple[Any, ...]:
        """What a change of is a change of TLS."""
        return self._guard.changes, *self._guard.file_stamps()

    async def _listen_with(
        self, context: ssl.SSLContext | None, listeners: list[socket.socket]
    ) -> None:
        """Accept connections with other TLS settings; those that are open go on."""
        self.config.ssl = context
        old, self.servers = self.servers, []
        for server in old:
            server.close()
        loop = asyncio.get_running_loop()
        for listener in listeners:
            # A copy: closing the old server closes the socket that it was given.
            copy = listener.dup()
            server = await loop.create_server(self._protocol, sock=copy, ssl=context, backlog=1024)
            self.servers.append(server)
        log.info("Took over new TLS settings")

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def _context(guard: Guard) -> ssl.SSLContext | None:
    if guard.tls is None:
        return None
    from promlab.web.tls import server_context

    return server_context(guard.tls)
