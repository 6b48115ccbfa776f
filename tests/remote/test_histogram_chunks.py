"""Chunks of native histograms: what goes in comes out, and any bytes are survived."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.model.histograms import CUSTOM_SCHEMA, GAUGE, NOT_RESET, RESET, HistogramTable
from promlab.model.samples import STALE_BITS
from promlab.remote.histogram_chunks import (
    FLOATS,
    INTEGERS,
    BadChunk,
    Chunk,
    chunks,
    histograms,
    read_heads,
)
from tests.made_histograms import histogram, plain, stack

T = 1_700_000_000_000


def times(n: int) -> np.ndarray:
    return T + np.arange(n) * 15_000 + np.arange(n) % 3


def back(found: list[Chunk]) -> tuple[list[int], HistogramTable]:
    body = np.frombuffer(b"".join(each.body for each in found), np.uint8)
    ends = np.cumsum([len(each.body) for each in found])
    starts = ends - [len(each.body) for each in found]
    kinds = np.array([each.kind == FLOATS for each in found])
    read = histograms(body, starts, ends, kinds, read_heads(body, starts, ends))
    return read.t_ms.tolist(), read.table


def counting(n: int, **more: object) -> HistogramTable:
    """A counter of n histograms, in which buckets appear."""
    rng = np.random.default_rng(3)
    counts: dict[int, float] = {}
    rows = []
    for i in range(n):
        for index in rng.integers(-20 - i, 20 + i, 5).tolist():
            counts[index] = counts.get(index, 0.0) + 1
        negative = {-2: float(i + 1), 7: float(2 * i + 1)}
        rows.append(histogram(schema=3, positive=counts, negative=negative, zero_count=i,
                              zero_threshold=2.0**-128, sum=1.5 * i, **more))  # fmt: skip
    return stack(rows)


def same(found: HistogramTable, sent: HistogramTable) -> None:
    assert [plain(found, i) for i in range(found.n)] == [plain(sent, i) for i in range(sent.n)]


@pytest.mark.parametrize("factor", [1.0, 0.1])
def test_a_counter_comes_back_bit_by_bit(factor: float) -> None:
    sent = counting(300).scaled(factor)
    found = list(chunks(sent, times(300)))
    assert {each.kind for each in found} == {INTEGERS if factor == 1.0 else FLOATS}
    assert [each.last - each.first for each in found] == [120, 120, 60]
    t_ms, table = back(found)
    assert t_ms == times(300).tolist()
    same(table, sent)
    first = np.array([each.first for each in found])
    assert (table.hint[first] == 0).all()
    assert (np.delete(table.hint, first) == NOT_RESET).all()


@pytest.mark.parametrize("threshold", [0.0, 2.0**-243, 2.0**10, 2.0**11, 2.0**-244, 0.3, 1.0])
def test_zero_thresholds(threshold: float) -> None:
    sent = histogram(zero_threshold=threshold, zero_count=3)
    same(back(list(chunks(sent, times(1))))[1], sent)


@pytest.mark.parametrize(
    "bounds", [(), (1.0,), (-1.5, 0.0, 0.001, 0.1, 33554.43, 33554.431, 1e300), (0.3, 1 / 3)]
)
def test_custom_bounds(bounds: tuple[float, ...]) -> None:
    one = histogram(schema=CUSTOM_SCHEMA, bounds=bounds or (2.0,), positive={0: 1.0, 1: 4.0})
    sent = stack([one, histogram(schema=CUSTOM_SCHEMA, bounds=(0.5,), positive={1: 2.0})])
    found = list(chunks(sent, times(2)))
    assert len(found) == 2
    same(back(found)[1], sent)


def test_extreme_numbers() -> None:
    big = float(1 << 52)
    rows = [{-(1 << 29): 1.0, 1 << 29: big}, {-(1 << 29): 5.0, 1 << 29: big + 7}]
    sent = stack(
        [histogram(positive=row, sum=s) for row, s in zip(rows, (-1e308, 1e308), strict=True)]
    )
    same(back(list(chunks(sent, np.array([-(1 << 60), 1 << 60]))))[1], sent)
    sent = histogram(positive={1: np.inf}, sum=np.nan)
    same(back(list(chunks(sent, times(1))))[1], sent)


def test_a_reset_begins_a_chunk() -> None:
    sent = stack([counting(5), counting(4), counting(3).hinted([RESET, 0, 0])])
    found = list(chunks(sent, times(12)))
    assert [each.first for each in found] == [0, 5, 9]
    table = back(found)[1]
    same(table, sent)
    assert table.hint.tolist() == [0, 2, 2, 2, 2, 0, 2, 2, 2, 1, 2, 2]


def test_gauges_go_up_and_down() -> None:
    sent = stack([counting(5), counting(4)]).hinted(GAUGE)
    found = list(chunks(sent, times(9)))
    assert len(found) == 1
    table = back(found)[1]
    same(table, sent)
    assert (table.hint == GAUGE).all()


def test_many_buckets_make_short_chunks() -> None:
    wide = dict.fromkeys(range(40000), 1.0)
    sent = stack([histogram(positive=wide)] * 50)
    found = list(chunks(sent, times(50)))
    assert max(each.last - each.first for each in found) * 40_000 <= 1 << 20
    same(back(found)[1], sent)


def test_a_stale_sample_has_no_buckets() -> None:
    """As Prometheus writes it: behind the others, a sum that is the marker and nothing more."""
    from promlab.remote import histogram_chunk_kernels as k

    cells = np.zeros((2, 3))
    cells.view(np.uint64)[1, k.SUM] = STALE_BITS
    none = np.zeros((0, 2), np.int64)
    for put in (k.put_integers, k.put_floats):
        out = np.zeros(200, np.uint8)
        bit = k.put_layout(2, 0, 3, 0.0, none, none, np.zeros(0), out)
        extra = (0,) if put is k.put_integers else ()
        size = put(times(2), cells, *extra, bit, out)
        kind = INTEGERS if extra else FLOATS
        t_ms, table = back([Chunk(0, 2, kind, out[:size].tobytes())])
        assert t_ms == times(2).tolist()
        assert table.sum.view(np.uint64)[1] == STALE_BITS


_GOOD = [*chunks(counting(40), times(40)), *chunks(counting(40).scaled(0.3), times(40))]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_GOOD), st.data())
def test_any_bytes_are_survived(chunk: Chunk, data: st.DataObject) -> None:
    """Whatever a chunk has: as many histograms as it says, or an error."""
    body = bytearray(chunk.body)
    for place in data.draw(st.sets(st.integers(0, min(len(body), 60) - 1), max_size=4)):
        body[place] ^= data.draw(st.integers(1, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        t_ms, table = back([chunk._replace(body=cut)])
    except BadChunk:
        return
    assert len(t_ms) == table.n == int.from_bytes(cut[:2], "big")


@pytest.mark.parametrize("kind", [INTEGERS, FLOATS])
def test_a_chunk_that_claims_more_than_it_has(kind: int) -> None:
    """65,535 samples of a million buckets, in a few bytes."""
    from promlab.remote import histogram_chunk_kernels as k

    out = np.zeros(200, np.uint8)
    spans, none = np.array([[0, 1_000_000]]), np.zeros((0, 2), np.int64)
    k.put_layout(65_535, 0, 3, 0.0, spans, none, np.zeros(0), out)
    with pytest.raises(BadChunk):
        back([Chunk(0, 1, kind, out.tobytes())])
