"""Which proxy a request goes through.

The rules are those of Go's programs: `no_proxy` has names (their subdomains are meant too), names
that begin with a dot (their subdomains only), addresses, networks, each with a port where only
that one is meant, or `*`. This machine itself is never asked for through a proxy, unless one is
configured without any exception.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL

from promlab.config.http_client import ProxyConfig

_Address = IPv4Address | IPv6Address
_PORTS = {"http": 80, "https": 443}


def proxy_for(config: ProxyConfig, url: URL) -> str | None:
    """URL of the proxy between here and there, None where there is none."""
    if config.proxy_url:
        excluded = bool(config.no_proxy) and _goes_directly(url, config.no_proxy)
        return None if excluded else config.proxy_url
    if config.proxy_from_environment:
        found = _variable(f"{url.scheme}_proxy")
        if found and not _goes_directly(url, _variable("no_proxy")):
            return found if "://" in found else f"http://{found}"
    return None


def _variable(name: str) -> str:
    return os.environ.get(name.upper()) or os.environ.get(name) or ""


def _goes_directly(url: URL, no_proxy: str) -> bool:
    host = (url.host or "").lower().rstrip(".")
    port, address = url.port or _PORTS.get(url.scheme, 0), _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_means(entry, host, address, port) for entry in entries if entry)


def _means(entry: str, host: str, address: _Address | None, port: int) -> bool:
    """Whether an entry of `no_proxy` speaks of a host and its port."""
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _in_network(address, entry)
    name, only = _split(entry)
    if only and only != str(port):
        return False
    named = _address(name)
    if named is not None:
        return address == named
    name = name.removeprefix("*")
    bare = name.lstrip(".")
    return host.endswith(f".{bare}") or (host == bare and not name.startswith("."))


def _split(entry: str) -> tuple[str, str]:
    """Name and port of an entry; addresses of version 6 have colons of their own."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _address(text: str) -> _Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _in_network(address: _Address, entry: str) -> bool:
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False
