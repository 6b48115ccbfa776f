"""The gateway's process: sockets, the file, the server, and their orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from promlab.errors import ConfigError
from promlab.pushgateway.app import App
from promlab.pushgateway.gateway import Gateway
from promlab.pushgateway.journal import Journal
from promlab.pushgateway.settings import Settings
from promlab.web.guard import Guard
from promlab.web.log import facts
from promlab.web.serving import GuardedServer
from promlab.web.sockets import address_of, listen

log = logging.getLogger(__name__)

_EXPIRE_EVERY_S = 1.0
_MAX_CONNECTIONS = 512
_READ_TIMEOUT_S = 300.0  # longer than any scrape interval
_FIRST_SYSTEMD_FD = 3


async def serve(settings: Settings) -> None:
    """Serve until a signal or a request ends it. Raises AddressInUse, StorageError."""
    guard = Guard(settings.web_config)
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
    app = App(settings, gateway, guard, lambda: setattr(server, "should_exit", True))
    server = GuardedServer(
        app, guard, max_connections=_MAX_CONNECTIONS, read_timeout_s=_READ_TIMEOUT_S
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    expiring = asyncio.create_task(_expire(gateway))
    for listener in listeners:
        address = address_of(listener)
        log.info("Listening on", extra=facts(address=address))
        scheme = "http" if guard.tls is None else "https"
        sys.stderr.write(f"listening on {scheme}://{address}{settings.route_prefix}\n")
    sys.stderr.flush()
    try:
        await server.run_on(listeners)
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
