from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import Any

import cramjam
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_histograms import histogram, plain
from write_bodies import (
    Histogram,
    Series,
    message,
    varint,
    version_1,
    version_2,
    zigzag,
)

from promlab.remote.snappy import BadSnappy, declared_size, uncompress
from promlab.remote.write import (
    BadWriteRequest,
    SeriesCache,
    WriteRequest,
    exemplars_of,
    label_table,
)

Labels = list[tuple[bytes, bytes]]
Samples = list[tuple[float, int]]


def series(labels: Labels, samples: Samples, extra: bytes = b"") -> bytes:
    body = b"".join(message(1, message(1, n) + message(2, v)) for n, v in labels)
    for value, t_ms in samples:
        body += message(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(t_ms))
    return message(1, body + extra)


def decoded(request: WriteRequest) -> list[tuple[dict[str, str], Samples]]:
    """The request as plain Python: the model that the kernels are held against."""
    which, floats = np.arange(request.n), request.floats
    table, valid = label_table(request, which)
    found = []
    for s in which.tolist():
        mine = request.floats.series == s
        samples = list(zip(floats.values[mine].tolist(), floats.t_ms[mine].tolist(), strict=True))
        found.append((table.row(s) if valid[s] else {}, samples))
    return found


NAME = [(b"__name__", b"up")]
text = st.text(min_size=1, max_size=12)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(text, text, max_size=5),
            st.lists(
                st.tuples(st.floats(allow_nan=False), st.integers(-(2**62), 2**62)), max_size=5
            ),
        ),
        max_size=8,
    )
)
def test_any_request_comes_back(wanted: list[tuple[dict[str, str], Samples]]) -> None:
    wanted = [({"__name__": "m", **labels}, samples) for labels, samples in wanted]
    body = b"".join(
        series([(n.encode(), v.encode()) for n, v in labels.items()], samples)
        for labels, samples in wanted
    )
    found = decoded(SeriesCache().decode(body))
    assert found == [(dict(sorted(labels.items())), samples) for labels, samples in wanted]


def test_staleness_marker_keeps_its_bits() -> None:
    marker = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
    request = SeriesCache().decode(series(NAME, [(marker, 1)]))
    assert math.isnan(request.floats.values[0])
    assert request.floats.values.view(np.uint64)[0] == 0x7FF0000000000002


@pytest.mark.parametrize(
    "labels",
    [
        [],
        [(b"job", b"a")],
        [(b"__name__", b"")],
        [*NAME, (b"", b"x")],
        [*NAME, (b"job", b"a"), (b"job", b"b")],
        [*NAME, (b"\xff", b"x")],
        [*NAME, (b"job", b"\xff")],
    ],
    ids=["none", "no name", "empty name", "empty label", "twice", "bad label", "bad value"],
)
def test_bad_labels_are_told_from_good_ones(labels: Labels) -> None:
    request = SeriesCache().decode(series(labels, [(1, 1)]) + series(NAME, [(2, 2)]))
    table, valid = label_table(request, np.arange(2))
    assert valid.tolist() == [False, True]
    assert table.row(0) == {}
    assert table.row(1) == {"__name__": "up"}


def test_empty_values_are_no_labels() -> None:
    request = SeriesCache().decode(series([*NAME, (b"job", b"")], []))
    table, valid = label_table(request, np.arange(1))
    assert valid.all()
    assert table.row(0) == {"__name__": "up"}


def test_unknown_fields_are_skipped() -> None:
    extra = message(3, b"") + message(4, b"") + message(4, b"") + message(99, b"?") + b"\x78\x01"
    request = SeriesCache().decode(series(NAME, [(1, 1)], extra) + message(3, b"metadata"))
    assert (request.n, len(request.exemplars), request.histograms.n) == (1, 1, 2)
    assert request.floats.values.tolist() == [1]


counts = st.dictionaries(st.integers(-300, 300), st.integers(0, 2**40), max_size=8)
wide = st.floats(0, 1e300)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    made = Histogram(
        schema=draw(st.integers(-4, 8)),
        positive=draw(counts),
        negative=draw(counts),
        zero_count=draw(st.integers(0, 2**40)),
        zero_threshold=draw(st.sampled_from([0.0, 2.0**-128, 0.5])),
        sum=draw(st.floats(allow_nan=False)),
        hint=draw(st.integers(0, 3)),
        floats=draw(st.booleans()),
    )
    if draw(st.booleans()):
        made.schema, made.negative, made.zero_count, made.zero_threshold = -53, {}, 0, 0.0
        made.bounds = tuple(sorted(draw(st.sets(st.floats(-1e9, 1e9), max_size=4))))
        made.positive = dict.fromkeys(draw(st.sets(st.integers(0, len(made.bounds)))), 5)
    made.count = made.zero_count + sum(made.positive.values()) + sum(made.negative.values())
    if made.floats:
        made.positive = {i: count / 3 for i, count in made.positive.items()}
    return made


