"""The parser against its plain twin, against itself with a memory, and against anything."""

from __future__ import annotations

import struct

import exposition_bodies as bodies
import exposition_twin as plain_parser
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.errors import ExpositionError
from promlab.exposition.body_parser import NO_TIME, BodyParser, ParsedBody
from promlab.exposition.formats import Format
from promlab.exposition.strings import canonical_float
from promlab.model.labels import Symbols
from promlab.model.metadata import MetricMetadata, MetricType

FORMATS = [Format.TEXT, Format.OPENMETRICS]


def parse(body: bytes, format: Format = Format.TEXT) -> ParsedBody:
    return BodyParser(Symbols()).parse(body, format)


def bits(value: float) -> bytes:
    return struct.pack("<d", value) if value == value else b"NaN"


def rows_of(parsed: ParsedBody) -> list[tuple[dict[str, str], bytes, int | None]]:
    times = [None] * parsed.layout.n if parsed.t_ms is None else parsed.t_ms.tolist()
    times = [None if t == NO_TIME else t for t in times]
    values = map(bits, parsed.values.tolist())
    return list(zip(parsed.layout.labels.rows(), values, times, strict=True))


def plain_rows(plain: plain_parser.Plain) -> list[tuple[dict[str, str], bytes, int | None]]:
    floats = {"histogram": "le", "summary": "quantile"}
    out = []
    for row in plain.rows:
        label = floats.get(row.type, "")
        labels = {
            key: canonical_float(value) if key == label else value
            for key, value in row.labels.items()
        }
        out.append((dict(sorted(labels.items())), bits(row.value), row.t_ms))
    return out


def plain_metadata(plain: plain_parser.Plain) -> dict[str, MetricMetadata]:
    found = {}
    for name, parts in plain.metadata.items():
        kind = parts.get("type", "unknown").replace("untyped", "unknown")
        found[name] = MetricMetadata(MetricType(kind), parts.get("help", ""), parts.get("unit", ""))
    return found


def check_like_twin(body: bytes, format: Format) -> None:
    try:
        plain = plain_parser.parse(body, format is Format.OPENMETRICS)
    except plain_parser.Refused:
        with pytest.raises(ExpositionError):
            parse(body, format)
        return
    parsed = parse(body, format)
    assert rows_of(parsed) == plain_rows(plain)
    assert parsed.layout.metadata == plain_metadata(plain)
    exemplars = [(e.row, e.labels, bits(e.value), e.t_ms) for e in parsed.exemplars()]
    wanted = [(i, row.exemplar) for i, row in enumerate(plain.rows) if row.exemplar]
    assert exemplars == [(i, e[0], bits(e[1]), e[2]) for i, e in wanted]


@settings(deadline=None)
@given(bodies.text_bodies())
def test_text_like_twin(body: bytes) -> None:
    plain_parser.parse(body, om=False)  # what the strategy makes is valid
    check_like_twin(body, Format.TEXT)


@settings(deadline=None)
@given(bodies.openmetrics_bodies())
def test_openmetrics_like_twin(body: bytes) -> None:
    plain_parser.parse(body, om=True)
    check_like_twin(body, Format.OPENMETRICS)


@settings(max_examples=300, deadline=None)
@given(bodies.edited(bodies.text_bodies(3)))
def test_broken_text_like_twin(body: bytes) -> None:
    check_like_twin(body, Format.TEXT)


@settings(max_examples=300, deadline=None)
@given(bodies.edited(bodies.openmetrics_bodies(3)))
def test_broken_openmetrics_like_twin(body: bytes) -> None:
    check_like_twin(body, Format.OPENMETRICS)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(FORMATS))
def test_any_bytes_are_parsed_or_refused(body: bytes, format: Format) -> None:
    check_like_twin(body, format)


def same(a: ParsedBody, b: ParsedBody) -> bool:
    exemplars = [[(e.row, e.labels, bits(e.value), e.t_ms) for e in x.exemplars()] for x in (a, b)]
    return rows_of(a) == rows_of(b) and exemplars[0] == exemplars[1]


def outcome(parser: BodyParser, body: bytes, format: Format) -> tuple[ParsedBody | None, str]:
    try:
        return parser.parse(body, format), ""
    except ExpositionError as error:
        return None, str(error)


def check_sequence(parser: BodyParser, sequence: list[bytes], format: Format) -> None:
    """A parser that remembers finds what a new one does."""
    for body in sequence:
        fresh, problem = outcome(BodyParser(Symbols()), body, format)
        remembered, same_problem = outcome(parser, body, format)
        assert problem == same_problem
        if fresh is None or remembered is None:
            continue
        assert same(remembered, fresh)
        assert remembered.layout.metadata == fresh.layout.metadata


@settings(deadline=None)
@given(st.data(), st.sampled_from(FORMATS))
def test_incremental_equals_full_parse(data: st.DataObject, format: Format) -> None:
    make = bodies.text_bodies if format is Format.TEXT else bodies.openmetrics_bodies
    body = data.draw(make(5))
    edits = st.lists(bodies.edited(st.just(body)) | st.just(body), min_size=1, max_size=5)
    check_sequence(BodyParser(Symbols()), [body, *data.draw(edits)], format)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.sampled_from(FORMATS))
