"""Queries that run can be listed and stopped."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from promlab.errors import QueryCanceled, QueryError
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.promql.engine import Engine
from promlab.promql.running import RunningQueries, RunningQuery
from promlab.promqltest.memory import MemoryQuerier


class Watched(MemoryQuerier):
    """Notes what the engine is at while it reads, and may stop it."""

    engine: Engine
    stop_it = False

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        self.seen = self.engine.running.list()
        if self.stop_it:
            assert self.engine.running.stop(self.seen[0].id)
        return super().select(matchers, start_ms, end_ms, hints)


def watched() -> Watched:
    querier = Watched()
    querier.add({"__name__": "m"}, [(0, 1.0)])
    querier.engine = Engine(querier)
    return querier


def test_a_running_query_is_listed_with_its_times() -> None:
    querier = watched()
    querier.engine.range("m + 1", 0, 90, 30)
    querier.engine.instant("m", 7)
    (query,) = querier.seen
    assert (query.id, query.text) == (2, "m")
    assert (query.start_ms, query.end_ms, query.step_ms) == (7, 7, 0)
    assert query.running_s >= 0
    assert querier.engine.running.list() == []
    assert len(querier.engine.running) == 0


def test_a_stopped_query_ends_and_is_forgotten() -> None:
    querier = watched()
    querier.stop_it = True
    with pytest.raises(QueryCanceled, match="query was canceled"):
        querier.engine.instant("m", 0)
    assert querier.engine.running.list() == []


def test_a_query_that_fails_is_forgotten() -> None:
    querier = watched()
    with pytest.raises(QueryError):
        querier.engine.instant('label_replace(m, "a", "$1", "b", "(")', 0)
    assert querier.engine.running.list() == []


def test_nothing_to_stop() -> None:
    running = RunningQueries()
    assert not running.stop(1)
    query = running.begin("m", 0, 60, 15)
    assert isinstance(query, RunningQuery)
    assert (query.id, query.step_ms) == (1, 15)
    assert running.stop(1)
    assert query.cancel.is_set()
    running.end(query)
    assert not running.stop(1)
