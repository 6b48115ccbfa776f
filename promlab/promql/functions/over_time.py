"""The `*_over_time` functions: one number of each series' window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.matchers import Matcher, MatchType
from promlab.promql.ast import Call, Expr, MatrixSelector, VectorSelector
from promlab.promql.context import QueryContext
from promlab.promql.eval_aggregation import warn_of_quantiles
from promlab.promql.eval_selector import run
from promlab.promql.functions.attach import implements
from promlab.promql.functions.rates import over_window
from promlab.promql.histogram_windows import parts
from promlab.promql.naming import drop_name
from promlab.promql.sample_windows import SampleClock
from promlab.promql.steps import Steps
from promlab.promql.vector import Mask, Vector
from promlab.promql.window_calls import WINDOW_CALLS

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator


@implements("sum_over_time", "avg_over_time")
def sum_over_time(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Sum or average, compensated for rounding."""
    kernel, mode = WINDOW_CALLS[node.function].load()
    window = ev.window(node.args[0], steps)
    if window.batch.histograms is None:
        return over_window(ev, node, window, kernel, mode)
    from promlab.promql.histogram_rates import add_sums

    apart = parts(ev.ctx, window)
    values, present = run(ev.ctx, kernel, apart.floats, mode)
    floats = Vector(window.batch.labels, values, present, window.unnamed)
    return drop_name(ev.ctx, add_sums(ev.ctx, node, apart, floats), node, strict=True)


@implements(
    "max_over_time",
    "min_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "mad_over_time",
)
def floats_over_time(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """What all floats of a window say: extremes and when they were seen last, deviations."""
    window = ev.window(node.args[0], steps)
    return over_window(ev, node, window, *WINDOW_CALLS[node.function].load())


@implements("quantile_over_time")
def quantile_over_time(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Quantile with linear interpolation."""
    from promlab.promql import quantile_kernels as kernels

    q = ev.scalar(node.args[0], steps)
    window = ev.window(node.args[1], steps)
    params = q.reshape(1, -1)
    vector = over_window(ev, node, window, kernels.quantiles, kernels.QUANTILE, params)
    warn_of_quantiles(ev.ctx, q[vector.present.any(axis=0)], node.args[0])
    return vector


@implements(
    "count_over_time",
    "present_over_time",
    "last_over_time",
    "first_over_time",
    "ts_of_last_over_time",
    "ts_of_first_over_time",
)
def edge_over_time(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """What the edges of a window say alone."""
    how = WINDOW_CALLS[node.function]
    window = ev.window(node.args[0], steps)
    kernel, mode = how.load()
    values, present = run(ev.ctx, kernel, window, mode)
    vector = Vector(window.batch.labels, values, present, window.unnamed)
    if not how.keeps_name:
        return drop_name(ev.ctx, vector, node, strict=True)
    if window.batch.histograms is None:
        return vector
    from promlab.promql.histogram_rates import with_indices

    _, first, end = SampleClock(window.batch).windows(window.ends, window.range_ms)
    return with_indices(vector, window, first if node.function == "first_over_time" else end - 1)


@implements("absent_over_time")
def absent_over_time(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """1 where no series has a sample in its window."""
    from promlab.promql import window_kernels as kernels

    window = ev.window(node.args[0], steps)
    _, present = run(ev.ctx, kernels.edges, window, kernels.PRESENT)
    return absence(ev.ctx, present, node.args[0])


def absence(ctx: QueryContext, present: Mask, argument: Expr) -> Vector:
    """One series, 1 where nothing is present, with labels that the selector asks for by `=`."""
    selector = argument.selector if isinstance(argument, MatrixSelector) else argument
    wanted = asked_for(selector.matchers) if isinstance(selector, VectorSelector) else {}
    labels = LabelTable.from_dicts([wanted], ctx.symbols)
    missing: Mask = ~np.logical_or.reduce(present, axis=0, keepdims=True)
    return Vector(labels, np.ones(missing.shape), missing)


def asked_for(matchers: Sequence[Matcher]) -> dict[str, str]:
    """Labels that one matcher alone asks for, and by `=`.

    Among those of one label the first decides, but what only excludes values comes last: in
    that order Prometheus looks series up before it reads the matchers for this.
    """
    required = {matcher.name for matcher in matchers if not matcher.matches("")}
    wanted: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in sorted(matchers, key=lambda one: _only_excludes(one, required)):
        if matcher.name == METRIC_NAME:
            continue
        if matcher.type is MatchType.EQUAL and matcher.name not in seen:
            wanted[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            wanted.pop(matcher.name, None)
    return wanted


def _only_excludes(matcher: Matcher, required: set[str]) -> bool:
    negative = matcher.type in (MatchType.NOT_EQUAL, MatchType.NOT_REGEX)
    return matcher.name not in required or (negative and matcher.matches(""))
