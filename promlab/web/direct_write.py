"""Writing to a connection now, where an event loop would do so at the end of its turn.

What can't be written at once, and whatever comes behind it, is left to the transport; so is all
that is to be sent by TLS.
"""

from __future__ import annotations

import asyncio
import os

_NONE = -1


class DirectWriter:
    """Writes to one connection, in the thread of its event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        plain = sock is not None and transport.get_extra_info("ssl_object") is None
        self._fd: int = sock.fileno() if plain else _NONE

    def write(self, data: bytes) -> None:
        """Send this; nothing else may write to an open connection without the transport."""
        transport = self._transport
        if self._fd != _NONE and not transport.get_write_buffer_size():
            try:  # noqa: SIM105 - what suppresses takes as long as the rest of this
                data = data[os.write(self._fd, data) :]
            except OSError:
                pass  # The transport can wait, and knows what to do about a lost connection.
        if data:
            transport.write(data)