def test_new_values_keep_the_layout(data: st.DataObject, format: Format) -> None:
    keys = data.draw(st.lists(bodies.label_sets(), min_size=1, max_size=3))
    tail = "# EOF\n" if format is Format.OPENMETRICS else ""
    exemplar = ' # {x="}"} 1' if format is Format.OPENMETRICS else ""
    ends = st.sampled_from(["", " 5", " 1234", exemplar])

    def body() -> bytes:
        lines = [f"{key} {data.draw(bodies.numbers())}{data.draw(ends)}\n" for key in keys]
        return ("# HELP a b\n" + "".join(lines) + tail).encode()

    parser = BodyParser(Symbols())
    layout = parser.parse(first := body(), format).layout
    for _ in range(3):
        parsed = parser.parse(later := body(), format)
        assert parsed.layout is layout
        assert same(parsed, parse(later, format))
    assert same(parser.parse(first, format), parse(first, format))


def test_layout_changes_with_series_and_with_comments() -> None:
    parser = BodyParser(Symbols())
    first = parser.parse(b"# HELP a x\na 1\n").layout
    assert parser.parse(b"# HELP a x\na 2\n").layout is first
    second = parser.parse(b"# HELP a y\na 2\n").layout
    assert second is not first
    assert second.metadata["a"].help == "y"
    third = parser.parse(b"# HELP a y\na 2\nb 3\n")
    assert third.layout is not second
    assert third.values.tolist() == [2, 3]
    assert parser.parse(b"# HELP a y\na 2\n").values.tolist() == [2]
    assert parser.parse(b"").layout.n == 0


def test_layout_survives_a_missing_last_newline_and_any_buffer() -> None:
    parser = BodyParser(Symbols())
    layout = parser.parse(b"a 1").layout
    buffer = bytearray(b"a 2\nrubbish")
    parsed = parser.parse(memoryview(buffer)[:4])
    buffer[:] = b"x" * len(buffer)
    assert parsed.layout is layout
    assert parser.parse(bytearray(b"a 3\n")).layout is layout


def test_an_error_names_the_line_and_forgets_the_layout() -> None:
    parser = BodyParser(Symbols())
    first = parser.parse(b"a 1\nb 2\n").layout
    with pytest.raises(ExpositionError) as caught:
        parser.parse(b"a 5\nb x\n")
    assert (caught.value.line_no, caught.value.line) == (2, "b x")
    with pytest.raises(ExpositionError, match="out of range"):
        parser.parse(b"a 5\nb 1e999\n")
    again = parser.parse(b"a 1\nb 2\n")
    assert again.values.tolist() == [1, 2]
    assert again.layout is not first


def test_timestamps() -> None:
    parser = BodyParser(Symbols())
    assert parser.parse(b"a 1\nb 2\n").t_ms is None
    parsed = parser.parse(b"a 1\nb 2 77\n")
    assert parsed.t_ms is not None
    assert parsed.t_ms.tolist() == [NO_TIME, 77]
    assert parser.parse(b"a 1\nb 2\n").t_ms is None


def test_format_is_part_of_the_layout() -> None:
    parser = BodyParser(Symbols())
    first = parser.parse(b"a 1\n# EOF\n", Format.TEXT).layout
    second = parser.parse(b"a 1\n# EOF\n", Format.OPENMETRICS).layout
    assert first is not second


def test_name_and_value_without_a_blank_are_read_anew() -> None:
    parser = BodyParser(Symbols())
    assert parser.parse(b"a.5\n").values.tolist() == [0.5]
    parsed = parser.parse(b"a5 3\n")
    assert list(parsed.layout.labels.rows()) == [{"__name__": "a5"}]
    assert parsed.values.tolist() == [3]


def test_duplicates_are_reported() -> None:
    layout = parse(b'a{x="1",y="2"} 1\nb 1\na{y="2",x="1"} 2\nb{z=""} 3\na{x="1"} 4\n').layout
    assert layout.duplicate_rows.tolist() == [2, 3]
    assert layout.duplicate_of.tolist() == [0, 1]


def test_labels_are_codes_of_the_given_symbols() -> None:
    symbols = Symbols(["x", "y"])
    layout = BodyParser(symbols).parse(b'm{a="y"} 1\nm{a="x"} 1\n').layout
    assert layout.labels.symbols is symbols
    assert layout.labels.columns["a"].tolist() == [2, 1]


@pytest.mark.parametrize(
    "body",
    [
        b"a{" + b",".join(b'l%d="%d"' % (i, i) for i in range(100_000)) + b"} 1\n",
        b"a 0." + b"1" * 1_000_000 + b"\n",
        b'a{x="' + b"y" * 3_000_000 + b'"} 1\n',
        b"a{" * 100_000,
        b'a{x="' * 100_000,
        b"# HELP a " + b"\\n" * 1_000_000 + b"\n",
        b"\n" * 1_000_000,
        b"a 1\n" * 200_000,
        b"# TYPE a gauge\n" * 50_000,
        b'{"a"' + b"," * 100_000,
    ],
    ids=range(10),
)
def test_bombs_end(body: bytes) -> None:
    parsed, problem = outcome(BodyParser(Symbols()), body, Format.TEXT)
    assert len(problem) < 1000
    assert parsed is None or parsed.layout.n in (0, 1, 200_000)


def test_names_of_their_own_on_each_line_are_refused() -> None:
    body = b"".join(b'a{l%d="x"} 1\n' % i for i in range(20_000))
    with pytest.raises(ExpositionError, match="label names"):
        parse(body)


def test_many_series_are_registered() -> None:
    n = 50_000
    body = b"".join(b'm%d{i="%d",same="x"} %d\n' % (i % 10, i, i) for i in range(n))
    parsed = parse(body)
    assert parsed.values.tolist() == list(range(n))
    assert parsed.layout.labels.row(n - 1) == {"__name__": "m9", "i": str(n - 1), "same": "x"}
    assert len(np.unique(parsed.layout.labels.columns["i"])) == n
