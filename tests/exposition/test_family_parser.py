"""Protobuf bodies: series, values, native histograms, exemplars, start times, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from family_bodies import (
    COUNTER,
    GAUGE,
    GAUGE_HISTOGRAM,
    HISTOGRAM,
    SUMMARY,
    UNTYPED,
    bucket,
    deltas,
    double,
    exemplar,
    family,
    inner,
    labels,
    metric,
    native,
    number,
    spans,
    stamp,
    text,
    zigzag,
)

from promlab.errors import ExpositionError
from promlab.exposition.body_parser import CLASSIC, BodyParser, HistogramForms, ParsedBody
from promlab.exposition.formats import Format
from promlab.model import histograms as h
from promlab.model.labels import Symbols
from promlab.model.metadata import MetricMetadata, MetricType

NATIVE = HistogramForms(native=True)
BOTH = HistogramForms(native=True, classic=True)


def parse(body: bytes, forms: HistogramForms = CLASSIC) -> ParsedBody:
    return BodyParser(Symbols()).parse(body, Format.PROTOBUF, forms)


def samples(body: ParsedBody) -> list[tuple[dict[str, str], float]]:
    return list(zip(body.layout.labels.rows(), body.values.tolist(), strict=True))


SIMPLE = (
    family(
        "hits_total",
        COUNTER,
        metric(labels(path="/a", code="200"), inner(3, double(1, 7.0), stamp(3, 12_345))),
        metric(labels(path="/ü"), inner(3, double(1, 1.5)), number(6, 99_000)),
        help_="Hits.\n",
    )
    + family("level_meters", GAUGE, metric(inner(2, double(1, -0.25))), unit="meters")
    + family("odd", UNTYPED, metric(inner(5, double(1, 3.0))))
)


def test_simple_families() -> None:
    body = parse(SIMPLE)
    assert samples(body) == [
        ({"__name__": "hits_total", "code": "200", "path": "/a"}, 7.0),
        ({"__name__": "hits_total", "path": "/ü"}, 1.5),
        ({"__name__": "level_meters"}, -0.25),
        ({"__name__": "odd"}, 3.0),
    ]
    assert body.t_ms is not None
    assert body.t_ms[1] == 99_000
    assert body.start_ms is not None
    assert body.start_ms.tolist() == [12_345, 0, 0, 0]
    assert body.layout.metadata["hits_total"] == MetricMetadata(MetricType.COUNTER, "Hits.\n")
    assert body.layout.metadata["level_meters"].unit == "meters"


def test_summary_and_classic_histogram() -> None:
    quantile = inner(3, double(1, 0.5), double(2, 0.1))
    body = parse(
        family("s", SUMMARY, metric(labels(a="b"), inner(4, number(1, 3), double(2, 6), quantile)))
        + family("h", HISTOGRAM, metric(inner(7, number(1, 9), double(2, 2.5), bucket(1, 4))))
    )
    assert samples(body) == [
        ({"__name__": "s_count", "a": "b"}, 3.0),
        ({"__name__": "s_sum", "a": "b"}, 6.0),
        ({"__name__": "s", "a": "b", "quantile": "0.5"}, 0.1),
        ({"__name__": "h_count"}, 9.0),
        ({"__name__": "h_sum"}, 2.5),
        ({"__name__": "h_bucket", "le": "1.0"}, 4.0),
        ({"__name__": "h_bucket", "le": "+Inf"}, 9.0),
    ]


def test_native_histogram() -> None:
    body = parse(family("h", HISTOGRAM, metric(labels(a="b"), native(stamp(15, 5000)))), NATIVE)
    assert list(body.layout.labels.rows()) == [{"__name__": "h", "a": "b"}]
    assert body.histograms is not None
    assert body.histograms.index.tolist() == [0]
    table = body.histograms.table
    assert (table.schema[0], table.zero_threshold[0], table.zero_count[0]) == (1, 0.001, 1.0)
    assert (table.count[0], table.sum[0], table.hint[0]) == (6.0, 10.5, h.UNKNOWN)
    assert (table.positive.indices.tolist(), table.positive.counts.tolist()) == ([0, 3], [2, 1])
    assert (table.negative.indices.tolist(), table.negative.counts.tolist()) == ([-1], [2])
    assert body.start_ms is not None
    assert body.start_ms.tolist() == [5000]


def test_float_gauge_histogram() -> None:
    parts = [double(4, 3.5), double(2, 1.0), number(5, zigzag(-2)), double(8, 1.0)]
    parts += [spans(12, (-3, 2)), double(14, 1.5), double(14, 1.0)]
    body = parse(family("h", GAUGE_HISTOGRAM, metric(inner(7, *parts))), NATIVE)
    assert body.histograms is not None
    table = body.histograms.table
    assert (table.schema[0], table.count[0], table.zero_count[0]) == (-2, 3.5, 1.0)
    assert table.hint[0] == h.GAUGE
    assert table.positive.indices.tolist() == [-3, -2]
    assert table.positive.counts.tolist() == [1.5, 1.0]


def test_forms_of_a_histogram_with_both() -> None:
    body = family("h", HISTOGRAM, metric(native(bucket(1.0, 4), bucket(np.inf, 6))))
    classic = ["h_count", "h_sum", "h_bucket", "h_bucket"]
    names = [row["__name__"] for row in parse(body).layout.labels.rows()]
    assert names == classic
    assert [row["__name__"] for row in parse(body, NATIVE).layout.labels.rows()] == ["h"]
    assert [row["__name__"] for row in parse(body, BOTH).layout.labels.rows()] == ["h", *classic]
    bare = family("h", HISTOGRAM, metric(native()))
    assert [row["__name__"] for row in parse(bare, BOTH).layout.labels.rows()] == ["h"]


def test_many_histograms_keep_apart() -> None:
    empty = inner(7, number(1, 0), number(5, zigzag(3)), spans(12, (0, 0)))
    parts = [metric(labels(i="0"), native()), metric(labels(i="1"), empty)]
    parts += [metric(labels(i="2"), native(count=6, total=1.0))]
    body = parse(family("h", HISTOGRAM, *parts), NATIVE)
    assert body.histograms is not None
    table = body.histograms.table
    assert table.positive.offsets.tolist() == [0, 2, 2, 4]
    assert table.positive.indices.tolist() == [0, 3, 0, 3]
    assert table.positive.counts.tolist() == [2, 1, 2, 1]


def test_exemplars() -> None:
    counter = inner(3, double(1, 1.0), exemplar(2, 0.5, 7000, trace="x"))
    own = exemplar(16, 2.0, 8000, trace="y") + exemplar(16, 3.0, trace="untimed")
    bare = bucket(1.0, 6, exemplar(3, 0.7, trace="z"))
    body = (
        family("c", COUNTER, metric(counter))
        + family("h", HISTOGRAM, metric(native(own, bare)))
        + family("g", HISTOGRAM, metric(native(bare)))
    )
    found = [(e.row, e.labels, e.value, e.t_ms) for e in parse(body, NATIVE).exemplars()]
    assert found == [
        (0, {"trace": "x"}, 0.5, 7000),
        (1, {"trace": "y"}, 2.0, 8000),
        (2, {"trace": "z"}, 0.7, None),
    ]
    rows = [(e.row, e.labels["trace"]) for e in parse(body).exemplars()]
    assert rows == [(0, "x"), (3, "z"), (7, "z")]


def test_one_layout_as_long_as_series_stay() -> None:
    parser = BodyParser(Symbols())

    def scrape(value: float, name: str = "a", help_: str = "") -> ParsedBody:
        body = family(name, GAUGE, metric(labels(x="1"), inner(2, double(1, value))), help_=help_)
        return parser.parse(body, Format.PROTOBUF)

    first = scrape(1.0).layout
    second = scrape(2.0)
    assert second.layout is first
    assert second.values.tolist() == [2.0]
    assert scrape(2.0, "b").layout is not first
    assert scrape(2.0, "b", "help").layout.metadata["b"].help == "help"
    with pytest.raises(ExpositionError):
        parser.parse(b"\xff", Format.PROTOBUF)
    assert scrape(3.0).values.tolist() == [3.0]


def test_an_empty_body_has_no_samples() -> None:
    assert parse(b"").layout.n == 0


def test_repeated_series_are_told() -> None:
    same = metric(labels(a="b"), inner(2, double(1, 1.0)))
    layout = parse(family("g", GAUGE, same, metric(inner(2)), same)).layout
    assert (layout.duplicate_rows.tolist(), layout.duplicate_of.tolist()) == ([2], [0])


BAD = {
    "damaged": b"\x05ab",
    "unknown type": family("a", 9),
    "no name": family("", GAUGE, metric(inner(2))),
    "twice": family("a", GAUGE, metric(labels(x="1") + labels(x="2"), inner(2))),
    "not valid UTF-8": family("a", GAUGE, metric(inner(1, text(1, "x"), text(2, b"\xff")))),
    "has no name": family("a", GAUGE, metric(inner(1, text(2, "x")), inner(2))),
    "invalid histogram schema": family(
        "a", HISTOGRAM, metric(inner(7, number(5, zigzag(9)), double(6, 1.0)))
    ),
    "don't fit": family("a", HISTOGRAM, metric(inner(7, spans(12, (0, 1)), deltas(13, 1, 1)))),
    "need more buckets": family("a", HISTOGRAM, metric(inner(7, spans(12, (0, 4_000_000_000))))),
    "but the count": family("a", HISTOGRAM, metric(native(count=7))),
    "negative count": family(
        "a", HISTOGRAM, metric(inner(7, spans(12, (0, 2)), deltas(13, 1, -2)))
    ),
}


@pytest.mark.parametrize("why", BAD)
def test_refused(why: str) -> None:
    with pytest.raises(ExpositionError, match=why):
        parse(BAD[why], NATIVE)


def test_every_cut_of_a_body_is_read_or_refused() -> None:
    body = SIMPLE + family("h", HISTOGRAM, metric(native(exemplar(16, 1.0, 5, a="b"))))
    parser = BodyParser(Symbols())
    for end in range(len(body)):
        try:
            parser.parse(body[:end], Format.PROTOBUF, BOTH).exemplars()
        except ExpositionError:
            continue


def test_flipped_bytes_never_crash() -> None:
    body = bytearray(SIMPLE + family("h", HISTOGRAM, metric(native(bucket(1.0, 4)))))
    rng = np.random.default_rng(7)
    parser = BodyParser(Symbols())
    for _ in range(2000):
        changed = bytearray(body)
        for at in rng.integers(0, len(body), 3):
            changed[at] = rng.integers(0, 256)
        try:
            parser.parse(bytes(changed), Format.PROTOBUF, BOTH).exemplars()
        except ExpositionError:
            continue
