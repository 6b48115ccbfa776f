"""The query engine: text in, columns out.

parse -> check -> plan (kept by text) -> evaluate bottom-up over series x steps -> result.
An engine may be used from several threads at once; each query runs on the thread that asks,
and only big ones share their work with a few helpers.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

from promlab.errors import QueryError
from promlab.jit import load, store
from promlab.jit.threads import Helpers
from promlab.model.storage import Querier, QueryScope
from promlab.promql.annotations import Annotations
from promlab.promql.context import QueryContext
from promlab.promql.memo import TableMemo
from promlab.promql.options import EngineOptions
from promlab.promql.outcome import instant_value, range_value
from promlab.promql.plan import Plan, make_plan
from promlab.promql.result import (
    QueryResult,
    QueryStats,
)
from promlab.promql.running import RunningQueries
from promlab.promql.step_counts import StepCounts
from promlab.promql.steps import Steps

PLANS_KEPT = 4096


class Engine:
    """Evaluates queries on the data of one querier; `running` lists those it is at.

    `within` gives the querier of one query where there are other sources beside that one.
    """

    def __init__(
        self,
        querier: Querier,
        options: EngineOptions | None = None,
        within: Callable[[QueryScope], Querier] | None = None,
    ) -> None:
        self._querier, self._within = querier, within
        self.options = options or EngineOptions()
        self.running = RunningQueries()
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._memo = TableMemo()
        self._lock = threading.Lock()
        self._helpers: Helpers | None = None

    def plan(self, text: str) -> Plan:
        """The plan of a query. Raises PromQLSyntaxError."""
        found = self._plans.get(text)
        if found is not None:
            if 2 * len(self._plans) > PLANS_KEPT:  # else none is forgotten soon
                with self._lock:
                    self._plans[text] = self._plans.pop(text, found)
            return found
        from promlab.promql.parser import parse

        made = make_plan(text, parse(text, self.options.features))
        with self._lock:
            self._plans[text] = made
            while len(self._plans) > PLANS_KEPT:
                self._plans.popitem(last=False)
        return made

    def instant(
        self,
        text: str,
        t_ms: int,
        *,
        lookback_ms: int | None = None,
        timeout_s: float | None = None,
        max_samples: int | None = None,
        cancel: threading.Event | None = None,
        by_step: bool = False,
    ) -> QueryResult:
        """Value of a query at `t_ms` (ms UTC).

        `timeout_s` and `max_samples` only lower what the options say; setting `cancel` from
        another thread ends the query; `by_step` counts samples for each step (`stats.by_step`).
        Raises PromQLSyntaxError and QueryError with its kin.
        """
        steps = Steps(t_ms, 1, 1)
        return self._run(text, steps, t_ms, 0, lookback_ms, timeout_s, max_samples, cancel, by_step)

    def range(
        self,
        text: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        lookback_ms: int | None = None,
        timeout_s: float | None = None,
        max_samples: int | None = None,
        cancel: threading.Event | None = None,
        by_step: bool = False,
    ) -> QueryResult:
        """Values of a query from `start_ms` to `end_ms`, both included, each `step_ms`.

        The result is a `Matrix`, also for a scalar. See `instant` for the rest.
        """
        if step_ms <= 0:
            raise QueryError("step must be above zero", query=text)
        if end_ms < start_ms:
            raise QueryError("end must not be before start", query=text)
        steps = Steps(start_ms, step_ms, (end_ms - start_ms) // step_ms + 1)
        return self._run(
            text, steps, end_ms, step_ms, lookback_ms, timeout_s, max_samples, cancel, by_step
        )

    def close(self) -> None:
        """Let the helpers' threads end."""
        with self._lock:
            helpers, self._helpers = self._helpers, None
        if helpers is not None:
            helpers.close()

    def _run(
        self,
        text: str,
        steps: Steps,
        end_ms: int,
        step_ms: int,
        lookback_ms: int | None,
        timeout_s: float | None,
        max_samples: int | None,
        cancel: threading.Event | None,
        by_step: bool,
    ) -> QueryResult:
        load_kernels()
        started = time.monotonic()
        plan = self.plan(text)
        options = self.options
        limit = options.max_samples
        patience = options.timeout_s
        running = self.running.begin(text, steps.start_ms, end_ms, step_ms, cancel)
        try:
            ctx = QueryContext(
                plan,
                self._querier,
                options,
                steps,
                end_ms,
                step_ms,
                options.lookback_ms if lookback_ms is None else lookback_ms,
                limit if max_samples is None else min(limit, max_samples),
                started + (patience if timeout_s is None else min(patience, timeout_s)),
                running.cancel,
                Annotations(text),
                self._memo,
                self._threads,
                self._querier,
            )
            if self._within is not None:
                ctx.querier = self._within(ctx)
            if by_step:
                ctx.counts = StepCounts.none(steps.count)
            return _evaluated(ctx, started)
        finally:
            self.running.end(running)

    def _threads(self) -> Helpers | None:
        with self._lock:
            if self._helpers is None and self.options.threads > 1:
                self._helpers = Helpers(self.options.threads - 1, "promql")
            return self._helpers


def _evaluated(ctx: QueryContext, started: float) -> QueryResult:
    prepared = time.monotonic()
    try:
        value = range_value(ctx) if ctx.step_ms else instant_value(ctx)
    except QueryError as error:
        if not error.query:
            error.query, error.end = ctx.plan.text, len(ctx.plan.text)
        raise
    ended = time.monotonic()
    stats = QueryStats(ctx.samples_read, ctx.peak, prepared - started, ended - prepared, ctx.counts)
    return QueryResult(value, ctx.annotations.warnings, ctx.annotations.infos, stats)


@lru_cache(maxsize=1)
def load_kernels() -> None:
    """Import all kernels of this room: compiling them is no part of anybody's query."""
    load.prepare("promlab.promql")
    for name in store.kernel_modules():
        if name.startswith("promlab.promql."):
            import_module(name)
