"""A web configuration at work in a server of threads: TLS, passwords, headers.

The rules are those of `promlab.web.guard`, which every other server of ours has. The file is
looked at again for each connection and each request, and so are the certificates: what was
renewed holds from the next connection on, what is not valid leaves the old in force.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from email.message import Message
from typing import NamedTuple

from promlab.errors import ConfigError
from promlab.web.guard import Guard
from promlab.web.http import Request
from promlab.web.tls import certificate_is_allowed, server_context

logger = logging.getLogger(__name__)

_HANDSHAKE_S = 10.0


class Refusal(NamedTuple):
    """What somebody gets who may not ask."""

    status: int
    body: bytes
    asks: str  # WWW-Authenticate


class ThreadGuard:
    """One web configuration; any number of threads ask it, one at a time."""

    def __init__(self, path: str) -> None:
        self._path, self._guard, self._lock = path, Guard(path), threading.Lock()
        self._loop = asyncio.new_event_loop()  # the guard's own; it runs in whose turn it is
        self._state = self._now()
        self._context = self._make_context()

    @property
    def is_secure(self) -> bool:
        """Whether connections are encrypted."""
        return self._context is not None

    def close(self) -> None:
        """Stop checking."""
        with self._lock:
            self._loop.close()

    def secure(self, connection: socket.socket) -> socket.socket | None:
        """The connection after its handshake; None for a client that may not come in.

        Raises OSError where the handshake fails.
        """
        with self._lock:
            context = self._refreshed()
            tls = self._guard.tls
        if context is None or tls is None:
            return connection
        connection.settimeout(_HANDSHAKE_S)
        secured = context.wrap_socket(connection, server_side=True)
        if certificate_is_allowed(secured.getpeercert(), tls):
            return secured
        secured.close()
        return None

    def refusal(self, headers: Message) -> Refusal | None:
        """None for a request that may pass."""
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        request = Request({"method": "GET", "headers": raw}, None)
        with self._lock:
            refused = self._loop.run_until_complete(self._guard.refusal(request))
        if refused is None:
            return None
        body = refused.body if isinstance(refused.body, bytes) else b""
        return Refusal(refused.status, body, asks="Basic" if refused.status == 401 else "")

    def headers(self) -> Mapping[str, str]:
        """What every answer carries."""
        return self._guard.header_texts

    def _refreshed(self) -> ssl.SSLContext | None:
        self._guard.refresh()
        now = self._now()
        if now != self._state:
            self._state = now
            try:
                self._context = self._make_context()
            except ConfigError as error:
                logger.error("TLS settings can't be used: %s", error)
        return self._context

    def _now(self) -> tuple[object, ...]:
        """What a change of is a change of TLS."""
        return self._guard.changes, *self._guard.file_stamps()

    def _make_context(self) -> ssl.SSLContext | None:
        tls = self._guard.tls
        return None if tls is None else server_context(tls, self._path)
