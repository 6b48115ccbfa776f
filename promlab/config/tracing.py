"""The `tracing` section: where spans would go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import TLSConfig
from promlab.config.kinds import Kind
from promlab.config.section import Section, opt, record, section


def _headers(at: At) -> Mapping[str, str]:
    found = {}
    for name, (key_at, value_at) in at.entries().items():
        if name.lower() == "authorization":
            key_at.fail("custom authorization header configuration is not supported")
        if name.lower().startswith("x-prometheus-remote-"):
            key_at.fail(f"{name} is a reserved header. It must not be changed")
        found[name] = kinds.header_value(value_at)
    return found


headers: Kind[Mapping[str, str]] = Kind(_headers, dict, {})


@record
class TracingConfig(Section):
    """An OTLP endpoint for traces."""

    required: ClassVar[tuple[str, ...]] = ("endpoint",)
    client_type: str = opt(kinds.one_of("grpc", "http", what="tracing client type"), "grpc")
    endpoint: str = opt(kinds.string, "")
    sampling_fraction: float = opt(kinds.number, 0.0)
    insecure: bool = opt(kinds.boolean, False)
    tls_config: TLSConfig = opt(section(TLSConfig), TLSConfig())
    headers: Mapping[str, str] = opt(headers, {})
    compression: str = opt(kinds.one_of("gzip", what="compression"), "")
    timeout_ms: int = opt(kinds.duration, 10_000, key="timeout")

    def check(self, at: At) -> None:
        """A section that is there names its endpoint."""
        if not self.endpoint:
            at.get("endpoint").fail("tracing endpoint must be set")
