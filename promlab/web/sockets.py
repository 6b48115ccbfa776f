"""Listening sockets, taken before anything else is done."""

from __future__ import annotations

import errno
import ipaddress
import socket

from promlab.errors import AddressInUse, ServerError


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`, `:port` or `[v6]:port`. Raises ServerError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ServerError(
            f"--web.listen-address: {address!r} is not host:port, for instance 127.0.0.1:9090"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a listen address. Raises ServerError."""
    host, _ = split_address(address)
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(address: str) -> socket.socket:
    """A listening TCP socket. Raises AddressInUse or ServerError, with the address."""
    host, port = split_address(address)
    try:
        if not host:
            return _bound(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET, port)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return _bound(found[0][0], port, host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(address) from None
        raise ServerError(f"can't listen on {address}: {error.strerror or error}") from None


def _bound(family: int, port: int, host: str = "") -> socket.socket:
    dual = family == socket.AF_INET6 and not host
    listener = socket.create_server((host, port), family=family, backlog=1024, dualstack_ipv6=dual)
    listener.set_inheritable(True)
    return listener


def address_of(listener: socket.socket) -> str:
    """`host:port` that a socket listens on."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
