"""Elementary functions: right, and to the last bit those of the real Prometheus."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promlab.promql.engine import Engine
from promlab.promqltest.memory import MemoryQuerier
from tests.promql.real import RealPrometheus
from tests.promql.test_differential import ours, theirs

T_MS = 1_699_999_200_000
NORMAL = 2.2250738585072014e-308
TWINS: dict[str, Callable[[float], float]] = {
    **{name: getattr(math, name) for name in ("exp", "log2", "log10", "sinh", "cosh", "tanh")},
    **{name: getattr(math, name) for name in ("sin", "cos", "tan", "asin", "acos", "atan")},
    **{name: getattr(math, name) for name in ("asinh", "acosh", "atanh")},
    "ln": math.log,
}
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, math.inf, -math.inf, math.nan, NORMAL, 1e308, -1e308)
EXPONENTS = ("0.5", "-0.5", "2", "3", "-7", "0.1", "33.7", "1e15", "1e300", "Inf", "-Inf", "NaN")
BASES = ("1.5", "0.9", "1.0001", "(0 - 2)", "0", "(-0)", "1", "Inf", "(0 - Inf)", "NaN")


def arguments(seed: int) -> list[float]:
    rng = random.Random(seed)
    found = [rng.uniform(-1, 1) for _ in range(300)]
    found += [rng.uniform(-100, 100) for _ in range(300)]
    found += [rng.uniform(-745, 709) for _ in range(100)]
    found += [rng.gauss(0, 1) * 10.0 ** rng.randrange(-30, 30) for _ in range(300)]
    found += [rng.uniform(1, 10) * 10.0 ** rng.randrange(9, 308) for _ in range(100)]
    return [*found, *(2.0**k for k in range(-1020, 1024, 29)), *SPECIAL]


def data_of(values: list[float]) -> MemoryQuerier:
    data = MemoryQuerier()
    for i, value in enumerate(values):
        data.add({"__name__": "x", "i": str(i)}, [(T_MS, value)])
    return data


def bits(value: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", value))[0]) if value == value else 0


@pytest.mark.parametrize("function", TWINS)
def test_functions_are_right(function: str) -> None:
    values = arguments(1)
    found, _ = ours(Engine(data_of(values)), f"{function}(x)", T_MS, T_MS, 0)
    for i, value in enumerate(values):
        try:
            wanted = TWINS[function](value)
        except OverflowError:
            wanted = math.copysign(math.inf, value) if function == "sinh" else math.inf
        except ValueError:
            wanted = math.nan
            if value == 0 and function.startswith("l"):
                wanted = -math.inf
            if abs(value) == 1 and function == "atanh":
                wanted = math.copysign(math.inf, value)
        got = found[(("i", str(i)),)][T_MS]
        # Near its zeros and poles, an angle of many turns leaves fewer digits.
        digits = (1e-9, 1e-12) if function in ("sin", "cos", "tan") else (1e-14, 1e-300)
        assert np.isclose(got, wanted, *digits, equal_nan=True), value


@pytest.mark.parametrize("exponent", [0.5, -0.5, 2.0, 3.0, -7.0, 0.1, 33.7, -1.5, 1e15])
def test_powers_are_right(exponent: float) -> None:
    values = [abs(value) for value in arguments(2)]
    found, _ = ours(Engine(data_of(values)), f"x ^ {exponent}", T_MS, T_MS, 0)
    with np.errstate(all="ignore"):
        wanted = np.power(np.array(values), exponent)
    got = np.array([found[(("i", str(i)),)][T_MS] for i in range(len(values))])
    # A product of many squares is as inexact as Go's.
    near = np.isclose(got, wanted, 1e-9 if abs(exponent) < 1e9 else 1e-1, 1e-300, equal_nan=True)
    assert near.all(), np.array(values)[~near]


@pytest.fixture(scope="module")
def both(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Engine]]:
    data = data_of(arguments(3))
    with RealPrometheus(peers, tmp_path_factory.mktemp("prometheus")) as real:
        real.load(data)
        yield real, Engine(data)


@pytest.mark.peers
@pytest.mark.parametrize(
    "query",
    [
        *(f"{function}(x)" for function in TWINS),
        *(f"x ^ {exponent}" for exponent in EXPONENTS),
        *(f"{base} ^ x" for base in BASES),
        *(f"x atan2 {other}" for other in ("3", "-0.1", "Inf", "-Inf", "0", "(-0)", "NaN")),
        *(f"{other} atan2 x" for other in ("3", "-0.1", "Inf", "0", "(-0)")),
        "x ^ x", "x atan2 x", "sgn(x)", "x % 0.7", "deg(x)", "rad(x)", "sqrt(x)",
    ],
)  # fmt: skip
def test_the_last_bit_is_theirs(both: tuple[Any, Engine], query: str) -> None:
    real, engine = both
    found, error = ours(engine, query, T_MS, T_MS, 0)
    wanted, refused = theirs(real, query, T_MS, T_MS, 0)
    assert error is refused is None
    assert found.keys() == wanted.keys()
    wrong = {
        key: (found[key][T_MS], values[T_MS])
        for key, values in wanted.items()
        if bits(found[key][T_MS]) != bits(values[T_MS])
    }
    assert not wrong
