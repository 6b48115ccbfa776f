"""A query that ends early leaves nothing in memory, without a garbage collection."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from promlab.errors import QueryCanceled, QueryTimeout, TooManySamples
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promqltest.memory import MemoryQuerier
from promlab.server.queries import QueryRunner

SECOND = 1000
QUERY = "sum by (i) (m) + sum by (i) (m * 2) + last"
HELD = 100_000  # bytes: what it had in memory is millions


class Interrupting(MemoryQuerier):
    """Data that does something when the last of the metrics is read."""

    def __init__(self) -> None:
        super().__init__()
        self.at_last: Callable[[], object] = int
        for i in range(200):
            self.add({"__name__": "m", "i": str(i)}, [(t * SECOND, 1.0) for t in range(0, 600, 60)])
        self.add({"__name__": "last"}, [(0, 1.0)])

    def select(
        self,
        matchers: tuple[Matcher, ...] | Any,
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        if any(matcher.value == "last" for matcher in matchers):
            self.at_last()
        return super().select(matchers, start_ms, end_ms, hints)


@pytest.fixture
def data() -> Interrupting:
    return Interrupting()


@pytest.fixture
def held() -> Iterator[Callable[[], int]]:
    """How many bytes are held beyond what was when the test began; no garbage is collected."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    gc.enable()


def evaluated(engine: Engine, cancel: threading.Event, timeout_s: float, most: int) -> None:
    engine.range(
        QUERY, 0, 600 * SECOND, SECOND, cancel=cancel, timeout_s=timeout_s, max_samples=most
    )


@pytest.mark.parametrize(
    ("error", "timeout_s", "most"),
    [(QueryCanceled, 60.0, 10**9), (QueryTimeout, 0.2, 10**9), (TooManySamples, 60.0, 150_000)],
)
def test_after_a_query_that_ended_early(
    data: Interrupting, error: type[Exception], timeout_s: float, most: int, request: Any
) -> None:
    engine = Engine(data, EngineOptions(threads=1))
    evaluated(engine, threading.Event(), 60.0, 10**9)  # what is kept for the next time
    held = request.getfixturevalue("held")
    cancel, seen = threading.Event(), 0

    def interrupt() -> None:
        nonlocal seen
        seen = held()
        if error is QueryCanceled:
            cancel.set()
        if error is QueryTimeout:
            threading.Event().wait(timeout_s)

    data.at_last = interrupt
    with pytest.raises(error):
        evaluated(engine, cancel, timeout_s, most)
    assert error is TooManySamples or seen > 10 * HELD
    assert held() < HELD


async def test_after_a_client_that_went_away(data: Interrupting, request: Any) -> None:
    engine = Engine(data, EngineOptions(threads=1))
    runner = QueryRunner(2)
    left = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def gone() -> None:
        await left.wait()

    async def ask() -> None:
        def evaluate(left_s: float, cancel: threading.Event) -> Any:
            data.at_last = lambda: (loop.call_soon_threadsafe(left.set), cancel.wait(60))
            return evaluated(engine, cancel, left_s, 10**9)

        with pytest.raises(QueryCanceled):
            await runner.run(QUERY, evaluate, 60.0, gone)

    await ask()
    left.clear()
    held = request.getfixturevalue("held")
    await ask()
    await asyncio.sleep(0.01)  # the loop's own calls for the future that failed
    assert held() < HELD
