"""Rates and trends: what a range vector says about how values change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from promlab.model.float_text import format_float
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.samples import Values
from promlab.promql.annotation_texts import COUNTER_SUFFIXES
from promlab.promql.ast import Call
from promlab.promql.context import QueryContext
from promlab.promql.eval_selector import NO_PARAMS, Window, WindowKernel, run
from promlab.promql.extended_windows import extended_rate
from promlab.promql.functions.attach import implements
from promlab.promql.histogram_windows import floats_of, parts
from promlab.promql.naming import drop_name
from promlab.promql.started_windows import (
    counted_changes,
    started_irate,
    started_rate,
    starts_known,
)
from promlab.promql.steps import Steps
from promlab.promql.vector import Mask, Vector
from promlab.promql.window_calls import WINDOW_CALLS

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator


def over_window(
    ev: Evaluator,
    node: Call,
    window: Window,
    kernel: WindowKernel,
    mode: int,
    params: Values = NO_PARAMS,
    *,
    keeps_name: bool = False,
) -> Vector:
    """What a window kernel makes of the floats of each series of a range vector."""
    window = floats_of(ev.ctx, window, node.args[0])
    values, present = run(ev.ctx, kernel, window, mode, params)
    vector = Vector(window.batch.labels, values, present, window.unnamed)
    if keeps_name:
        return vector
    return drop_name(ev.ctx, vector, node, strict=True)


@implements("rate", "increase", "delta")
def rate(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Difference over the window, extrapolated to its edges; of counters without resets."""
    window = ev.window(node.args[0], steps)
    apart = parts(ev.ctx, window) if window.batch.histograms is not None else None
    values, present = float_rate(ev.ctx, node, apart.floats if apart else window)
    vector = Vector(window.batch.labels, values, present, window.unnamed)
    if apart is not None:
        from promlab.promql.extended_histograms import add_extended_rates
        from promlab.promql.histogram_rates import add_rates

        extended = window.anchored or window.smoothed
        add = add_extended_rates if extended else add_rates
        vector = add(ev.ctx, node, apart, vector)
    if node.function != "delta":
        inform_of_gauges(ev.ctx, vector, node)
    return drop_name(ev.ctx, vector, node, strict=True)


def float_rate(ctx: QueryContext, node: Call, window: Window) -> tuple[Values, Mask]:
    """Rate, increase or delta of windows of floats."""
    counter, per_second = node.function != "delta", node.function == "rate"
    if window.anchored or window.smoothed:
        ctx.hold(4 * window.batch.n * window.ends.count)
        return extended_rate(window, counter=counter, per_second=per_second)
    if counter and starts_known(ctx, window.batch):
        return started_rate(ctx, node, window, per_second=per_second)
    kernel, mode = WINDOW_CALLS[node.function].load()
    return run(ctx, kernel, window, mode)


def inform_of_gauges(ctx: QueryContext, vector: Vector, node: Call) -> None:
    """Say which metrics with a result are, by their names, no counters."""
    codes = vector.labels.columns.get(METRIC_NAME)
    if codes is None or not vector.n:
        return
    labels = vector.labels
    for code, name in ctx.remember((labels,), "no counters", lambda: _no_counters(labels)):
        if vector.floats().present[codes == code].any():
            ctx.annotations.inform(
                "metric might not be a counter, name does not end in "
                f'_total/_sum/_count/_bucket: "{name}"',
                node.args[0],
            )


def _no_counters(labels: LabelTable) -> list[tuple[int, str]]:
    """Codes and texts of the metrics' names that are not like those of counters."""
    codes = np.unique(labels.column(METRIC_NAME)).tolist()
    names = zip(codes, labels.symbols.texts(codes), strict=True)
    return [(code, name) for code, name in names if name and not name.endswith(COUNTER_SUFFIXES)]


@implements("irate", "idelta")
def irate(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Difference of the last two samples; a second, for irate."""
    window = ev.window(node.args[0], steps)
    if window.batch.histograms is not None:
        from promlab.promql.histogram_rates import last_two_of_any

        vector = last_two_of_any(ev.ctx, node, window)
        return drop_name(ev.ctx, vector, node, strict=True)
    if node.function == "irate" and starts_known(ev.ctx, window.batch):
        values, present = started_irate(window)
        vector = Vector(window.batch.labels, values, present, window.unnamed)
        return drop_name(ev.ctx, vector, node, strict=True)
    return over_window(ev, node, window, *WINDOW_CALLS[node.function].load())


@implements("changes", "resets")
def changes(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """How often the value changed, or fell."""
    window = ev.window(node.args[0], steps)
    if not window.plain or starts_known(ev.ctx, window.batch):
        values, present = counted_changes(ev.ctx, window, resets=node.function == "resets")
        vector = Vector(window.batch.labels, values, present, window.unnamed)
        return drop_name(ev.ctx, vector, node, strict=True)
    return over_window(ev, node, window, *WINDOW_CALLS[node.function].load())


@implements("deriv")
def deriv(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Slope a second of the least-squares line through the window."""
    return over_window(ev, node, ev.window(node.args[0], steps), *WINDOW_CALLS["deriv"].load())


@implements("predict_linear")
def predict_linear(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """The line's value so many seconds after the step (not after the window's end)."""
    from promlab.promql import moment_kernels as kernels

    window = ev.window(node.args[0], steps)
    to_step = (steps.times - window.ends.times) / 1000.0
    params = np.stack([to_step, ev.scalar(node.args[1], steps)])
    return over_window(ev, node, window, kernels.moments, kernels.PREDICT, params)


@implements("double_exponential_smoothing")
def double_exponential_smoothing(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Holt's linear method over each window."""
    from promlab.promql import moment_kernels as kernels

    window = ev.window(node.args[0], steps)
    factors = [ev.scalar(argument, steps) for argument in node.args[1:]]
    for what, factor, argument in zip(("smoothing", "trend"), factors, node.args[1:], strict=True):
        for bad in factor[(factor <= 0) | (factor >= 1)].tolist()[: window.batch.sample_count]:
            got = f"{bad:.6f}" if math.isfinite(bad) else format_float(bad)
            message = f"invalid {what} factor. Expected: 0 < {what[0]}f < 1, got: {got}"
            raise ev.ctx.error(message, argument)
    return over_window(ev, node, window, kernels.smoothed, 0, np.stack(factors))
