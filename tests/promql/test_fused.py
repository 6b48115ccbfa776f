"""Aggregations in one go: the same, bit for bit, as the long way, with the same limits."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from promlab.errors import QueryCanceled, QueryError, StorageError, TooManySamples
from promlab.model.labels import LabelTable
from promlab.model.samples import STALE_NAN
from promlab.model.storage import Querier
from promlab.promql import fused
from promlab.promql.checks import ALL_FEATURES
from promlab.promql.engine import Engine
from promlab.promql.in_turn import InTurn
from promlab.promql.options import EngineOptions
from promlab.promql.reductions import REDUCING
from promlab.promql.result import Matrix, QueryResult
from promlab.promql.window_calls import WINDOW_CALLS
from promlab.promqltest.memory import MemoryQuerier
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

MINUTE = 60_000
SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 1e308, -1e308, STALE_NAN]


def values_of(i: int, rng: np.random.Generator) -> np.ndarray:
    """A counter that is reset now and then; every fifth series has values of all kinds."""
    values = rng.integers(0, 90, 40).cumsum().astype(float)
    values[rng.integers(0, 40) :] -= values[rng.integers(0, 40)] * (i % 4 == 0)
    if i % 5 == 3:
        values = values / 7
        values[rng.integers(0, 40, 3)] = rng.choice(SPECIAL, 3)
    if i % 9 == 2:
        values[rng.integers(0, 40, 2)] = STALE_NAN
    return values


def series() -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
    rng = np.random.default_rng(5)
    made = []
    for i in range(150):
        times = rng.integers(1, 4, 40).cumsum() * 30_000 + (i % 3) * 7_000
        name = "m_total" if i < 140 else "gauge"
        labels = {"__name__": name, "i": str(i), "job": "abc"[i % 3], "x": "" if i % 5 else "y"}
        made.append((labels, list(zip(times.tolist(), values_of(i, rng).tolist(), strict=True))))
    return made


def in_memory(tmp_path: Path) -> Querier:
    querier = MemoryQuerier()
    for labels, samples in series():
        querier.add(labels, samples)
    return querier


def in_head(tmp_path: Path) -> Querier:
    with_chunks = HeadOptions(sync="never")
    head = Head.open(tmp_path, options=with_chunks)
    made = series()
    refs = head.refs(LabelTable.from_dicts([labels for labels, _ in made], head.symbols))
    for ref, (_, samples) in zip(refs, made, strict=True):
        t_ms, values = map(np.array, zip(*samples, strict=True))
        head.append_loose(np.full(len(t_ms), ref), t_ms, values)
    group = head.open_group({"instance": "a"})
    slots = group.slots(
        LabelTable.from_dicts(
            [{"__name__": "m_total", "job": "d", "i": f"d{i}"} for i in range(40)], head.symbols
        )
    )
    rng = np.random.default_rng(6)
    for step in range(150):
        here = rng.random(40) < 0.9
        values = np.arange(40) * step + 0.5
        values[np.arange(40) == step] = STALE_NAN
        group.append(step * 15_000, slots[here], values[here])
    head.commit()
    head.close()
    return open_reader(tmp_path)


SOURCES = {"memory": in_memory, "head": in_head}


@pytest.fixture(autouse=True)
def everything_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "MUCH_WORK", 0)
    monkeypatch.setattr(fused, "FEW_SERIES", 1)
    monkeypatch.setattr(fused, "TILE_WORK", 1500)
    monkeypatch.setattr("promlab.promql.context._SPLIT", 0)


def both_ways(
    querier: Querier, query: str, threads: int, *, delayed: bool = False
) -> tuple[QueryResult, QueryResult, int]:
    """The result in one go and the long way, and how many aggregations were in one go."""
    options = EngineOptions(threads=threads, delayed_name_removal=delayed, features=ALL_FEATURES)
    results, runs = [], []
    for fuse in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            run = fused._Fusion.run

            def counted(self: fused._Fusion, run: object = run) -> object:
                vector = run(self)  # type: ignore[operator]
                runs.append(vector is not None)
                return vector

            patch.setattr(fused._Fusion, "run", counted)
            if not fuse:
                patch.setattr(fused, "MUCH_WORK", 2**62)
            engine = Engine(querier, options)
            results.append(engine.range(query, 0, 40 * MINUTE, 45_000))
            engine.close()
    return results[0], results[1], sum(runs)


def assert_same(one: QueryResult, other: QueryResult) -> None:
    assert isinstance(one.value, Matrix)
    assert isinstance(other.value, Matrix)
    assert list(one.value.labels.rows()) == list(other.value.labels.rows())
    np.testing.assert_array_equal(one.value.present, other.value.present)
    there = other.value.present
    found, wanted = one.value.values[there], other.value.values[there]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(found[numbers].view(np.uint64), wanted[numbers].view(np.uint64))
    assert (one.infos, one.warnings) == (other.infos, other.warnings)
    assert one.stats.samples_read == other.stats.samples_read
    assert one.stats.peak_samples == other.stats.peak_samples


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("threads", [1, 3])
def test_all_of_them(tmp_path: Path, source: str, threads: int) -> None:
    querier = SOURCES[source](tmp_path)
    pairs = [("sum", function) for function in WINDOW_CALLS]
    pairs += [(op, function) for op in sorted(REDUCING) for function in ("rate", "max_over_time")]
    for op, function in pairs:
        query = f"{op} by (job) ({function}(m_total[5m]))"
        one, other, runs = both_ways(querier, query, threads)
        assert runs == 1, query
        assert_same(one, other)


@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ("sum (increase(m_total[7m] offset 1m))", 1),
        ("sum by (job, x) (delta(gauge[5m]))", 1),
        ("sum without (i, job) ((rate(m_total[2m])))", 1),
        ("sum(rate(gauge[5m]))", 1),
        ("avg by (job) (increase({__name__=~'gauge|m_total', x='y', i=~'.|.?[0-3]'}[5m]))", 1),
        ("max by (__name__, job) (last_over_time({__name__=~'gauge|m_total'}[5m]))", 1),
        ("sum by (job) (rate({__name__=~'gauge|m_total'}[5m]))", 0),
        ("sum by (i) (rate(m_total[5m]))", 0),
        ("sum(rate(nothing[5m]))", 0),
        ("sum(rate(m_total[5m])) / count(rate(m_total[5m]))", 0),
        ("sum(rate(m_total[5m])) / count(irate(m_total[5m]))", 2),
        ("sum(rate(m_total[5m] @ 600))", 1),
        ("sum(rate(m_total[5m] anchored))", 0),
        ("sum(rate(m_total[3m:1m]))", 0),
        ("topk(2, rate(m_total[5m]))", 0),
        ("sum(quantile_over_time(0.3, m_total[5m]))", 0),
    ],
)
def test_which_ones(tmp_path: Path, query: str, runs: int) -> None:
    one, other, counted = both_ways(in_memory(tmp_path), query, 2)
    assert_same(one, other)
    assert counted == runs


def test_histograms_and_late_samples_go_the_long_way(tmp_path: Path) -> None:
    querier = in_memory(tmp_path)
    from promlab.promqltest.histograms import Plain

    assert isinstance(querier, MemoryQuerier)
    querier.add({"__name__": "m_total", "i": "h"}, [(MINUTE, Plain()), (2 * MINUTE, Plain())])
    one, other, runs = both_ways(querier, "count(rate(m_total[5m]))", 2)
    assert_same(one, other)
    assert runs == 0


def test_names_that_go_in_the_end(tmp_path: Path) -> None:
    one, other, runs = both_ways(in_head(tmp_path), "sum(rate(m_total[5m]))", 2, delayed=True)
    assert_same(one, other)
    assert runs == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_limits_are_the_same(tmp_path: Path, threads: int) -> None:
    querier, query = in_head(tmp_path), "max by (job) (rate(m_total[5m]))"
    one, _, _ = both_ways(querier, query, threads)
    needed = one.stats.peak_samples
    for limit, fits in ((needed, True), (needed - 1, False), (one.stats.samples_read - 1, False)):
        engine = Engine(querier, EngineOptions(threads=threads, max_samples=limit))
        if fits:
            engine.range(query, 0, 40 * MINUTE, 45_000)
        else:
            with pytest.raises(TooManySamples):
                engine.range(query, 0, 40 * MINUTE, 45_000)
        engine.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_cancelled_between_tiles(
    tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    querier, cancel, read = in_head(tmp_path), threading.Event(), []
    fresh_tile = fused.fresh_tile

    def cancelling(tile: object) -> object:
        read.append(tile)
        cancel.set()
        return fresh_tile(tile)  # type: ignore[arg-type]

    monkeypatch.setattr(fused, "fresh_tile", cancelling)
    engine = Engine(querier, EngineOptions(threads=threads))
    with pytest.raises(QueryCanceled):
        engine.range("sum(rate(m_total[5m]))", 0, 40 * MINUTE, 45_000, cancel=cancel)
    assert 1 <= len(read) <= threads
    assert len(engine.running) == 0
    engine.close()


def test_a_thread_that_fails_takes_the_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    querier = in_head(tmp_path)

    def failing(_tile: object) -> object:
        raise StorageError("no more")

    monkeypatch.setattr(fused, "fresh_tile", failing)
    engine = Engine(querier, EngineOptions(threads=3))
    with pytest.raises((StorageError, QueryError)):
        engine.range("sum(rate(m_total[5m]))", 0, 40 * MINUTE, 45_000)
    engine.close()


def test_in_turn() -> None:
    turns, order = InTurn(200), []

    def work() -> None:
        for number in turns.numbers():
            with turns.turn(number) as on:
                assert on
                order.append(number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == list(range(200))
    stopped = InTurn(3)
    numbers = stopped.numbers()
    assert next(numbers) == 0
    stopped.stop()
    assert list(numbers) == []
    with stopped.turn(2) as on:
        assert not on
