"""The parser against prometheus_client: its parsers on real bodies, its registries on any."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from promlab.exposition.body_parser import NO_TIME, BodyParser, ParsedBody
from promlab.exposition.formats import Format
from promlab.exposition.strings import canonical_float
from promlab.model.labels import Symbols

Sample = tuple[tuple[tuple[str, str], ...], bytes, float | None]


def ours(parsed: ParsedBody) -> list[Sample]:
    times = [NO_TIME] * parsed.layout.n if parsed.t_ms is None else parsed.t_ms.tolist()
    rows = zip(parsed.layout.labels.rows(), parsed.values.tolist(), times, strict=True)
    return sorted(
        (tuple(labels.items()), bits(value), None if t_ms == NO_TIME else t_ms / 1000)
        for labels, value, t_ms in rows
    )


def theirs(families: Iterable[Any]) -> list[Sample]:
    floats = {"histogram": "le", "summary": "quantile"}
    found = []
    for family in families:
        for sample in family.samples:
            labels = {"__name__": sample.name, **sample.labels}
            label = floats.get(family.type)
            if label in labels:
                labels[label] = canonical_float(labels[label])
            kept = sorted((name, value) for name, value in labels.items() if value)
            time = None if sample.timestamp is None else float(sample.timestamp)
            found.append((tuple(kept), bits(sample.value), time))
    return sorted(found)


def bits(value: float) -> bytes:
    return struct.pack(">d", value) if value == value else b"NaN"


def test_real_bodies(shared: Path) -> None:
    files = sorted((shared / "contract" / "exposition").iterdir())
    assert files
    for path in files:
        body = path.read_bytes()
        format = Format.OPENMETRICS if ".om." in path.name else Format.TEXT
        if format is Format.OPENMETRICS:
            # The client refuses negative sums and quantiles, which negative values have.
            refused = rb"(?m)^\w+(?:_sum|_count)(?:\{[^}]*\})? .*\n|^\w+(?:\{[^}]*\})? -.*\n"
            body = re.sub(refused, b"", body)
        families = list((parse_text if format is Format.TEXT else parse_openmetrics)(body.decode()))
        parsed = BodyParser(Symbols()).parse(body, format)
        assert ours(parsed) == theirs(families), path.name
        exemplars = [sample.exemplar for f in families for sample in f.samples if sample.exemplar]
        assert [(e.labels, e.value) for e in parsed.exemplars()] == [
            (e.labels, e.value) for e in exemplars
        ]
        metadata = parsed.layout.metadata
        shown = {(name, m.type.value, m.help, m.unit) for name, m in metadata.items()}
        for family in families:
            # The client's text parser calls a counter by its name without _total.
            names = {family.name, f"{family.name}_total"} & set(metadata)
            facts = (family.type, family.documentation, family.unit)
            assert not names or any((name, *facts) in shown for name in names)


texts = st.text(max_size=10)
values = st.floats()


@st.composite
def registries(draw: st.DrawFn) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauge = Gauge("g_seconds", draw(texts), ["a", "b"], registry=registry)
    for a, b in draw(st.sets(st.tuples(texts, texts), max_size=4)):
        gauge.labels(a, b).set(draw(values))
    counter = Counter("c", draw(texts), ["a"], registry=registry)
    for a in draw(st.sets(texts, max_size=3)):
        child = counter.labels(a)
        child.inc(draw(st.floats(0, 1e300)), draw(st.none() | st.just({"trace": "x"})))
    bounds = draw(st.sets(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
    histogram = Histogram("h", draw(texts), buckets=sorted(bounds), registry=registry)
    for value in draw(st.lists(st.floats(-1e9, 1e9), max_size=5)):
        histogram.observe(value, draw(st.none() | st.just({"trace": "y", "span": "z"})))
    summary = Summary("s", draw(texts), registry=registry)
    summary.observe(draw(st.floats(-1e9, 1e9)))
    return registry


@settings(deadline=None, max_examples=30)
@given(registries())
def test_text_of_any_registry(registry: CollectorRegistry) -> None:
    body = generate_latest(registry)
    assert ours(BodyParser(Symbols()).parse(body)) == theirs(parse_text(body.decode()))


@settings(deadline=None, max_examples=30)
@given(registries())
def test_openmetrics_of_any_registry(registry: CollectorRegistry) -> None:
    body = generate_openmetrics(registry)
    parsed = BodyParser(Symbols()).parse(body, Format.OPENMETRICS)
    families = list(registry.collect())
    assert ours(parsed) == theirs(families)
    wanted = [sample.exemplar for f in families for sample in f.samples if sample.exemplar]
    found = parsed.exemplars()
    assert [(e.labels, e.value) for e in found] == [(e.labels, e.value) for e in wanted]
    for mine, other in zip(found, wanted, strict=True):
        assert mine.t_ms == pytest.approx(other.timestamp * 1000, abs=1)
    assert {name: m.type.value for name, m in parsed.layout.metadata.items()} == {
        family.name: family.type for family in families
    }
