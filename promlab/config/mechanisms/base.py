"""What the sections of all mechanisms have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import HttpClientConfig
from promlab.config.kinds import Kind
from promlab.config.section import Section, inline, opt, record

REFRESH_MS = 60_000


@record
class Mechanism(Section):
    """A section of `<mechanism>_sd_configs`."""

    mechanism: ClassVar[str] = ""


@record
class Refreshed(Mechanism):
    """A mechanism that is asked again and again."""

    refresh_interval_ms: int = opt(kinds.duration, REFRESH_MS, key="refresh_interval", always=True)

    def check(self, at: At) -> None:
        """An interval of nothing would ask without a pause."""
        if self.refresh_interval_ms <= 0:
            at.get("refresh_interval").fail("must be greater than 0s")


@record
class Asked(Refreshed):
    """A mechanism that is asked over HTTP."""

    http: HttpClientConfig = inline(HttpClientConfig)


def needs(at: At, what: str, **given: object) -> None:
    """Refuse a section that leaves one of these out."""
    for name, value in given.items():
        if not value:
            at.get(name).fail(f"{what} requires {name}")


def needs_address(at: At, url: str, what: str) -> None:
    """Refuse what is not the address of an HTTP server."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        at.fail(f"{what}: URL scheme must be 'http' or 'https'")
    if not parts.hostname:
        at.fail(f"{what}: host is missing in URL")


port: Kind[int] = Kind(
    lambda at: _port(at),
    lambda value: value,
    0,
    shape={"type": ["integer", "null"], "minimum": 0, "maximum": 65_535},
)


def _port(at: At) -> int:
    number: Any = kinds.integer(at)
    if not 0 <= number <= 65_535:
        at.fail("must be a port, from 0 to 65535")
    return int(number)
