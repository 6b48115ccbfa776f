"""Lists over HTTP, and DNS."""

from __future__ import annotations

from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.mechanisms.base import Asked, Refreshed, needs_address, port
from promlab.config.section import opt, record

RECORDS = ("A", "AAAA", "MX", "NS", "SRV")


@record
class Http(Asked):
    """A server that answers with target groups."""

    mechanism: ClassVar[str] = "http"
    required: ClassVar[tuple[str, ...]] = ("url",)
    url: str = opt(kinds.url, "", always=True)

    def check(self, at: At) -> None:
        """A URL that can be asked."""
        Asked.check(self, at)
        if not self.url:
            at.get("url").fail("URL is missing")
        needs_address(at.get("url"), self.url, "http service discovery")


def _record_type(at: At) -> str:
    text = at.text().upper()
    if text not in RECORDS:
        at.fail(
            f"invalid DNS-SD records type {at.text()!r}: it must be one of {', '.join(RECORDS)}"
        )
    return text


record_type: Kind[str] = Kind(
    _record_type, lambda text: text, "SRV", shape={"enum": [*RECORDS, None]}
)


@record
class Dns(Refreshed):
    """Names to look up."""

    mechanism: ClassVar[str] = "dns"
    required: ClassVar[tuple[str, ...]] = ("names",)
    names: tuple[str, ...] = opt(kinds.strings, (), always=True)
    refresh_interval_ms: int = opt(kinds.duration, 30_000, key="refresh_interval", always=True)
    type: str = opt(record_type, "SRV", always=True)
    port: int = opt(port, 0)

    def check(self, at: At) -> None:
        """Names, and a port for what names none itself."""
        Refreshed.check(self, at)
        if not self.names:
            at.fail("DNS-SD config must contain at least one SRV record name")
        if self.type != "SRV" and not self.port:
            at.fail("a port is required in DNS-SD configs for all record types except SRV")