def model_of(request: WriteRequest) -> list[Series]:
    """The request as what was sent: the model that the kernels are held against."""
    labels, valid = label_table(request, np.arange(request.n))
    assert valid.all()
    e_t, e_values, e_labels, e_valid = exemplars_of(request)
    assert e_valid.all()
    found = []
    for s in range(request.n):
        samples: list = []
        for part in (request.floats, request.histograms):
            for row in np.flatnonzero(part.series == s).tolist():
                value = float(part.values[row])
                if part.histograms is not None:
                    value = plain(part.histograms, row)
                samples.append((int(part.t_ms[row]), value, int(part.start_ms[row])))
        mine = np.flatnonzero(request.exemplars[:, 0] == s).tolist() if e_labels.n else []
        exemplars = [(e_labels.row(e), float(e_values[e]), int(e_t[e])) for e in mine]
        found.append(Series(labels.row(s), samples, exemplars))
    return found


def as_found(made: Histogram) -> tuple:
    custom = made.bounds if made.schema == -53 else ()
    code = {"bounds": custom} if custom else {}
    table = histogram(
        schema=made.schema, positive=made.positive, negative=made.negative,
        zero_count=made.zero_count, zero_threshold=made.zero_threshold, count=made.count,
        sum=made.sum, **code,
    )  # fmt: skip
    return plain(table, 0)


