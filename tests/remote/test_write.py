from __future__ import annotations

import math
import struct

import cramjam
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.remote.snappy import BadSnappy, declared_size, uncompress
from promlab.remote.write import BadWriteRequest, SeriesCache, WriteRequest, label_table

Labels = list[tuple[bytes, bytes]]
Samples = list[tuple[float, int]]


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def series(labels: Labels, samples: Samples, extra: bytes = b"") -> bytes:
    body = b"".join(message(1, message(1, n) + message(2, v)) for n, v in labels)
    for value, t_ms in samples:
        body += message(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(t_ms))
    return message(1, body + extra)


def decoded(request: WriteRequest) -> list[tuple[dict[str, str], Samples]]:
    """The request as plain Python: the model that the kernels are held against."""
    which = np.arange(len(request.starts))
    table, valid = label_table(request, which)
    found = []
    for s in which.tolist():
        mine = request.series_of == s
        samples = list(zip(request.values[mine].tolist(), request.t_ms[mine].tolist(), strict=True))
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
    assert math.isnan(request.values[0])
    assert request.values.view(np.uint64)[0] == 0x7FF0000000000002


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


def test_exemplars_and_histograms_are_counted_and_unknown_fields_skipped() -> None:
    extra = message(3, b"") + message(4, b"") + message(4, b"") + message(99, b"?") + b"\x78\x01"
    request = SeriesCache().decode(series(NAME, [(1, 1)], extra) + message(3, b"metadata"))
    assert (len(request.starts), request.exemplars, request.histograms) == (1, 1, 2)
    assert request.values.tolist() == [1]


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_damage_is_refused_or_harmless(noise: bytes, at: int, byte: int) -> None:
    good = bytearray(series([*NAME, (b"job", b"a")], [(1, 1), (2, 2)]))
    good[at % len(good)] = byte
    for body in (noise, bytes(good), bytes(good[: at % len(good)])):
        try:
            request = SeriesCache().decode(body)
            table, valid = label_table(request, np.arange(len(request.starts)))
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
