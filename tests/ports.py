"""Ports for programs that can't be told to choose one themselves."""

from __future__ import annotations

import secrets
import socket

# Below those that kernels give to clients and to port 0 (Linux 32768 and up, macOS 49152 and up):
# nobody gets one by chance between here and the program's bind.
RANGE = range(12_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback that nobody has, and that this function has not given before."""
    while True:
        port = secrets.choice(RANGE)  # not random's: hypothesis seeds that
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
