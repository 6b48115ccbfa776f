"""Running queries: how many at once, for how long, and in which thread.

A query that reads no samples, or that took little CPU time when it last ran, or is like others
that did (`query_costs.py`), is evaluated and its answer printed right on the event loop: hops to
threads and back cost more than it does, and would hold up the loop as long on their way. All
others go to a small pool of threads, whose kernels run without the GIL. A client that goes away
cancels its query.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from promlab.errors import QueryTimeout
from promlab.promql.plan import Plan
from promlab.promql.result import QueryResult
from promlab.promql.running import RunningQueries
from promlab.server.active_queries import ActiveQueries
from promlab.server.query_costs import Key, QueryCosts
from promlab.web.http import MustWait

T = TypeVar("T")

THREADS = 2
_TINY_S = 0.001
_PRINT_S = 60e-9  # what it costs to print a point


class QueryEngine(Protocol):
    """What is asked of `promlab.promql.engine.Engine`."""

    @property
    def running(self) -> RunningQueries:
        """What is being evaluated."""

    def plan(self, text: str) -> Plan:
        """What will be evaluated. Raises PromQLSyntaxError."""

    def instant(
        self,
        text: str,
        t_ms: int,
        *,
        lookback_ms: int | None = None,
        timeout_s: float | None = None,
        cancel: threading.Event | None = None,
        by_step: bool = False,
    ) -> QueryResult:
        """Evaluate at one time."""

    def range(
        self,
        text: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        lookback_ms: int | None = None,
        timeout_s: float | None = None,
        cancel: threading.Event | None = None,
        by_step: bool = False,
    ) -> QueryResult:
        """Evaluate at each step."""


Evaluate = Callable[[float, threading.Event], QueryResult]


class Ran(msgspec.Struct, frozen=True):
    """A result, and where the time went."""

    result: QueryResult
    queue_s: float
    total_s: float


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What it gives, and the seconds of CPU it took: on a busy machine waiting is no cost."""
    started = time.thread_time()
    result = work()
    return result, time.thread_time() - started


def _threads(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, thread_name_prefix="query")


class QueryRunner:
    """Evaluates queries for the HTTP API; belongs to one event loop."""

    def __init__(self, max_concurrency: int) -> None:
        self.pool = _threads(THREADS)
        self._waits = False
        self.max_concurrency = max_concurrency
        self.active = 0
        self.listed = ActiveQueries(max_concurrency)
        self._turn = asyncio.Semaphore(max_concurrency)
        # What runs on the event loop can't be stopped from there.
        self._never = threading.Event()
        self._costs = QueryCosts()

    def wait_in_threads(self) -> None:
        """From now on queries wait for other servers: never on the event loop, and all at once."""
        if not self._waits:
            self._waits = True
            before, self.pool = self.pool, _threads(max(THREADS, self.max_concurrency))
            before.shutdown(wait=False)

    def was_cheap(self, key: Key) -> bool:
        """Whether this took too little time to be worth a thread when it last ran."""
        return not self._waits and self._costs.was_cheap(key)

    def is_cheap(self, key: Key) -> bool:
        """Whether this is known, or likely, to take too little time to be worth a thread."""
        return not self._waits and self._costs.is_cheap(key)

    def run_inline(self, key: Key, evaluate: Evaluate, timeout_s: float) -> Ran:
        """Evaluate on the event loop."""
        result, total_s, cpu_s = self._here(key, evaluate, timeout_s, self._never)
        self._costs.note(key, cpu_s + _PRINT_S * result.points)
        return Ran(result, 0.0, total_s)

    def _here(self, key: Key, work: Callable[..., T], *given: object) -> tuple[T, float, float]:
        """What it gives, how long it took, and what it cost.

        Reading the CPU's clock costs a tenth of the smallest queries. Of those any clock will
        do: one that seems to take long may have waited for the CPU, and is measured the next
        time.
        """
        started = time.perf_counter()
        known_s = self._costs.get(key)
        if known_s is None or known_s >= _TINY_S:
            result, cpu_s = _timed(partial(work, *given))
            return result, time.perf_counter() - started, cpu_s
        result = work(*given)
        total_s = time.perf_counter() - started
        return result, total_s, min(total_s, _TINY_S)

    async def run(
        self,
        key: Key,
        evaluate: Evaluate,
        timeout_s: float,
        gone: Callable[[], Coroutine[object, object, None]],
    ) -> Ran:
        """Evaluate in a thread. Raises what the evaluation raises.

        `gone` is awaited beside it: when it returns, the client is no longer there.
        """
        started = time.perf_counter()
        cancel = threading.Event()
        watcher = asyncio.ensure_future(gone())
        watcher.add_done_callback(lambda _: cancel.set())
        self.active += 1
        try:
            await self._wait_for_turn(timeout_s)
            try:
                queued_s = time.perf_counter() - started
                loop = asyncio.get_running_loop()
                left_s = max(0.001, timeout_s - queued_s)
                work = partial(evaluate, left_s, cancel)
                result, cpu_s = await loop.run_in_executor(self.pool, _timed, work)
            finally:
                self._turn.release()
        finally:
            self.active -= 1
            watcher.cancel()
            with contextlib.suppress(BaseException):
                await watcher
        total_s = time.perf_counter() - started
        self._costs.note(key, cpu_s + _PRINT_S * result.points)
        return Ran(result, queued_s, total_s)

    async def call(self, key: Key, work: Callable[[], T], *, at_once: bool = False) -> T:
        """Look something up: on the event loop if that was quick before, else in a thread.

        Raises MustWait instead of waiting for a thread if `at_once`.
        """
        if self.is_cheap(key):
            result, _, cpu_s = self._here(key, work)
        elif at_once:
            raise MustWait("this takes a thread")
        else:
            loop = asyncio.get_running_loop()
            result, cpu_s = await loop.run_in_executor(self.pool, _timed, work)
        self._costs.note(key, cpu_s)
        return result

    async def _wait_for_turn(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._turn.acquire()
        except TimeoutError:
            raise QueryTimeout("query timed out in query queue") from None
