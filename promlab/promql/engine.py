"""The query engine: text in, columns out.

parse -> check -> plan (kept by text) -> evaluate bottom-up over series x steps -> result.
An engine may be used from several threads at once; each query runs on the thread that asks,
and only big ones share their work with a small pool.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from promlab.errors import QueryError
from promlab.jit import load, store
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.model.storage import Querier, QueryScope
from promlab.promql.annotations import Annotations
from promlab.promql.ast import Subquery
from promlab.promql.context import QueryContext
from promlab.promql.eval_selector import Window
from promlab.promql.evaluator import Evaluator, bare
from promlab.promql.label_order import label_order
from promlab.promql.memo import TableMemo
from promlab.promql.naming import drop_marked
from promlab.promql.options import EngineOptions
from promlab.promql.plan import Plan, make_plan
from promlab.promql.result import (
    InstantVector,
    Matrix,
    QueryResult,
    QueryStats,
    RawMatrix,
    Scalar,
    String,
    Value,
)
from promlab.promql.running import RunningQueries
from promlab.promql.sample_choice import chosen_samples, series_taken
from promlab.promql.sample_windows import SampleClock
from promlab.promql.step_counts import StepCounts
from promlab.promql.steps import Steps
from promlab.promql.valuetype import ValueType
from promlab.promql.vector import Mask, Rows, Vector, single_vector

PLANS_KEPT = 4096
_FIRST_STEP = slice(None), 0
_NO_VALUES = np.zeros(0)


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
        self._pool: ThreadPoolExecutor | None = None

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
        """Let the pool's threads end."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

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

    def _threads(self) -> ThreadPoolExecutor | None:
        with self._lock:
            if self._pool is None and self.options.threads > 1:
                self._pool = ThreadPoolExecutor(self.options.threads - 1, "promql")
            return self._pool


def _evaluated(ctx: QueryContext, started: float) -> QueryResult:
    prepared = time.monotonic()
    try:
        value = _range_value(ctx) if ctx.step_ms else _instant_value(ctx)
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


def _instant_value(ctx: QueryContext) -> Value:
    expr, steps = ctx.plan.expr, ctx.steps
    ev = Evaluator(ctx)
    if expr.value_type is ValueType.MATRIX:
        node = bare(expr)
        window = ev.window(node, steps)
        if window.anchored or window.smoothed:
            word = "anchored" if window.anchored else "smoothed"
            raise ctx.error(f"{word} windows are for rates: there is no value of their own", expr)
        # Samples of a selector come as storage has them, those of a subquery in order.
        return RawMatrix(_raw(window, sort=isinstance(node, Subquery)))
    value = ev.value(expr, steps)
    if isinstance(value, str):
        return String(steps.start_ms, value)
    if not isinstance(value, Vector):
        return Scalar(steps.start_ms, float(value[0]))
    value = drop_marked(ctx, value)
    there = np.count_nonzero(value.present)
    if there == value.present.size:
        return InstantVector(
            value.labels, steps.start_ms, value.values[:, 0], _histograms(value, _FIRST_STEP)
        )
    if not there:  # as most alerts have it
        return InstantVector(LabelTable(0, {}, value.labels.symbols), steps.start_ms, _NO_VALUES)
    rows = np.flatnonzero(value.present)
    return InstantVector(
        value.labels.take(rows),
        steps.start_ms,
        value.values[rows, 0],
        _histograms(value, (rows, 0)),
    )


def _range_value(ctx: QueryContext) -> Value:
    expr, steps = ctx.plan.expr, ctx.steps
    if expr.value_type not in (ValueType.VECTOR, ValueType.SCALAR):
        raise ctx.error(
            f'invalid expression type "{expr.value_type.documented}" for range query, '
            "must be Scalar or instant Vector",
            expr,
        )
    value = Evaluator(ctx).value(expr, steps)
    assert not isinstance(value, str)
    vector = value if isinstance(value, Vector) else single_vector(value, ctx.base)
    vector = drop_marked(ctx, vector)
    order, in_order = ctx.remember((vector.labels,), "order", lambda: _order(vector.labels))
    if np.count_nonzero(vector.present) != vector.present.size:
        kept: Mask = np.logical_or.reduce(vector.present, axis=1)
        order = order[kept[order]]
    if len(order) != vector.n or not in_order:
        ctx.hold(len(order) * steps.count)
        labels = _taken(ctx, vector.labels, order)
        return Matrix(
            labels,
            steps.times,
            vector.values[order],
            vector.present[order],
            _histograms(vector, order),
        )
    return Matrix(
        vector.labels,
        steps.times,
        np.ascontiguousarray(vector.values),
        np.ascontiguousarray(vector.present),
        vector.histograms,
    )


def _order(labels: LabelTable) -> tuple[Rows, bool]:
    """Rows in the order of their labels, and whether they are as they stand."""
    order = label_order(labels)
    return order, bool((order == np.arange(labels.n)).all())


def _histograms(vector: Vector, selection: Any) -> HistogramColumn | None:
    return None if vector.histograms is None else vector.histograms.take(selection)


def _taken(ctx: QueryContext, labels: LabelTable, order: Rows) -> LabelTable:
    """Rows of a table; the same object for the same whole table, for those who remember it."""
    if len(order) == labels.n:
        return ctx.remember((labels,), "ordered", lambda: labels.take(order))
    return labels.take(order)


def _raw(window: Window, *, sort: bool) -> SeriesBatch:
    """The samples inside the one window of an instant query, series without any left out."""
    batch, right = window.batch, window.ends.start_ms
    if not _all_within(batch, right - window.range_ms + 1, right):  # a subquery reaches further
        times = SampleClock(batch).times
        inside = (times > right - window.range_ms) & (times <= right)
        batch = chosen_samples(batch, inside)
    rows = np.flatnonzero(np.diff(batch.offsets))
    if sort and len(rows):
        rows = rows[label_order(batch.labels.take(rows))]
    elif len(rows) == batch.n:
        return batch
    return series_taken(batch, rows)


def _all_within(batch: SeriesBatch, first_ms: int, last_ms: int) -> bool:
    """Whether all times of a batch are so, even those of no sample."""
    t_ms = batch.t_ms
    return not len(t_ms) or bool(
        np.minimum.reduce(t_ms) >= first_ms and np.maximum.reduce(t_ms) <= last_ms
    )
