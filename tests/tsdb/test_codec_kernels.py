"""The column codec is bit-exact, and damaged input never reads outside itself."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.model.samples import STALE_BITS
from promlab.tsdb import codec_kernels as c
from promlab.tsdb import column_end_kernels as ends
from promlab.tsdb import crc_kernels

I64 = npt.NDArray[np.int64]
bits = st.one_of(
    st.integers(0, 2**64 - 1),
    st.sampled_from([c.HOLE, STALE_BITS, 0x7FF8000000000000, 1 << 63, 0xFFF << 52]),
    st.integers(-(10**6), 10**6).map(lambda n: int(np.array([n / 100]).view(np.uint64)[0])),
    st.floats(width=64).map(lambda x: int(np.array([x]).view(np.uint64)[0])),
)


def column(items: list[int]) -> I64:
    return np.array(items, np.uint64).view(np.int64)


def encoded(values: I64) -> npt.NDArray[np.uint8]:
    out = np.zeros(c.COLUMN_MAX, np.uint8)
    return out[: c.encode(values, out)].copy()


@settings(deadline=None)
@given(st.lists(bits, min_size=1, max_size=c.MAX_ROWS))
def test_every_bit_comes_back(items: list[int]) -> None:
    values = column(items)
    data = encoded(values)
    back = np.zeros(len(values), np.int64)
    assert c.decode(data, back) == len(data)
    assert (back == values).all()


# Runs of varints of one and of two bytes, which are read several at a time, and what is between.
runs = st.lists(
    st.tuples(st.sampled_from([6, 13, 20, 44]), st.integers(1, 40), st.integers(0, 2**32)),
    min_size=1,
    max_size=8,
)


def integers(runs: list[tuple[int, int, int]], sums: int, power: float) -> I64:
    """A column of numbers whose differences, or those of these, are of such sizes."""
    parts = [
        np.random.default_rng(seed).integers(-(1 << (size - 1)), 1 << (size - 1), count)
        for size, count, seed in runs
    ]
    numbers = np.concatenate(parts)[: c.MAX_ROWS]
    for _ in range(sums):
        numbers = np.cumsum(numbers)
    return (numbers / power).view(np.int64)


@settings(deadline=None)
@given(runs, st.integers(0, 2), st.sampled_from([1.0, 10.0, 1000.0]))
def test_integers_of_all_sizes_come_back(
    runs: list[tuple[int, int, int]], sums: int, power: float
) -> None:
    values = integers(runs, sums, power)
    data = encoded(values)
    back = np.zeros(len(values), np.int64)
    assert c.decode(data, back) == len(data)
    assert (back == values).all()


@settings(deadline=None)
@given(st.lists(bits, min_size=1, max_size=c.MAX_ROWS), st.data())
def test_the_newest_value_alone(items: list[int], data: st.DataObject) -> None:
    values = column(items)
    row = data.draw(st.integers(0, len(values) - 1))
    there = np.flatnonzero(values[: row + 1] != c.HOLE)
    at, found = ends.newest(encoded(values), len(values), row)
    assert at == (there[-1] if len(there) else ends.NONE)
    assert at < 0 or found == values[at]


@settings(deadline=None)
@given(runs, st.integers(0, 2), st.sampled_from([1.0, 10.0, 1000.0]), st.data())
def test_the_newest_of_integers_of_all_sizes(
    runs: list[tuple[int, int, int]], sums: int, power: float, data: st.DataObject
) -> None:
    values = integers(runs, sums, power)
    row = data.draw(st.integers(0, len(values) - 1))
    assert ends.newest(encoded(values), len(values), row) == (row, values[row])


@settings(deadline=None)
@given(st.lists(bits, min_size=1, max_size=70), st.integers(0, 600), st.integers(0, 255))
def test_damage_never_leads_the_newest_outside(items: list[int], at: int, byte: int) -> None:
    data = encoded(column(items))
    broken = data.copy()
    broken[at % len(data)] = byte
    for damaged in (broken, data[: at % len(data)]):
        assert ends.newest(damaged.copy(), len(items), len(items) - 1)[0] >= ends.DAMAGED
    assert ends.newest(data[:0].copy(), len(items), 0) == (ends.DAMAGED, 0)


@settings(deadline=None)
@given(st.lists(bits, min_size=1, max_size=70), st.integers(0, 600), st.integers(0, 255))
def test_damage_is_noticed_or_harmless(items: list[int], at: int, byte: int) -> None:
    values = column(items)
    data = encoded(values)
    back = np.zeros(len(values) + 8, np.int64)
    back[len(values) :] = 77
    broken = data.copy()
    broken[at % len(data)] = byte
    for damaged in (broken, data[: at % len(data)]):
        assert c.decode(damaged.copy(), back[: len(values)]) <= len(damaged)
        assert (back[len(values) :] == 77).all()


CASES = [
    ("constant", np.full(64, 3.25), 9),
    ("all holes", column([c.HOLE] * 64).view(np.float64), 1),
    ("steady counter", 1e6 + 15 * np.arange(64.0), 70),
    ("two decimals", np.round(np.sin(np.arange(64)) * 50, 2), 2 + 2 * 64),
    ("one of two", np.where(np.arange(64) % 2, 1.0, 0.0), 2 + 64),
]


@pytest.mark.parametrize(("name", "values", "most"), CASES, ids=[case[0] for case in CASES])
def test_sizes(name: str, values: npt.NDArray[np.float64], most: int) -> None:
    assert len(encoded(values.view(np.int64).copy())) <= most


def test_minus_zero_is_not_zero() -> None:
    values = np.array([0.0, -0.0, 0.0, 1.0])
    back = np.zeros(4, np.int64)
    c.decode(encoded(values.view(np.int64).copy()), back)
    assert np.signbit(back.view(np.float64)).tolist() == [False, True, False, False]


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=128))
def test_times_come_back(times: list[int]) -> None:
    t_ms, back = np.array(times, np.int64), np.zeros(len(times), np.int64)
    out = np.zeros(11 * len(times), np.uint8)
    assert _times_round(t_ms, out, back) > 0
    assert (back == t_ms).all()


def _times_round(t_ms: I64, out: npt.NDArray[np.uint8], back: I64) -> int:
    with np.errstate(over="ignore"):  # helpers run as plain Python here, and are meant to wrap
        end = int(c.encode_times(t_ms, len(t_ms), out, 0))
        assert c.decode_times(out, 0, end, len(t_ms), back) == end
        assert c.decode_times(out, 0, end - 1, len(t_ms), back.copy()) == -1
    return end


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_crc_is_the_one_of_zlib(data: bytes) -> None:
    array = np.frombuffer(bytearray(data), np.uint8)
    with np.errstate(over="ignore"):
        assert crc_kernels.crc32(array, 0, len(data), 0) == zlib.crc32(data)
        both = crc_kernels.crc32_longs(np.array([7, -2, 9]), 1, 2, zlib.crc32(data))
    assert both == zlib.crc32((-2).to_bytes(8, "little", signed=True), zlib.crc32(data))