times = st.integers(-(2**50), 2**50)
samples = st.tuples(times, st.one_of(st.floats(allow_nan=False), histograms()), times)
labels = st.dictionaries(text, text, max_size=3)
sent = st.lists(
    st.builds(
        Series,
        labels.map(lambda found: {"__name__": "m", **found}),
        st.lists(samples, max_size=4),
        st.lists(st.tuples(labels, st.floats(allow_nan=False), times), max_size=3),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=200)
@given(sent, st.sampled_from([1, 2]))
def test_any_request_with_histograms_and_exemplars_comes_back(
    wanted: list[Series], version: int
) -> None:
    request = SeriesCache().decode(
        version_1(wanted) if version == 1 else version_2(wanted), version
    )
    assert request.problems == {}
    found = model_of(request)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.labels == dict(sorted(b.labels.items()))
        expected = [
            (t, as_found(v) if isinstance(v, Histogram) else v, start if version == 2 else 0)
            for t, v, start in b.samples
        ]
        expected.sort(key=lambda sample: isinstance(sample[1], tuple))
        assert a.samples == expected
        assert a.exemplars == [
            (dict(sorted(pairs.items())), value, t) for pairs, value, t in b.exemplars
        ]


def one(made: Histogram, **changes: Any) -> WriteRequest:
    body = version_1([Series({"__name__": "h"}, [(1, replace(made, **changes), 0)])])
    return SeriesCache().decode(body)


GOOD = Histogram(count=6, positive={0: 1, 1: 2}, zero_count=3)
CUSTOM = Histogram(schema=-53, count=3, positive={0: 1, 2: 2}, bounds=(1.0, 2.0))


@pytest.mark.parametrize(
    ("made", "changes", "words"),
    [
        (GOOD, {"schema": 53}, "schema must be"),
        (GOOD, {"schema": -5}, "schema must be"),
        (GOOD, {"schema": 2**30}, "schema must be"),
        (GOOD, {"count": 7}, "count does not equal"),
        (GOOD, {"bounds": (1.0,)}, "must not have custom bounds"),
        (GOOD, {"zero_threshold": -1.0}, "zero threshold is negative"),
        (GOOD, {"positive": {0: 4, 1: -1}}, "bucket's observation count is negative"),
        (GOOD, {"floats": True, "zero_count": -1.0}, "zero bucket's observation count"),
        (GOOD, {"floats": True, "count": math.nan}, "observation count is negative"),
        (GOOD, {"sum": math.nan, "count": 5}, "count does not equal"),
        (CUSTOM, {"bounds": (2.0, 1.0)}, "strictly increasing"),
        (CUSTOM, {"bounds": (1.0, math.inf)}, "finite"),
        (CUSTOM, {"positive": {0: 1, 3: 2}}, "too few"),
        (CUSTOM, {"negative": {0: 1}, "count": 4}, "no negative ones"),
        (CUSTOM, {"zero_count": 1, "count": 4}, "zero count of 0"),
        (CUSTOM, {"zero_threshold": 1.0}, "zero threshold of 0"),
    ],
)
def test_histograms_that_make_no_sense(made: Histogram, changes: Any, words: str) -> None:
    assert one(made).problems == {}
    found = one(made, **changes).problems
    assert list(found) == [0]
    assert words in found[0]


def test_skewed_counts_are_allowed_for_nan_and_floats() -> None:
    assert one(GOOD, sum=math.nan, count=7).problems == {}
    assert one(GOOD, floats=True, count=7.5).problems == {}


def test_spans_have_to_fit_their_counts() -> None:
    head = message(1, message(1, b"__name__") + message(2, b"h"))
    span = message(11, b"\x08" + zigzag(0) + b"\x10" + varint(2**31))
    overlap = message(11, b"\x08" + zigzag(0) + b"\x10\x01") + message(
        11, b"\x08" + zigzag(-1) + b"\x10\x01"
    )
    deltas = message(12, zigzag(1) + zigzag(0))
    for content, words in ((span + deltas, "as many counts"), (overlap + deltas, "overlap")):
        found = SeriesCache().decode(message(1, head + message(4, content)))
        assert words in found.problems[0]


def test_references_to_symbols_have_to_be_there() -> None:
    symbols = message(4, b"") + message(4, b"__name__") + message(4, b"m")
    value = message(2, b"\x09" + bytes(8))
    good = message(5, message(1, b"\x01\x02") + value)
    assert SeriesCache().decode(symbols + good, 2).floats.n == 1
    unpacked = message(5, b"\x08\x01\x08\x02" + value)
    request = SeriesCache().decode(symbols + unpacked, 2)
    assert label_table(request, np.arange(1))[0].row(0) == {"__name__": "m"}
    with pytest.raises(BadWriteRequest, match="labels of series 0 are damaged"):
        SeriesCache().decode(symbols + message(5, message(1, b"\x01\x03") + value), 2)
    odd = SeriesCache().decode(symbols + message(5, message(1, b"\x01\x02\x01") + value), 2)
    with pytest.raises(BadWriteRequest, match="label is damaged"):
        label_table(odd, np.arange(1))


@settings(deadline=None, max_examples=300)
@given(sent, st.integers(0, 2000), st.integers(0, 255), st.sampled_from([1, 2]))
def test_damaged_histograms_and_exemplars_are_refused_or_harmless(
    series: list[Series], at: int, byte: int, version: int
) -> None:
    body = bytearray(version_1(series) if version == 1 else version_2(series))
    if body:
        body[at % len(body)] = byte
    for damaged in (bytes(body), bytes(body[: at % max(1, len(body))])):
        try:
            request = SeriesCache().decode(damaged, version)
            label_table(request, np.arange(request.n))
            exemplars_of(request)
        except BadWriteRequest:
            continue
        table = request.histograms.histograms
        assert len(table.positive.counts) == int(table.positive.offsets[-1])


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_damage_is_refused_or_harmless(noise: bytes, at: int, byte: int) -> None:
    good = bytearray(series([*NAME, (b"job", b"a")], [(1, 1), (2, 2)]))
    good[at % len(good)] = byte
    for body in (noise, bytes(good), bytes(good[: at % len(good)])):
        try:
            request = SeriesCache().decode(body)
            table, valid = label_table(request, np.arange(request.n))
        except BadWriteRequest:
            continue
        assert all(table.row(int(s)) for s in np.flatnonzero(valid))


@pytest.mark.parametrize(
    "body",
    [b"\x0a", b"\x0a\x05", b"\x08\x01", b"\xff" * 11, message(1, message(2, b"\x09\0")), b"\x0b"],
)
def test_broken_bodies(body: bytes) -> None:
    with pytest.raises(BadWriteRequest, match="damaged at byte"):
        SeriesCache().decode(body)


def test_series_are_found_again() -> None:
    cache = SeriesCache()
    bodies = [series([*NAME, (b"i", str(i).encode())], [(i, 1)]) for i in range(10_000)]
    request = cache.decode(b"".join(bodies))
    assert not cache.find(request)[1].any()
    half = np.arange(0, 10_000, 2)
    cache.keep(request, half, (half + 7).astype(np.uint64))
    refs, known = cache.find(cache.decode(b"".join(reversed(bodies))))
    assert np.array_equal(np.flatnonzero(known[::-1]), half)
    assert np.array_equal(refs[::-1][half], half + 7)
    cache.forget()
    assert not cache.find(request)[1].any()


def test_label_boundaries_count() -> None:
    cache = SeriesCache()
    a = cache.decode(series([(b"ab", b"c")], []))
    b = cache.decode(series([(b"a", b"bc")], []))
    assert (a.hash_a[0], a.hash_b[0]) != (b.hash_a[0], b.hash_b[0])
    assert a.hash_a[0] != a.hash_b[0]


def test_a_label_table_has_a_limit() -> None:
    bodies = [series([(str(i).encode(), b"x")], []) for i in range(5000)]
    request = SeriesCache().decode(b"".join(bodies))
    with pytest.raises(BadWriteRequest, match="5,000 different label names"):
        label_table(request, np.arange(5000))


def test_snappy_checks_the_size_first() -> None:
    body = b"abc" * 1000
    packed = bytes(cramjam.snappy.compress_raw(body))
    assert declared_size(packed) == 3000
    assert uncompress(packed) == body
    with pytest.raises(BadSnappy, match="above the limit"):
        uncompress(packed, 2999)
    bomb = varint(2**31) + packed
    with pytest.raises(BadSnappy, match="above the limit"):
        uncompress(bomb)


@pytest.mark.parametrize("body", [b"", b"x", b"\xff" * 8, b"\x05\x00"])
def test_snappy_refuses_what_is_not_snappy(body: bytes) -> None:
    with pytest.raises(BadSnappy, match="corrupt input"):
        uncompress(body)
