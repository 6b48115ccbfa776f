"""What configuration makes of bodies: converted histograms, start times, type and unit."""

from __future__ import annotations

import numpy as np
import pytest
from family_bodies import HISTOGRAM, bucket, family, inner, metric, native
from family_bodies import number as field

from promlab.exposition.body_parser import CLASSIC, BodyParser, HistogramForms, ParsedBody
from promlab.exposition.derive import Derivation, Deriver
from promlab.exposition.formats import Format
from promlab.model.histograms import CUSTOM_SCHEMA
from promlab.model.labels import Symbols
from promlab.model.samples import is_stale

CONVERT = Derivation(convert_classic=True)
LATENCY = """# TYPE latency histogram
latency_bucket{job="a",le="0.1"} 2
latency_bucket{job="a",le="1"} 5
latency_bucket{job="a",le="+Inf"} 6
latency_sum{job="a"} 3.5
latency_count{job="a"} 6
latency_bucket{job="b",le="1"} 1
latency_bucket{job="b",le="0.1"} 0
latency_count{job="b"} 4
# TYPE other gauge
other_count 7
"""


class Bench:
    def __init__(self, how: Derivation, format: Format = Format.TEXT) -> None:
        self.parser, self.deriver = BodyParser(Symbols()), Deriver(how)
        self.format = format

    def __call__(self, body: str | bytes, forms: HistogramForms = CLASSIC) -> ParsedBody:
        raw = body.encode() if isinstance(body, str) else body
        return self.deriver.derive(self.parser.parse(raw, self.format, forms))


def rows(body: ParsedBody) -> list[dict[str, str]]:
    return list(body.layout.labels.rows())


def test_classic_histograms_become_native() -> None:
    body = Bench(CONVERT)(LATENCY)
    assert rows(body) == [
        {"__name__": "other_count"},
        {"__name__": "latency", "job": "a"},
        {"__name__": "latency", "job": "b"},
    ]
    assert body.histograms is not None
    assert body.histograms.index.tolist() == [-1, 0, 1]
    table = body.histograms.table
    assert table.schema.tolist() == [CUSTOM_SCHEMA] * 2
    assert [table.bounds[code] for code in table.custom] == [(0.1, 1.0)] * 2
    assert table.positive.offsets.tolist() == [0, 3, 6]
    assert table.positive.counts.tolist() == [2, 3, 1, 0, 1, 3]
    assert (table.count.tolist(), table.sum.tolist()) == ([6, 4], [3.5, 0])


def test_layout_is_derived_once() -> None:
    bench = Bench(CONVERT)
    first = bench(LATENCY).layout
    second = bench(LATENCY.replace('+Inf"} 6', '+Inf"} 9').replace('job="a"} 6', 'job="a"} 9'))
    assert second.layout is first
    assert second.histograms is not None
    assert second.histograms.table.count.tolist() == [9, 4]


def test_classic_lines_may_stay() -> None:
    body = Bench(CONVERT._replace(keep_classic=True))(LATENCY)
    assert len(rows(body)) == 9 + 2
    assert body.histograms is not None
    assert body.histograms.index.tolist() == [-1] * 9 + [0, 1]


@pytest.mark.parametrize(
    ("before", "after"),
    [('le="1"} 5', 'le="1"} 1'), ('_count{job="a"} 6', '_count{job="a"} 7')],
)
def test_what_contradicts_itself_is_no_sample(before: str, after: str) -> None:
    body = Bench(CONVERT)(LATENCY.replace(before, after))
    assert body.histograms is not None
    assert body.histograms.index.tolist() == [-1, -1, 1]
    assert is_stale(body.values).tolist() == [False, True, False]


def test_what_has_a_native_form_is_not_converted() -> None:
    buckets = [bucket(1.0, 4), bucket(np.inf, 6)]
    classic = metric(inner(7, field(1, 6), *buckets))
    raw = family("h", HISTOGRAM, metric(native(*buckets))) + family("g", HISTOGRAM, classic)
    both = HistogramForms(native=True, classic=True)
    body = Bench(CONVERT, Format.PROTOBUF)(raw, both)
    assert [row["__name__"] for row in rows(body)] == [
        "h", "h_count", "h_sum", "h_bucket", "h_bucket", "g",
    ]  # fmt: skip
    assert body.histograms is not None
    assert body.histograms.index.tolist() == [0, -1, -1, -1, -1, 1]
    assert body.histograms.table.schema.tolist() == [1, CUSTOM_SCHEMA]


OPENMETRICS = """# TYPE hits counter
hits_total{a="1"} 5 # {trace="x"} 1 2
hits_created{a="1"} 123.5
hits_total{a="2"} 6
# TYPE size_bytes histogram
# UNIT size_bytes bytes
size_bytes_bucket{le="+Inf"} 3 # {trace="y"} 0.5
size_bytes_count 3
size_bytes_sum 4
size_bytes_created 99
# EOF
"""


def test_created_lines_become_start_times() -> None:
    body = Bench(Derivation(created_lines=True), Format.OPENMETRICS)(OPENMETRICS)
    names = [row["__name__"] for row in rows(body)]
    assert names == [
        "hits_total", "hits_total", "size_bytes_bucket", "size_bytes_count", "size_bytes_sum",
    ]  # fmt: skip
    assert body.start_ms is not None
    assert body.start_ms.tolist() == [123_500, 0, 99_000, 99_000, 99_000]
    assert [(e.row, e.labels["trace"]) for e in body.exemplars()] == [(0, "x"), (2, "y")]


def test_everything_at_once() -> None:
    how = Derivation(convert_classic=True, created_lines=True, type_and_unit=True)
    body = Bench(how, Format.OPENMETRICS)(OPENMETRICS)
    assert rows(body) == [
        {"__name__": "hits_total", "__type__": "counter", "a": "1"},
        {"__name__": "hits_total", "__type__": "counter", "a": "2"},
        {"__name__": "size_bytes", "__type__": "histogram", "__unit__": "bytes"},
    ]
    assert body.start_ms is not None
    assert body.start_ms.tolist() == [123_500, 0, 99_000]
    assert [(e.row, e.labels["trace"]) for e in body.exemplars()] == [(0, "x"), (2, "y")]


def test_nothing_to_do_costs_nothing() -> None:
    bench = Bench(Derivation())
    parsed = bench.parser.parse(LATENCY.encode())
    assert bench.deriver.derive(parsed) is parsed


def test_bodies_without_rows() -> None:
    how = Derivation(convert_classic=True, created_lines=True, type_and_unit=True)
    assert Bench(how)("").layout.n == 0
    assert Bench(how)("# TYPE a histogram\n").layout.n == 0
