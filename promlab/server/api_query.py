"""/api/v1/query, /query_range, /format_query, /parse_query."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from promlab.errors import QueryTimeout
from promlab.model.histograms import HistogramColumn
from promlab.promql.ast import Expr
from promlab.promql.result import InstantVector, Matrix, QueryResult, RawMatrix, String
from promlab.promql.valuetype import ValueType
from promlab.server.arrow_answer import ARROW, encode_arrow
from promlab.server.context import Context
from promlab.server.envelope import TRUNCATED, ApiError, bad_parameter
from promlab.server.json_answer import encode_answer
from promlab.server.params import limit_param, parse_step_ms, required_time, time_param
from promlab.server.promql import is_constant, parse_query
from promlab.server.queries import Evaluate, Ran
from promlab.web.http import Request, Response

MAX_POINTS = 11_000
_THREADED_POINTS = 20_000
_TYPE_NAMES = {ValueType.STRING: "string", ValueType.MATRIX: "range vector"}


async def query(context: Context, request: Request) -> Response:
    """Evaluate at one time."""
    limit = await limit_param(request)
    t_ms = await time_param(request, "time", time.time_ns() // 1_000_000)
    timeout_s = await _timeout(context, request)
    lookback_ms = await _lookback(request)
    text = await request.param("query")
    expr = parse_query(text, context.features)
    engine, _ = context.evaluator()

    def evaluate(left_s: float, cancel: Any) -> QueryResult:
        return engine.instant(text, t_ms, lookback_ms=lookback_ms, timeout_s=left_s, cancel=cancel)

    ran = await _run(context, request, expr, (text, 0), evaluate, timeout_s)
    return await _answer(context, request, ran, limit)


async def query_range(context: Context, request: Request) -> Response:
    """Evaluate at each step."""
    limit = await limit_param(request)
    start_ms = await required_time(request, "start")
    end_ms = await required_time(request, "end")
    if end_ms < start_ms:
        raise bad_parameter("end", "end timestamp must not be before start time")
    step_ms = await _step(request)
    if (end_ms - start_ms) // step_ms > MAX_POINTS:
        raise ApiError(
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)",
        )
    timeout_s = await _timeout(context, request)
    lookback_ms = await _lookback(request)
    text = await request.param("query")
    expr = parse_query(text, context.features)
    if expr.value_type in _TYPE_NAMES:
        raise bad_parameter(
            "query",
            f'invalid expression type "{_TYPE_NAMES[expr.value_type]}" for range query, '
            "must be Scalar or instant Vector",
        )
    engine, _ = context.evaluator()

    def evaluate(left_s: float, cancel: Any) -> QueryResult:
        return engine.range(
            text, start_ms, end_ms, step_ms,
            lookback_ms=lookback_ms, timeout_s=left_s, cancel=cancel,
        )  # fmt: skip

    key = text, (end_ms - start_ms) // step_ms, step_ms
    ran = await _run(context, request, expr, key, evaluate, timeout_s)
    return await _answer(context, request, ran, limit)


async def _run(
    context: Context,
    request: Request,
    expr: Expr,
    key: object,
    evaluate: Evaluate,
    timeout_s: float,
) -> Ran:
    if timeout_s <= 0:
        raise QueryTimeout("query timed out in expression evaluation")
    runner = context.runner
    if runner.is_cheap(key) or is_constant(expr):
        ran = runner.run_inline(key, evaluate, timeout_s)
    else:
        ran = await runner.run(key, evaluate, timeout_s, request.gone)
    context.metrics.query_ran(ran)
    return ran


async def _answer(context: Context, request: Request, ran: Ran, limit: int) -> Response:
    _, label_text = context.evaluator()
    result = _limited(ran.result, limit)
    if ARROW in request.header("accept") and not isinstance(result.value, String):
        return Response(body=encode_arrow(result), content_type=ARROW, threaded=True)
    stats = _stats(ran) if await request.param("stats") else None
    chunks: Iterator[bytes] = encode_answer(result, label_text, stats)
    if _points(result) > _THREADED_POINTS:
        return Response(body=chunks, threaded=True)
    return Response(body=b"".join(chunks))


def _points(result: QueryResult) -> int:
    match result.value:
        case Matrix() as matrix:
            return matrix.values.size
        case RawMatrix() as raw:
            return raw.batch.sample_count
        case InstantVector() as vector:
            return vector.labels.n
        case _:
            return 1


def _limited(result: QueryResult, limit: int) -> QueryResult:
    """At most `limit` series, with a warning where some were left out."""
    value = result.value
    labels = value.batch.labels if isinstance(value, RawMatrix) else getattr(value, "labels", None)
    if not limit or labels is None or labels.n <= limit:
        return result
    rows = np.arange(limit, dtype=np.int64)
    match value:
        case InstantVector():
            value = replace(
                value,
                labels=labels.take(rows),
                values=value.values[:limit],
                histograms=_first(value.histograms, limit),
            )
        case Matrix():
            value = replace(
                value,
                labels=labels.take(rows),
                values=value.values[:limit],
                present=value.present[:limit],
                histograms=_first(value.histograms, limit),
            )
        case RawMatrix():
            batch = value.batch
            end = int(batch.offsets[limit])
            value = RawMatrix(
                replace(
                    batch,
                    labels=labels.take(rows),
                    offsets=batch.offsets[: limit + 1],
                    times_at=batch.times_at[:limit],
                    values=batch.values[:end],
                    histograms=_first(batch.histograms, end),
                    start_ms=None if batch.start_ms is None else batch.start_ms[:end],
                )
            )
    warnings = (*result.warnings, TRUNCATED)
    return QueryResult(value, warnings, result.infos, result.stats)


def _first(column: HistogramColumn | None, rows: int) -> HistogramColumn | None:
    return None if column is None else HistogramColumn(column.table, column.index[:rows])


def _stats(ran: Ran) -> dict[str, Any]:
    stats = ran.result.stats
    return {
        "timings": {
            "evalTotalTime": stats.prepare_s + stats.eval_s,
            "resultSortTime": 0,
            "queryPreparationTime": stats.prepare_s,
            "innerEvalTime": stats.eval_s,
            "execQueueTime": ran.queue_s,
            "execTotalTime": ran.total_s,
        },
        "samples": {
            "totalQueryableSamples": stats.samples_read,
            "samplesRead": stats.samples_read,
            "peakSamples": stats.peak_samples,
        },
    }


async def _timeout(context: Context, request: Request) -> float:
    """The `timeout` parameter may only shorten what the server allows."""
    text = await request.param("timeout")
    allowed_s = context.settings.query_timeout_s
    if not text:
        return allowed_s
    try:
        return min(allowed_s, parse_step_ms(text) / 1000)
    except ValueError as error:
        raise bad_parameter("timeout", error) from None


async def _lookback(request: Request) -> int | None:
    text = await request.param("lookback_delta")
    if not text:
        return None
    try:
        found = parse_step_ms(text)
    except ValueError as error:
        raise ApiError("bad_data", f"error parsing lookback delta duration: {error}") from None
    return found if found > 0 else None


async def _step(request: Request) -> int:
    try:
        step_ms = parse_step_ms(await request.param("step"))
    except ValueError as error:
        raise bad_parameter("step", error) from None
    if step_ms <= 0:
        raise bad_parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. "
            "Try a positive integer",
        )
    return step_ms
