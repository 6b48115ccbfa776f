"""The engine as its callers see it: values, limits, errors, caches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from promlab.errors import (
    PromQLSyntaxError,
    QueryCanceled,
    QueryError,
    QueryTimeout,
    TooManySamples,
)
from promlab.promql.ast import walk
from promlab.promql.engine import Engine
from promlab.promql.functions import IMPLEMENTATIONS
from promlab.promql.options import EngineOptions
from promlab.promql.registry import FUNCTIONS
from promlab.promql.result import InstantVector, Matrix, RawMatrix, Scalar, String
from promlab.promqltest.memory import MemoryQuerier
from promlab.promqltest.runner import FEATURES
from promlab.promqltest.series import read_series
from tests.promql.cases import engine_with

MINUTE = 60_000


def engine_of(*lines: str, **options: object) -> Engine:
    querier = MemoryQuerier()
    for line in lines:
        series = read_series(line)
        samples = [(i * MINUTE, x) for i, x in enumerate(series.values) if isinstance(x, float)]
        querier.add(series.labels, samples)
    return Engine(querier, EngineOptions(**options))  # type: ignore[arg-type]  # a test's options


def rows(engine: Engine, query: str, t_ms: int) -> dict[str, float]:
    value = engine.instant(query, t_ms).value
    assert isinstance(value, InstantVector)
    names = [",".join(f"{k}={v}" for k, v in row.items()) for row in value.labels.rows()]
    return dict(zip(names, value.values.tolist(), strict=True))


@pytest.mark.parametrize("query", ["m[2m]", "m[2m:1m]", "m[2m:1m] offset 1m", "m[2m] offset 1m"])
def test_a_window_alone_is_its_samples(query: str) -> None:
    engine = engine_of('m{a="1"} 0+1x9', 'm{a="2"} _x5 3', 'm{a="3"} 7')
    end = (4 - query.count("offset")) * MINUTE
    raw = engine.instant(query, 4 * MINUTE).value
    assert isinstance(raw, RawMatrix)
    assert [row["a"] for row in raw.batch.labels.rows()] == (
        ["1", "3"] if ":" in query else ["1"]  # a step looks back
    )
    times, _ = raw.batch.series(0)
    assert times.tolist() == [end - MINUTE, end]


def test_kinds_of_values() -> None:
    engine = engine_of('m{a="1"} 0+1x9', 'm{a="2"} _x5 3')
    assert engine.instant("1 + 1", 5).value == Scalar(5, 2.0)
    assert engine.instant("'x'", 5).value == String(5, "x")
    raw = engine.instant("m[2m]", 4 * MINUTE).value
    assert isinstance(raw, RawMatrix)
    times, values = raw.batch.series(0)
    assert (times.tolist(), values.tolist()) == ([3 * MINUTE, 4 * MINUTE], [3, 4])
    assert raw.batch.n == 1
    value = engine.range("m", 4 * MINUTE, 6 * MINUTE, MINUTE).value
    assert isinstance(value, Matrix)
    assert value.t_ms.tolist() == [4 * MINUTE, 5 * MINUTE, 6 * MINUTE]
    assert value.present.tolist() == [[True, True, True], [False, True, True]]
    assert value.values.flags.c_contiguous
    assert value.present.flags.c_contiguous
    scalar = engine.range("2", 0, 2, 1).value
    assert isinstance(scalar, Matrix)
    assert scalar.values.tolist() == [[2.0, 2.0, 2.0]]


def test_the_end_of_a_range_is_what_was_asked_for() -> None:
    """Not its last step, which may be before it; and a range of one step has a step too."""
    engine = engine_of("m 0+1x9", features=FEATURES)

    def at_each_step(query: str, end_ms: int) -> list[float]:
        value = engine.range(query, MINUTE, end_ms, 2 * MINUTE).value
        assert isinstance(value, Matrix)
        found: list[float] = value.values[0].tolist()
        return found

    assert at_each_step("m @ end()", 4 * MINUTE) == [4, 4]
    assert at_each_step("end()", 4 * MINUTE) == [240, 240]
    assert at_each_step("range()", 4 * MINUTE) == [180, 180]
    assert at_each_step("step()", MINUTE) == [120]
    assert engine.range("sort(m)", 0, 0, MINUTE).warnings
    assert not engine.instant("sort(m)", 0).warnings


def test_results_with_histograms() -> None:
    engine = engine_with(
        'h{a="1"} {{count:1 sum:1}} {{count:2 sum:2}} stale', 'h{a="2"} 5 _ {{count:3 sum:3}}'
    )
    raw = engine.instant("h[5m]", 2 * MINUTE).value
    assert isinstance(raw, RawMatrix)
    assert raw.batch.histograms is not None
    assert raw.batch.offsets.tolist() == [0, 2, 4]
    rows = raw.batch.histograms.index
    assert (rows >= 0).tolist() == [True, True, False, True]
    assert raw.batch.histograms.table.count[rows[rows >= 0]].tolist() == [1, 2, 3]
    value = engine.instant("h", 2 * MINUTE).value
    assert isinstance(value, InstantVector)
    assert value.histograms is not None
    assert value.labels.n == 1
    assert value.histograms.table.count[value.histograms.index].tolist() == [3]
    matrix = engine.range("h", 0, 2 * MINUTE, MINUTE).value
    assert isinstance(matrix, Matrix)
    assert matrix.histograms is not None
    assert matrix.present.tolist() == [[True, True, False], [True, True, True]]
    assert (matrix.histograms.index >= 0).tolist() == [[True, True, False], [False, False, True]]
    floats = engine.range('h{a="2"} * 1', 0, MINUTE, MINUTE).value
    assert isinstance(floats, Matrix)
    assert floats.histograms is None


def test_every_function_is_implemented() -> None:
    assert FUNCTIONS.keys() == IMPLEMENTATIONS.keys()


def test_range_results_are_sorted_by_labels() -> None:
    engine = engine_of('m{b="1"} 1', 'm{a="2", b="0"} 1', "m 1", 'm{a="10"} 1', 'n{a="1"} 1')
    value = engine.range('{__name__=~"m|n"}', 0, 0, 1).value
    assert isinstance(value, Matrix)
    assert [list(row.items())[1:] for row in value.labels.rows()] == [
        [],
        [("a", "10")],
        [("a", "2"), ("b", "0")],
        [("b", "1")],
        [("a", "1")],
    ]


def test_topk_and_sort_keep_their_order() -> None:
    engine = engine_of('m{a="1"} 5', 'm{a="2"} 7', 'm{a="3"} NaN', 'm{a="4"} 1')
    assert list(rows(engine, "topk(3, m)", 0).values()) == [7, 5, 1]
    assert list(rows(engine, "bottomk(2, m)", 0).values()) == [1, 5]
    assert list(rows(engine, "sort_desc(m)", 0).values())[:3] == [7, 5, 1]
    assert np.isnan(list(rows(engine, "sort(m)", 0).values())[3])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("-{a='1'}", "vector cannot contain metrics with the same labelset"),
        (
            "m + on (b) n",
            'found duplicate series for the match group {b="x"} on the right hand-side of the '
            'operation: [{__name__="n", a="2", b="x"}, {__name__="n", a="1", b="x"}];'
            "many-to-many matching not allowed: matching labels must be unique on one side",
        ),
        (
            "n + on (b) m",
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)",
        ),
        (
            "n + on (b) group_left (a) m",
            "multiple matches for labels: grouping labels must ensure unique matches",
        ),
        ("topk(NaN, m)", "Parameter value is NaN"),
        ("topk(1e19, m)", "Scalar value 1e+19 overflows int64"),
        (
            'label_replace(m, "x", "$1", "a", "(")',
            "invalid regular expression in label_replace(): (",
        ),
        ("count_values('', m)", 'invalid label name ""'),
        ("m[5m]", 'invalid expression type "range vector" for range query, must be Scalar or '
         "instant Vector"),
    ],
)  # fmt: skip
def test_errors(query: str, message: str) -> None:
    engine = engine_of(
        'm{a="1", b="x"} 1', 'n{a="1", b="x"} 1', 'n{a="2", b="x"} 1', features=frozenset()
    )
    with pytest.raises((QueryError, PromQLSyntaxError)) as raised:
        engine.range(query, 0, MINUTE, MINUTE)
    assert raised.value.message == message
    assert raised.value.query == query


def test_a_join_error_names_the_series() -> None:
    engine = engine_of('m{b="x"} 1', 'n{a="1", b="x"} 1', 'n{a="2", b="x"} 1')
    with pytest.raises(QueryError) as raised:
        engine.instant("n + on (b) m", 0)
    assert 'a="1"' in raised.value.hint
    assert 'a="2"' in raised.value.hint


def test_duplicates_at_different_steps_are_one_series() -> None:
    engine = engine_of('m{a="1"} 1 _', 'm{a="2"} _ 2', "n 10 20")
    query = "n + on () m"
    value = engine.range(query, 0, MINUTE, MINUTE, lookback_ms=MINUTE).value
    assert isinstance(value, Matrix)
    assert value.values.tolist() == [[11.0, 22.0]]


def test_limit_of_samples() -> None:
    engine = engine_of("m 0+1x99", max_samples=150)
    engine.range("m", 0, 30 * MINUTE, MINUTE)
    with pytest.raises(TooManySamples) as raised:
        engine.range("m + m", 0, 99 * MINUTE, MINUTE)
    assert raised.value.query == "m + m"
    with pytest.raises(TooManySamples):
        engine.instant("sum_over_time(m[90m])", 99 * MINUTE, max_samples=50)
    with pytest.raises(TooManySamples):
        engine.instant("max_over_time(vector(1)[200y:1ms])", 0)


def test_cancel_and_timeout() -> None:
    engine = engine_of("m 1 2 3")
    cancel = threading.Event()
    engine.instant("m", 0, cancel=cancel)
    cancel.set()
    with pytest.raises(QueryCanceled, match="query was canceled in expression evaluation"):
        engine.instant("m", 0, cancel=cancel)
    with pytest.raises(QueryTimeout, match="query timed out in expression evaluation"):
        engine.instant("m", 0, timeout_s=-1)


def test_lookback_and_staleness() -> None:
    engine = engine_of("m 1 _ stale _ _ 5")
    assert list(rows(engine, "m", MINUTE).values()) == [1]
    assert rows(engine, "m", 2 * MINUTE) == {}
    assert list(rows(engine, "m", 10 * MINUTE - 1).values()) == [5]
    assert rows(engine, "m", 10 * MINUTE) == {}
    assert rows(engine, "count_over_time(m[9m])", 8 * MINUTE) == {"": 2}
    value = engine.instant("m", MINUTE, lookback_ms=MINUTE).value
    assert isinstance(value, InstantVector)
    assert value.labels.n == 0


def test_annotations() -> None:
    engine = engine_of("m 1 2 3", 'h{le="x"} 1')
    assert engine.instant("\nrate(m[5m])", 2 * MINUTE).infos == (
        "PromQL info: metric might not be a counter, name does not end in "
        '_total/_sum/_count/_bucket: "m" (2:6)',
    )
    assert engine.instant("quantile(2, m)", 0).warnings == (
        "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)",
    )
    assert engine.instant("rate(nothing[5m])", 0).infos == ()


def test_names_are_kept_until_the_end_if_asked() -> None:
    lines = ['m_total{a="1"} 0 60', 'n_total{a="1"} 0 120']
    query = 'sum by (__name__) (rate({a="1"}[2m]))'
    assert rows(engine_of(*lines, delayed_name_removal=True), "rate(m_total[2m])", MINUTE) == {
        "a=1": 0.5
    }
    with pytest.raises(QueryError, match="same labelset"):
        engine_of(*lines).instant(query, MINUTE)


def test_what_a_subquery_held_is_free_again() -> None:
    lines = [f"m{i} 0+1x99" for i in range(9)]
    engine = engine_of(*lines, max_samples=300)
    query = " + ".join(f"count_over_time(m{i}[90m:1m])" for i in range(9))
    assert rows(engine, query, 99 * MINUTE) == {"": 810.0}
    with pytest.raises(TooManySamples):
        engine.instant("count_over_time(m0[200m:1m])", 99 * MINUTE)


def test_equal_parts_are_read_once() -> None:
    engine = engine_of("m 1 2 3")
    reads = engine.instant("m + m * m", 0).stats.samples_read
    assert reads == engine.instant("m", 0).stats.samples_read


def test_many_threads_and_many_engines_agree() -> None:
    lines = [f'm{{i="{i}"}} {i}+{i % 7}x300' for i in range(400)]
    alone = engine_of(*lines, threads=1)
    shared = engine_of(*lines, threads=3)
    query = 'sum by (i) (rate(m[10m])) / on (i) group_left max by (i) (m{i=~".*[02468]"})'
    wanted = alone.range(query, 0, 300 * MINUTE, 30_000).value
    assert isinstance(wanted, Matrix)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(shared.range, query, 0, 300 * MINUTE, 30_000) for _ in range(8)]
        for one in asked:
            found = one.result().value
            assert isinstance(found, Matrix)
            assert list(found.labels.rows()) == list(wanted.labels.rows())
            np.testing.assert_array_equal(found.present, wanted.present)
            np.testing.assert_array_equal(
                found.values[found.present], wanted.values[wanted.present]
            )
    shared.close()


def test_long_chains_of_operators() -> None:
    engine = engine_of('m{a="1"} 1', 'm{a="2"} 2')
    n = 3_000
    for query, expected in (
        (" + ".join(["m"] * n), [n * 1.0, n * 2.0]),
        (" or ".join(["m"] * n), [1.0, 2.0]),
        ("m + " + " + ".join(["1"] * n), [n + 1.0, n + 2.0]),
        (" + ".join(["m @ 0"] * n), [n * 1.0, n * 2.0]),
    ):
        value = engine.range(query, 0, 60_000, 30_000).value
        assert isinstance(value, Matrix)
        assert value.values[:, -1].tolist() == expected
    chain = " + ".join(["m"] * 500)
    assert rows(engine, f"({chain}) / ({chain})", 0) == {"a=1": 1.0, "a=2": 1.0}


def test_equal_parts_are_evaluated_once() -> None:
    engine = engine_of("m 1")
    plan = engine.plan("sum(rate(m[5m])) / (sum(rate(m[5m])) + rate(m[5m]))")
    shared = [str(node) for node in walk(plan.expr) if id(node) in plan.shared]
    # The selectors inside are not: they are evaluated with what is around them.
    assert shared == ["sum(rate(m[5m]))", "rate(m[5m])"] * 2 or shared == [
        "sum(rate(m[5m]))", "rate(m[5m])", "sum(rate(m[5m]))", "rate(m[5m])", "rate(m[5m])"
    ]  # fmt: skip
