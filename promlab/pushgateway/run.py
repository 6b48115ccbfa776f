"""The gateway's process: sockets, the file, the server, and their orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from promlab.errors import ConfigError
from promlab.pushgateway.app import App
from promlab.pushgateway.gateway import Gateway
from promlab.pushgateway.journal import Journal
from promlab.pushgateway.settings import Settings
from promlab.web.log import facts
from promlab.web.sockets import address_of, listen

log = logging.getLogger(__name__)

_EXPIRE_EVERY_S = 1.0
_FIRST_SYSTEMD_FD = 3


class _Server(uvicorn.Server):
    """Leaves signals to this module."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


async def serve(settings: Settings) -> None:
    """Serve until a signal or a request ends it. Raises AddressInUse, StorageError."""
    listeners = _listeners(settings)
    journal = None
    if settings.file:
        journal = Journal(Path(settings.file), interval_s=settings.interval_s)
    gateway = Gateway(
        journal,
        check=settings.check,
        utf8=settings.utf8_names,
        default_ttl_s=settings.default_ttl_s,
    )
    app = App(settings, gateway, lambda: setattr(server, "should_exit", True))
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=300,  # longer than any scrape interval
            timeout_graceful_shutdown=5,
            backlog=1024,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    expiring = asyncio.create_task(_expire(gateway))
    for listener in listeners:
        address = address_of(listener)
        log.info("Listening on", extra=facts(address=address))
        sys.stderr.write(f"listening on http://{address}{settings.route_prefix}\n")
    sys.stderr.flush()
    try:
        await server.serve(sockets=listeners)
    finally:
        expiring.cancel()
        await asyncio.gather(expiring, return_exceptions=True)
        gateway.close()


async def _expire(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(_EXPIRE_EVERY_S)
        try:
            gateway.expire()
        except Exception:
            log.exception("expired groups could not be removed")


def _listeners(settings: Settings) -> list[socket.socket]:
    if not settings.systemd:
        return [listen(address) for address in settings.addresses]
    count = os.environ.get("LISTEN_FDS", "0")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal() or count == "0":
        raise ConfigError("systemd has passed no sockets", field="--web.systemd-socket")
    return [socket.socket(fileno=_FIRST_SYSTEMD_FD + i) for i in range(int(count))]
