"""Content types and the Accept header."""

from __future__ import annotations

import pytest

from promlab.errors import ExpositionError
from promlab.exposition.body_parser import BodyParser
from promlab.exposition.formats import ACCEPT, Format, Protocol, accept_header, format_of
from promlab.model.labels import Symbols

TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS
KNOWN = {
    "text/plain": TEXT,
    "TEXT/PLAIN": TEXT,
    " text/plain ": TEXT,
    "text/plain;": TEXT,
    "text/plain; version=0.0.4": TEXT,
    "text/plain; version=1.0.0; escaping=allow-utf-8": TEXT,
    "text/plain; version=0.0.3": TEXT,
    'text/plain;version="0.0.4" ; charset=utf-8': TEXT,
    "application/openmetrics-text": OPENMETRICS,
    "application/openmetrics-text; version=1.0.0; charset=utf-8": OPENMETRICS,
    "application/openmetrics-text; version=0.0.1": OPENMETRICS,
    "application/openmetrics-text; version=2.0.0": OPENMETRICS,
}
UNKNOWN = [
    "",
    "text/html",
    "text/plain; foo",
    "text/plain; version=0.0.4; VERSION=1.0.0",
    "text/plain, application/json",
    "application/json",
    "*/*",
    "text/*",
    "garbage",
]
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"


@pytest.mark.parametrize(("content_type", "format"), KNOWN.items())
def test_known(content_type: str, format: Format) -> None:
    assert format_of(content_type) is format
    assert format_of(content_type, Protocol.PROTOBUF) is format


@pytest.mark.parametrize("content_type", UNKNOWN)
def test_unknown(content_type: str) -> None:
    with pytest.raises(ExpositionError, match="fallback_scrape_protocol"):
        format_of(content_type)
    assert format_of(content_type, Protocol.TEXT_0_0_4) is TEXT
    assert format_of(content_type, Protocol.OPENMETRICS_1_0_0) is OPENMETRICS


def test_protobuf() -> None:
    for content_type, fallback in ((PROTOBUF, None), ("", Protocol.PROTOBUF)):
        assert format_of(content_type, fallback) is Format.PROTOBUF
    assert BodyParser(Symbols()).parse(b"", Format.PROTOBUF).layout.n == 0


def test_accept() -> None:
    assert ACCEPT == (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    )
    assert accept_header([Protocol.TEXT_1_0_0], "dots") == (
        "text/plain;version=1.0.0;escaping=dots;q=0.6,*/*;q=0.5"
    )
