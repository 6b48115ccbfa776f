"""/api/v1/query and /api/v1/query_range."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec

from promlab.errors import PromlabError, PromQLError, PromQLSyntaxError, QueryTimeout
from promlab.promql.ast import Expr
from promlab.promql.checks import check_range_query
from promlab.promql.result import QueryResult, String
from promlab.promql.valuetype import ValueType
from promlab.server import short_range_hint
from promlab.server.active_queries import NOT_LISTED
from promlab.server.arrow_answer import ARROW, encode_arrow
from promlab.server.context import Context
from promlab.server.envelope import ApiError, bad_parameter, kind_of, success
from promlab.server.json_answer import encode_answer, encode_at_once
from promlab.server.limited import limited
from promlab.server.moments import NS_OF_MS, between_ns, query_ms
from promlab.server.params import (
    limit_param,
    moment_param,
    parse_duration_ns,
    required_moment,
    step_param,
)
from promlab.server.promql import is_constant, planned_query
from promlab.server.queries import Evaluate, Ran
from promlab.server.query_costs import Key
from promlab.server.query_statistics import PER_STEP, deprecated, query_stats, samples_per_step
from promlab.web.http import Form, MustWait, Request, Response

_TOO_SHORT_S = 1e-6  # over before anything is evaluated
_THREADED_POINTS = 50_000
_BOUNDS = frozenset(("timeout", "lookback_delta"))
_ARROW = ARROW.encode()
_BROWSERS = b"Mozilla/"  # they all say so


async def query(context: Context, request: Request) -> Response:
    """Evaluate at one time."""
    form = await request.form()
    text, limit, t_ms, by_step = form.once(_at_one_time)
    if t_ms is None:
        t_ms = query_ms(time.time_ns())
    timeout_s, lookback_ms = _bounds(context, form)
    engine, _ = context.evaluator()
    expr = planned_query(text, engine)

    def evaluate(left_s: float, cancel: Any) -> QueryResult:
        return engine.instant(
            text, t_ms,
            lookback_ms=lookback_ms, timeout_s=left_s, cancel=cancel, by_step=by_step,
        )  # fmt: skip

    asked = Asked(text, (t_ms, t_ms, 0), (text, 0), timeout_s)
    ran = await _run(context, request, asked, evaluate)
    response = _answer(context, request, form, asked, ran, limit)
    if short_range_hint.is_empty(ran.result.value):
        response.headers += await _hint(context, request, asked, expr)
    return response


async def query_range(context: Context, request: Request) -> Response:
    """Evaluate at each step."""
    form = await request.form()
    text, limit, start_ms, end_ms, step_ms, by_step = form.once(_at_steps)
    timeout_s, lookback_ms = _bounds(context, form)
    engine, _ = context.evaluator()
    expr = planned_query(text, engine)
    if expr.value_type not in (ValueType.SCALAR, ValueType.VECTOR):
        raise _no_range_query(expr, text)
    if not step_ms:
        raise _no_step(text)
    if end_ms < start_ms:  # a range around an end of what 64 bits of nanoseconds hold
        return success({"resultType": "matrix", "result": []})

    def evaluate(left_s: float, cancel: Any) -> QueryResult:
        return engine.range(
            text, start_ms, end_ms, step_ms,
            lookback_ms=lookback_ms, timeout_s=left_s, cancel=cancel, by_step=by_step,
        )  # fmt: skip

    key = text, (end_ms - start_ms) // step_ms, step_ms
    asked = Asked(text, (start_ms, end_ms, step_ms), key, timeout_s)
    ran = await _run(context, request, asked, evaluate)
    response = _answer(context, request, form, asked, ran, limit)
    if short_range_hint.is_empty(ran.result.value):
        response.headers += await _hint(context, request, asked, expr)
    return response


class _AtOneTime(NamedTuple):
    """Parameters of an instant query; without a time it is about now."""

    text: str
    limit: int
    t_ms: int | None
    by_step: bool


def _at_one_time(form: Form) -> _AtOneTime:
    limit, moment = limit_param(form), moment_param(form, "time")
    t_ms = None if moment is None else query_ms(moment)
    return _AtOneTime(form.first("query"), limit, t_ms, bool(form.first("stats")))


class _AtSteps(NamedTuple):
    """Parameters of a range query; a step below a millisecond is 0."""

    text: str
    limit: int
    start_ms: int
    end_ms: int
    step_ms: int
    by_step: bool


def _at_steps(form: Form) -> _AtSteps:
    limit = limit_param(form)
    start_ns, end_ns = required_moment(form, "start"), required_moment(form, "end")
    if end_ns < start_ns:
        raise bad_parameter("end", "end timestamp must not be before start time")
    step_ms = step_param(form, between_ns(start_ns, end_ns))
    start_ms, end_ms, by_step = query_ms(start_ns), query_ms(end_ns), bool(form.first("stats"))
    return _AtSteps(form.first("query"), limit, start_ms, end_ms, step_ms, by_step)


class Asked(msgspec.Struct, frozen=True):
    """A query: its text, its times (start, end, step in ms), what it is remembered by."""

    text: str
    times_ms: tuple[int, int, int]
    key: Key
    timeout_s: float


async def _run(context: Context, request: Request, asked: Asked, evaluate: Evaluate) -> Ran:
    if asked.timeout_s < _TOO_SHORT_S:
        raise QueryTimeout("query timed out in query execution")
    runner = context.runner
    was_cheap = runner.was_cheap(asked.key)
    cheap = was_cheap or runner.is_cheap(asked.key) or is_constant(asked.text, context.features)
    if request.at_once and not cheap:
        raise MustWait("this takes a thread")
    # What is over at once is none that a server dies of.
    slot = NOT_LISTED if was_cheap else runner.listed.begin(asked.text)
    try:
        if cheap:
            ran = runner.run_inline(asked.key, evaluate, asked.timeout_s)
        else:
            ran = await runner.run(asked.key, evaluate, asked.timeout_s, request.gone)
    except PromlabError as error:
        _note(context, request, asked, None, kind_of(error)[1])
        raise
    finally:
        runner.listed.end(slot)
    request.after_answer(partial(context.metrics.query_ran, ran))
    _note(context, request, asked, ran)
    return ran


async def _hint(
    context: Context, request: Request, asked: Asked, expr: Expr
) -> list[tuple[bytes, bytes]]:
    """A header, if nothing was found because a range is too short."""
    hints, end_ms = context.short_range_hints, asked.times_ms[1]
    found = hints.known(asked.text)
    if found is None and not short_range_hint.may_be_short(expr):
        found = hints.keep(asked.text, "")
    if found is None:
        look = partial(hints.look, context, asked.text, expr, end_ms)
        # What was cheap to evaluate is cheap to look at, and is in the query log already.
        found = look() if request.at_once else await context.in_pool(look)
    return short_range_hint.header(found)


def _note(
    context: Context, request: Request, asked: Asked, ran: Ran | None, error: str = ""
) -> None:
    """A line in the query log and spans, where there are such things."""
    if context.tracing.on:
        stats = None if ran is None else ran.result.stats
        context.tracing.query(asked.text, stats, 0.0 if ran is None else ran.queue_s)
    found = context.rules.query_log if context.rules is not None else None
    if found is None or not found.enabled:
        return
    client = request.scope.get("client") or ("",)
    path: str = request.scope["path"]
    origin = {"clientIP": str(client[0]), "method": request.method, "path": path}
    shown = None if ran is None else _shown(ran)
    found.note(
        asked.text, asked.times_ms, shown, error, httpRequest=origin, **context.tracing.ids()
    )


def _shown(ran: Ran) -> dict[str, Any]:
    return query_stats(ran.result.stats, ran.queue_s, ran.total_s)


def _timing(request: Request, ran: Ran) -> list[tuple[bytes, bytes]]:
    """Where the time went, for the network panel of a browser: nobody else looks at it."""
    if not request.headers.get(b"user-agent", b"").startswith(_BROWSERS):
        return []
    stats = ran.result.stats
    parts_ms = ran.queue_s * 1000, stats.prepare_s * 1000, stats.eval_s * 1000
    return [(b"server-timing", b"queue;dur=%.3f, prepare;dur=%.3f, eval;dur=%.3f" % parts_ms)]


def _answer(
    context: Context, request: Request, form: Form, asked: Asked, ran: Ran, limit: int
) -> Response:
    _, label_text = context.evaluator()
    result, stats, wanted = ran.result, None, form.firsts.get("stats", "")
    if wanted:
        result, stats = _with_stats(context, ran, asked, wanted)
    if limit:
        result = limited(result, limit)
    if _ARROW in request.headers.get(b"accept", b"") and not isinstance(result.value, String):
        body = encode_arrow(result)
        timing = _timing(request, ran)
        return Response(body=body, content_type=ARROW, headers=timing, threaded=True)
    if not request.at_once and result.points > _THREADED_POINTS:
        chunks: Iterator[bytes] = encode_answer(result, label_text, stats)
        return Response(body=chunks, headers=_timing(request, ran), threaded=True)
    return Response(body=encode_at_once(result, label_text, stats), headers=_timing(request, ran))


def _with_stats(
    context: Context, ran: Ran, asked: Asked, wanted: str
) -> tuple[QueryResult, dict[str, Any]]:
    """The statistics that are wanted, and the result with what there is to say about that."""
    result = ran.result
    stats = _shown(ran)
    if wanted == "all" and PER_STEP in context.features:
        start_ms, _, step_ms = asked.times_ms
        stats["samples"] |= samples_per_step(result.stats, start_ms, step_ms)
    return result._replace(warnings=(*deprecated(wanted), *result.warnings)), stats


def _no_range_query(expr: Expr, text: str) -> ApiError:
    """The error for a query that gives no value a step."""
    try:
        check_range_query(expr)
    except PromQLSyntaxError as error:
        error.query = text
        return ApiError("bad_data", f'invalid parameter "query": {error.message}', error)
    raise AssertionError("a vector or a scalar has values at steps")


def _no_step(text: str) -> ApiError:
    """The error for a step below a millisecond: Prometheus notices it only where it divides."""
    message = "unexpected error: runtime error: integer divide by zero"
    hint = "a step is a millisecond at least: step=1ms"
    error = PromQLError(message, query=text, end=len(text), hint=hint)
    return ApiError("execution", message, error)


def _bounds(context: Context, form: Form) -> tuple[float, int | None]:
    """How long it may take in seconds, and how far it looks back in ms if that is said."""
    if _BOUNDS.isdisjoint(form.firsts):
        return context.settings.query_timeout_s, None
    return _timeout(context, form), _lookback(form)


def _timeout(context: Context, form: Form) -> float:
    """The `timeout` parameter may only shorten what the server allows."""
    text = form.firsts.get("timeout", "")
    allowed_s = context.settings.query_timeout_s
    if not text:
        return allowed_s
    try:
        return min(allowed_s, parse_duration_ns(text) / 1e9)
    except ValueError as error:
        raise bad_parameter("timeout", error) from None


def _lookback(form: Form) -> int | None:
    text = form.firsts.get("lookback_delta", "")
    if not text:
        return None
    try:
        found = parse_duration_ns(text) // NS_OF_MS
    except ValueError as error:
        raise ApiError("bad_data", f"error parsing lookback delta duration: {error}") from None
    return found if found > 0 else None
