"""Time: of the step, of samples, and the calendar (UTC)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.model.samples import Values, is_stale
from promlab.promql.ast import Call, VectorSelector
from promlab.promql.eval_selector import seen_from, select, select_instant
from promlab.promql.functions.attach import implements
from promlab.promql.naming import drop_name
from promlab.promql.sample_windows import SampleClock, pick
from promlab.promql.steps import Steps
from promlab.promql.vector import Vector, empty_vector, single_vector

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator

DAY_S = 86_400
_LATEST_S = 9.2e15  # years beyond this don't fit what the calendar is computed in


@implements("time")
def time(ev: Evaluator, node: Call, steps: Steps) -> Values:
    """The step itself, in seconds."""
    return steps.seconds


@implements("start", "end", "range", "step")
def of_query(ev: Evaluator, node: Call, steps: Steps) -> Values:
    """What the query's time range is, in seconds."""
    ctx = ev.ctx
    milliseconds = {
        "start": ctx.steps.start_ms,
        "end": ctx.end_ms,
        "range": ctx.range_ms,
        "step": ctx.step_ms,
    }[node.function]
    return np.full(steps.count, milliseconds / 1000.0)


@implements("timestamp")
def timestamp(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """When a selector's samples were taken; of anything else, the step."""
    from promlab.promql.evaluator import bare

    argument = bare(node.args[0])
    if isinstance(argument, VectorSelector):
        return drop_name(ev.ctx, select_instant(ev.ctx, argument, steps, timestamps=True), node)
    vector = ev.vector(argument, steps)
    times = np.ascontiguousarray(np.broadcast_to(steps.seconds, vector.values.shape))
    return drop_name(ev.ctx, vector.with_values(times), node)


@implements("start_timestamp")
def start_timestamp(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Since when a selector's samples count; nothing where that is not known."""
    from promlab.promql.evaluator import bare

    ctx, argument = ev.ctx, bare(node.args[0])
    if not isinstance(argument, VectorSelector) or not ctx.options.start_timestamps:
        ev.vector(argument, steps)
        return empty_vector(ctx.base, steps.count)
    ends = seen_from(ctx, argument, steps)
    batch = select(ctx, argument, ends, ctx.lookback_ms)
    if batch.start_ms is None:
        return empty_vector(ctx.base, steps.count)
    ctx.hold(batch.n * steps.count)
    _, first, end = SampleClock(batch).windows(ends, ctx.lookback_ms)
    started = pick(batch.start_ms, end - 1)
    present = (end > first) & (started != 0) & ~is_stale(pick(batch.values, end - 1))
    return drop_name(ctx, Vector(batch.labels, started / 1000.0, present), node)


def _months(seconds: Any) -> Any:
    return seconds.astype("M8[s]").astype("M8[M]")


def _day_of_month(seconds: Any) -> Any:
    return (seconds.astype("M8[s]").astype("M8[D]") - _months(seconds).astype("M8[D]")).astype(
        np.int64
    ) + 1


def _day_of_year(seconds: Any) -> Any:
    day = seconds.astype("M8[s]").astype("M8[D]")
    return (day - day.astype("M8[Y]").astype("M8[D]")).astype(np.int64) + 1


def _days_in_month(seconds: Any) -> Any:
    month = _months(seconds)
    return ((month + 1).astype("M8[D]") - month.astype("M8[D]")).astype(np.int64)


CALENDAR: dict[str, Callable[[Any], Any]] = {
    "minute": lambda s: s // 60 % 60,
    "hour": lambda s: s // 3600 % 24,
    "day_of_week": lambda s: (s // DAY_S + 4) % 7,
    "day_of_month": _day_of_month,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": lambda s: _months(s).astype(np.int64) % 12 + 1,
    "year": lambda s: _months(s).astype(np.int64) // 12 + 1970,
}


@implements(*CALENDAR)
def calendar(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """A part of the date; values that are no date give NaN."""
    if node.args:
        vector = ev.vector(node.args[0], steps).floats()
    else:
        vector = single_vector(steps.seconds, ev.ctx.base)
    dated = np.abs(vector.values) < _LATEST_S
    seconds = np.where(dated, vector.values, 0.0).astype(np.int64)
    values = np.where(dated, CALENDAR[node.function](seconds), np.nan)
    return drop_name(ev.ctx, vector.with_values(values), node)
