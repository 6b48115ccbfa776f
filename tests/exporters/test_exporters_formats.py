"""The three formats of one set of families, and which of them a scraper gets."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from promlab.errors import ExpositionError
from promlab.exporters import openmetrics, protobuf, protobuf_reader
from promlab.exporters.families import Exemplar, Family, Native, counter, gauge, render
from promlab.exporters.negotiation import choose
from promlab.exposition.formats import ACCEPT

DELIMITED = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)


def some_families() -> list[Family]:
    requests = counter("requests_total", 'Help with "quotes"\nand a line.')
    requests.add(3, {"path": 'a"b\\\n'})
    requests.exemplars[0] = Exemplar({"trace_id": "x y"}, 1.0, 1700000000.25)
    requests.created[(("path", 'a"b\\\n'),)] = 1700000000.5
    took = Family("took_seconds", "histogram", "Help.")
    for bound, count in (("1", 1), ("+Inf", 2)):
        took.add(count, {"le": bound}, suffix="_bucket")
    took.add(2, suffix="_count")
    took.add(3.5, suffix="_sum")
    took.created[()] = 1700000000.5
    return [took, requests, gauge("temperature", "Help.", math.nan), gauge("empty", "None.")]


def test_openmetrics_is_what_a_strict_parser_takes() -> None:
    text = openmetrics.render(some_families()).decode()
    assert text.endswith("# EOF\n")
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(found) == {"requests", "took_seconds", "temperature"}
    sample, created = found["requests"].samples
    assert (sample.labels, sample.value) == ({"path": 'a"b\\\n'}, 3)
    assert sample.exemplar is not None
    assert sample.exemplar.labels == {"trace_id": "x y"}
    assert (created.name, created.value) == ("requests_created", 1700000000.5)
    buckets = [s.labels["le"] for s in found["took_seconds"].samples if "le" in s.labels]
    assert buckets == ["1.0", "+Inf"]


def test_names_of_any_characters() -> None:
    family = gauge("a.b", "Help.")
    family.add(1, {"l.x": "y"})
    assert b'{"a.b","l.x"="y"} 1\n' in render([family], utf8=True)
    assert b'a_b{l_x="y"} 1\n' in render([family])
    assert b'# TYPE "a.b" gauge\n' in openmetrics.render([family], utf8=True)


@pytest.mark.parametrize(
    ("accept", "kind", "utf8"),
    [
        (ACCEPT, "openmetrics", True),
        ("", "text", False),
        ("*/*", "text", False),
        ("text/html", "text", False),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", "text", True),
        ("text/plain;version=2.0.0,application/openmetrics-text;q=0.1", "openmetrics", False),
        (f"{DELIMITED};q=0.7,{ACCEPT}", "protobuf", True),
        (f"{DELIMITED};q=0,text/plain", "text", False),
        ("application/openmetrics-text;q=x,,;", "text", False),
    ],
)
def test_negotiation(accept: str, kind: str, utf8: bool) -> None:
    choice = choose(accept)
    assert (choice.kind, choice.utf8) == (kind, utf8)
    assert kind in choice.content_type or kind == "text"


def test_a_delimited_message() -> None:
    # family{name: "a", help: "b", type: GAUGE, metric{label{"l": "v"}, gauge{value: 1}}}
    family = gauge("a", "b")
    family.add(1, {"l": "v"})
    wanted = b"\x0a\x01a\x12\x01b\x18\x01\x22\x13\x0a\x06\x0a\x01l\x12\x01v"
    wanted += b"\x12\x09\x09\x00\x00\x00\x00\x00\x00\xf0\x3f"
    assert protobuf.render([family]) == bytes([len(wanted)]) + wanted


def test_spans_and_deltas_of_a_native_histogram() -> None:
    family = Family("h", "histogram", "")
    family.natives[()] = Native(9, 1.5, -1, 0.5, 1, {-3: 2, -2: 1, 4: 5}, {})
    body = protobuf.render([family])
    # positive spans (-3, 2), (5, 1) and the packed deltas 2, -1, 4
    assert b"\x62\x04\x08\x05\x10\x02\x62\x04\x08\x0a\x10\x01\x6a\x03\x04\x01\x08" in body
    assert b"\x28\x01" in body  # schema -1, zigzag


def shapes(families: list[Family]) -> list[tuple]:
    return [
        (f.name, f.type, f.help, sorted(f.samples, key=repr), f.created, f.natives)
        for f in families
    ]


def test_what_is_written_in_protobuf_is_read() -> None:
    native = Family("h", "histogram", "Help.")
    native.natives[(("a", "b"),)] = Native(9, 1.5, -1, 0.5, 1, {-3: 2, -2: 1, 4: 5}, {7: 1})
    native.add(9, {"a": "b"}, suffix="_count")
    native.add(1.5, {"a": "b"}, suffix="_sum")
    floats = Family("f", "histogram", "Help.")
    floats.natives[()] = Native(2.5, 1.5, 3, 0.5, 1.25, {1: 0.75}, {7: 0.5})
    summary = Family("s", "summary", "Help.")
    summary.add(1, {"quantile": "0.5"})
    summary.add(2, suffix="_sum")
    summary.add(3, suffix="_count")
    requests = counter("requests_total", "Help.")
    requests.add(3, {"path": 'a"b'})
    requests.exemplars[0] = Exemplar({"trace_id": "x"}, 1.0, 1700000000.25)
    requests.created[(("path", 'a"b'),)] = 1700000000.5
    body = protobuf.render([floats, native, requests, summary])
    found = protobuf_reader.read(body)
    assert not found.stamped
    assert found.families[0].natives == floats.natives
    assert shapes(found.families)[1:] == shapes([native, requests, summary])
    assert found.families[2].exemplars == requests.exemplars


def test_a_broken_message_is_refused_wherever_it_ends() -> None:
    body = protobuf.render(some_families())
    whole = 0
    for size in range(len(body)):
        with contextlib.suppress(ExpositionError):
            protobuf_reader.read(body[:size])
            whole += 1
    assert whole == 3  # nothing, one family, two families
    with pytest.raises(ExpositionError, match="protobuf parsing error: unexpected end"):
        protobuf_reader.read(body[:-1])


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ExpositionError):
        protobuf_reader.read(body)


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    import numpy as np

    from promlab.exporters.families import number_text
    from promlab.model.float_text import go_number

    assert number_text(np.float64(0.5)) == "0.5"
    assert go_number(np.float64(2.0)) == "2"
