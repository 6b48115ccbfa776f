from __future__ import annotations

import struct
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promlab.model.float_kernels import MAX_FLOAT_BYTES, print_floats
from promlab.model.float_text import format_float, format_plain, format_seconds

CASES = {
    0.0: "0",
    1.0: "1",
    -1.5: "-1.5",
    0.1: "0.1",
    123.456: "123.456",
    1e-6: "0.000001",
    9.9e-7: "9.9e-07",
    1e-7: "1e-07",
    1e20: "100000000000000000000",
    1e21: "1e+21",
    1.25e21: "1.25e+21",
    5e-324: "5e-324",
    2.2250738585072014e-308: "2.2250738585072014e-308",
    1.7976931348623157e308: "1.7976931348623157e+308",
    -1.7976931348623157e308: "-1.7976931348623157e+308",
    9007199254740993.0: "9007199254740992",
    123456789012345680000.0: "123456789012345680000",
    0.30000000000000004: "0.30000000000000004",
    float("inf"): "+Inf",
    float("-inf"): "-Inf",
}


def printed(values: list[float]) -> list[str]:
    out = np.empty(len(values) * MAX_FLOAT_BYTES, np.uint8)
    ends = np.empty(len(values), np.int64)
    print_floats(np.array(values, np.float64), out, ends)
    starts = [0, *ends.tolist()][: len(values)]
    text = out.tobytes()
    return [text[a:b].decode() for a, b in zip(starts, ends.tolist(), strict=True)]


@pytest.mark.parametrize(("value", "text"), CASES.items())
def test_known_floats(value: float, text: str) -> None:
    assert format_float(value) == text
    assert printed([value]) == [text]


def test_zero_keeps_its_sign() -> None:
    assert format_float(-0.0) == "-0"
    assert printed([-0.0, 0.0]) == ["-0", "0"]


def test_nan() -> None:
    assert format_float(float("nan")) == "NaN"
    assert printed([float("nan"), -float("nan")]) == ["NaN", "NaN"]


def assert_shortest(value: float, text: str) -> None:
    assert float(text) == value
    assert text == format_float(value)
    assert Decimal(text) == Decimal(repr(value))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_kernel_prints_what_repr_reads(values: list[float]) -> None:
    for value, text in zip(values, printed(values), strict=True):
        assert_shortest(value, text)
        assert len(text) <= MAX_FLOAT_BYTES


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50))
def test_kernel_prints_any_bits(bits: list[int]) -> None:
    values = [struct.unpack("<d", struct.pack("<Q", b))[0] for b in bits]
    finite = [value for value in values if np.isfinite(value)]
    for value, text in zip(finite, printed(finite), strict=True):
        assert_shortest(value, text)


def test_hard_families() -> None:
    powers = [sign * 2.0**e for e in range(-1074, 1024) for sign in (1, -1)]
    tens = [float(f"1e{e}") for e in range(-323, 309)]
    near = [float(np.nextafter(x, towards)) for x in tens for towards in (0, np.inf)]
    decimals = [n / 10**d for n in range(0, 20_000, 7) for d in range(8)]
    values = powers + tens + near + decimals
    values = [value for value in values if np.isfinite(value)]
    for value, text in zip(values, printed(values), strict=True):
        assert_shortest(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1" + 21 * "0"),
        (1e-9, "0.000000001"),
        (-0.0, "-0"),
        (2.0, "2"),
        (float("inf"), "+Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_scalars_have_no_exponent(value: float, text: str) -> None:
    assert format_plain(value) == text


@pytest.mark.parametrize(
    ("t_ms", "text"),
    [(0, "0"), (1000, "1"), (100, "0.100"), (1435781451781, "1435781451.781"), (-1500, "-1.500")],
)
def test_seconds(t_ms: int, text: str) -> None:
    assert format_seconds(t_ms) == text
