"""Parameters and values that are NaN, infinite or out of range, as the real Prometheus has them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promqltest.memory import MemoryQuerier
from promlab.promqltest.runner import FEATURES
from tests.promql.real import RealPrometheus
from tests.promql.test_differential import compare, ours, theirs

pytestmark = pytest.mark.peers

START_MS = 1_699_999_200_000
GAPS = (3.5, math.nan, -2.0, math.inf, 7.25, math.nan, 0.5, -math.inf, 1.5, 4.0, 4.0, -9.75)
# 1 at the first two of three steps, 0 at the last: parameters may change on the way.
EARLY = f"(time() <bool {START_MS // 1000 + 300})"


@pytest.fixture(scope="module")
def both(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Engine]]:
    data = MemoryQuerier()
    for series in "abc":
        turn = ord(series)
        samples = [(START_MS + i * 15_000, GAPS[(i * turn) % len(GAPS)]) for i in range(40)]
        data.add({"__name__": "gaps", "s": series}, samples)
    data.add({"__name__": "zero", "s": "-"}, [(START_MS + i * 15_000, -0.0) for i in range(40)])
    with RealPrometheus(peers, tmp_path_factory.mktemp("prometheus")) as real:
        real.load(data)
        yield real, Engine(data, EngineOptions(features=FEATURES))


@pytest.mark.parametrize(
    "query",
    [
        *(
            f"{op}({k}, gaps)"
            for op in ("topk", "bottomk", "limitk")
            for k in ("-Inf", "-1e30", f"-1e30 * {EARLY}", "-1", "0.99", "1e30", "Inf",
                      f"2 - 9223372036854775810 * {EARLY}", f"1 - 1e30 * {EARLY}")
        ),
        *(
            f"double_exponential_smoothing(gaps[2m], {factors})"
            for factors in ("NaN, 0.5", "0.5, NaN", "NaN, NaN", "0, 0.5", "0.5, 1", "Inf, NaN")
        ),
        "sgn(zero)", "1 / sgn(zero)", "1 / zero ^ 0.5", "1 / zero ^ -0.5", "abs(zero)",
        'absent(nothing{a="b", c="d", c!="e"})', 'absent(nothing{c!="e", c="d"})',
        'absent(nothing{b="1", a="2", b="1"})',
    ],
)  # fmt: skip
def test_both_say_the_same(both: tuple[Any, Engine], query: str) -> None:
    real, engine = both
    start, end = START_MS + 240_000, START_MS + 360_000
    found, error = ours(engine, query, start, end, 60_000)
    wanted, refused = theirs(real, query, start, end, 60_000)
    assert error == refused
    assert compare(found, wanted, 1e-12) == ""
