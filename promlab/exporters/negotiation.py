"""The format of an answer, by what the scraper says it takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from promlab.exporters import families, openmetrics, protobuf
from promlab.exporters.families import Family

PROTOBUF_TYPE = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
OPENMETRICS_TYPE = "application/openmetrics-text; version={version}; charset=utf-8"
TEXT_TYPE = "text/plain; version={version}; charset=utf-8"


class Choice(NamedTuple):
    """A format, and whether names may have any characters."""

    kind: str  # text, openmetrics or protobuf
    version: str
    utf8: bool

    @property
    def content_type(self) -> str:
        """The header of a body in this format."""
        if self.kind == "protobuf":
            return PROTOBUF_TYPE
        shape = OPENMETRICS_TYPE if self.kind == "openmetrics" else TEXT_TYPE
        escaping = "allow-utf-8" if self.utf8 else "underscores"
        told = f"; escaping={escaping}" if self.version != "0.0.1" else ""
        return shape.format(version=self.version) + told


TEXT = Choice("text", "0.0.4", False)


def choose(accept: str, *, openmetrics: bool = True) -> Choice:
    """The first format of an Accept header, by weight, that there is; text without one."""
    for media, parameters in _ranges(accept):
        utf8 = parameters.get("escaping") == "allow-utf-8"
        version = parameters.get("version", "")
        if media in ("text/plain", "text/*", "*/*"):
            if version in ("", "0.0.4"):
                return Choice("text", "0.0.4", utf8)
            if version == "1.0.0":
                return Choice("text", "1.0.0", utf8)
        elif media == "application/openmetrics-text" and version in ("", "0.0.1", "1.0.0"):
            if not openmetrics:
                continue
            return Choice("openmetrics", version or "0.0.1", utf8 and version == "1.0.0")
        elif (
            media == "application/vnd.google.protobuf"
            and parameters.get("proto") == "io.prometheus.client.MetricFamily"
            and parameters.get("encoding") == "delimited"
        ):
            return Choice("protobuf", "", True)
    return TEXT


def render(found: Iterable[Family], choice: Choice) -> bytes:
    """Families in a format."""
    if choice.kind == "protobuf":
        return protobuf.render(found)
    if choice.kind == "openmetrics":
        return openmetrics.render(found, utf8=choice.utf8)
    return families.render(found, utf8=choice.utf8)


def _ranges(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Media ranges with their parameters, the dearest first; those with weight 0 are out."""
    weighed = []
    for item in accept.split(","):
        media, *rest = (part.strip() for part in item.split(";"))
        parameters = {}
        for part in rest:
            name, _, value = part.partition("=")
            parameters[name.strip().lower()] = value.strip().strip('"')
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        if weight > 0:
            weighed.append((weight, media.lower(), parameters))
    weighed.sort(key=lambda one: -one[0])
    return [(media, parameters) for _, media, parameters in weighed]
