"""Which format a target speaks, and which ones a scrape asks for.

The names are those of `scrape_protocols` in the configuration. A body's format is told by
its Content-Type alone, judged as Prometheus does; bodies are never sniffed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

from promlab.errors import ExpositionError


class Format(Enum):
    """Formats by media type."""

    TEXT = "text/plain"
    OPENMETRICS = "application/openmetrics-text"
    PROTOBUF = "application/vnd.google.protobuf"


class Protocol(Enum):
    """What `scrape_protocols` and `fallback_scrape_protocol` may name."""

    PROTOBUF = "PrometheusProto"
    OPENMETRICS_1_0_0 = "OpenMetricsText1.0.0"
    OPENMETRICS_0_0_1 = "OpenMetricsText0.0.1"
    TEXT_1_0_0 = "PrometheusText1.0.0"
    TEXT_0_0_4 = "PrometheusText0.0.4"

    @property
    def format(self) -> Format:
        """The format that the protocol is a version of."""
        return _FORMATS[self]


_FORMATS = {
    Protocol.PROTOBUF: Format.PROTOBUF,
    Protocol.OPENMETRICS_1_0_0: Format.OPENMETRICS,
    Protocol.OPENMETRICS_0_0_1: Format.OPENMETRICS,
    Protocol.TEXT_1_0_0: Format.TEXT,
    Protocol.TEXT_0_0_4: Format.TEXT,
}
_MEDIA_RANGES = {
    Protocol.PROTOBUF: "application/vnd.google.protobuf"
    ";proto=io.prometheus.client.MetricFamily;encoding=delimited",
    Protocol.OPENMETRICS_1_0_0: "application/openmetrics-text;version=1.0.0",
    Protocol.OPENMETRICS_0_0_1: "application/openmetrics-text;version=0.0.1",
    Protocol.TEXT_1_0_0: "text/plain;version=1.0.0",
    Protocol.TEXT_0_0_4: "text/plain;version=0.0.4",
}
_ESCAPED = (Protocol.OPENMETRICS_1_0_0, Protocol.TEXT_1_0_0)

DEFAULT_PROTOCOLS = (
    Protocol.OPENMETRICS_1_0_0,
    Protocol.OPENMETRICS_0_0_1,
    Protocol.TEXT_1_0_0,
    Protocol.TEXT_0_0_4,
)

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  # a token of RFC 9110, not a secret
_MEDIA_TYPE = re.compile(rf"\s*({_TOKEN}(?:/{_TOKEN})?)\s*")
_PARAMETER = re.compile(rf';\s*({_TOKEN})\s*=\s*({_TOKEN}|"(?:[^"\\]|\\.)*")\s*')


def accept_header(
    protocols: Sequence[Protocol] = DEFAULT_PROTOCOLS, escaping: str = "allow-utf-8"
) -> str:
    """The Accept header of a scrape that prefers earlier `protocols` to later ones.

    `escaping` is what targets should do to names beyond the old character set:
    allow-utf-8, underscores, dots or values.
    """
    weight = len(Protocol) + 1
    ranges = []
    for protocol in protocols:
        escape = f";escaping={escaping}" if protocol in _ESCAPED else ""
        ranges.append(f"{_MEDIA_RANGES[protocol]}{escape};q=0.{weight}")
        weight -= 1
    return ",".join([*ranges, f"*/*;q=0.{weight}"])


ACCEPT = accept_header()


def format_of(content_type: str, fallback: Protocol | None = None) -> Format:
    """The format of a body with this Content-Type.

    A missing, malformed or unknown type means `fallback`; raises ExpositionError where there
    is none.
    """
    known = _known_format(content_type)
    if known is None and fallback is None:
        what = f"unsupported Content-Type {content_type!r}" if content_type else "no Content-Type"
        raise ExpositionError(
            f"the target sent {what}: set fallback_scrape_protocol for it, "
            "or let it answer with text/plain, application/openmetrics-text or delimited protobuf"
        )
    found = known or (fallback.format if fallback else None)
    assert found is not None
    return found


@lru_cache(maxsize=256)
def _known_format(content_type: str) -> Format | None:
    """The format of a well-formed media type, None for any other."""
    found = _MEDIA_TYPE.match(content_type)
    if found is None:
        return None
    at, seen = found.end(), set()
    while parameter := _PARAMETER.match(content_type, at):
        name = parameter[1].lower()
        if name in seen:
            return None
        seen.add(name)
        at = parameter.end()
    if content_type[at:].strip() not in ("", ";"):
        return None
    try:
        return Format(found[1].lower())
    except ValueError:
        return None
