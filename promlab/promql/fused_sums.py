"""`sum by (...) (rate(...))` without the rates of all series in memory at once.

Rates are computed for a few series at a time, into memory that the processor has at hand, and
added to their groups at once. It pays where there are many series; the sums are the same as
those of the rates, up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from promlab.promql.ast import Aggregation, Call, MatrixSelector
from promlab.promql.eval_selector import NO_PARAMS, Window
from promlab.promql.grouping import grouped
from promlab.promql.naming import keeps_apart, without_name
from promlab.promql.started_windows import starts_known
from promlab.promql.steps import Steps
from promlab.promql.vector import Vector

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator

MANY_CELLS = 1_000_000
FEW_GROUPS = 8  # at least so many series a group: the sums have to be small
ROWS_AT_ONCE = 32


class Sum(NamedTuple):
    """A sum that is made, beside a vector that is still to be summed."""

    value: Vector


def sum_of_rates(ev: Evaluator, node: Aggregation, steps: Steps) -> Sum | Vector | None:
    """The sum, if its argument is a rate of many series; else the argument, or nothing."""
    from promlab.promql.evaluator import bare
    from promlab.promql.functions.rates import inform_of_gauges, rate_of

    ctx, call = ev.ctx, bare(node.expr)
    if not isinstance(call, Call) or call.function not in ("rate", "increase", "delta"):
        return None
    known = id(call) in ctx.plan.shared or (steps.count > 1 and id(call) in ctx.plan.invariant)
    argument = bare(call.args[0])
    if known or not isinstance(argument, MatrixSelector):
        return None
    window = ev.window(argument, steps)
    batch = window.batch
    counter = call.function != "delta"
    fits = window.plain and batch.n * steps.count >= MANY_CELLS
    fits = fits and not (counter and starts_known(ctx, batch))
    fits = fits and not ctx.options.delayed_name_removal and keeps_apart(ctx, batch.labels)
    if not fits:
        return rate_of(ev, call, window)
    groups = grouped(ctx, node, without_name(ctx, batch.labels), node.grouping)
    if groups.count * FEW_GROUPS > batch.n:
        return rate_of(ev, call, window)
    ctx.hold(2 * groups.count * steps.count * ctx.options.threads)
    vector = _summed(ev, call, window, groups.of_row, groups.count)
    if counter:
        seen = np.zeros((batch.n, 1), np.bool_)
        seen[:1] = vector.present.any()
        inform_of_gauges(ctx, Vector(batch.labels, np.zeros((batch.n, 1)), seen), call)
    return Sum(Vector(groups.labels, vector.values, vector.present))


def _summed(ev: Evaluator, call: Call, window: Window, group: np.ndarray, count: int) -> Vector:
    from promlab.promql import aggregate_kernels, window_kernels

    modes = {
        "rate": window_kernels.RATE,
        "increase": window_kernels.INCREASE,
        "delta": window_kernels.DELTA,
    }
    batch, ends, ctx = window.batch, window.ends, ev.ctx
    steps, mode = ends.count, modes[call.function]
    made: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    order = np.arange(ROWS_AT_ONCE)

    def part(a: int, b: int) -> None:
        total, rest = np.zeros((count, steps)), np.zeros((count, steps))
        seen = np.zeros((count, steps), np.bool_)
        values, present = np.empty((ROWS_AT_ONCE, steps)), np.empty((ROWS_AT_ONCE, steps), np.bool_)
        for row in range(a, b, ROWS_AT_ONCE):
            n = min(ROWS_AT_ONCE, b - row)
            window_kernels.extrapolated(
                order, 0, n, batch.offsets[row : row + n + 1], batch.times_at[row : row + n],
                batch.t_ms, batch.values, ends.start_ms, ends.step_ms, window.range_ms, mode,
                NO_PARAMS, values, present,
            )  # fmt: skip
            aggregate_kernels.add_rows(values, present, group, row, n, total, rest, seen)
        made[a] = total, rest, seen

    ctx.split(batch.sample_count + batch.n * steps, batch.n, part)
    (total, rest, seen), *others = (made[a] for a in sorted(made))
    result = total + rest
    for other_total, other_rest, other_seen in others:
        with np.errstate(all="ignore"):
            result += other_total + other_rest
        seen |= other_seen
    return Vector(batch.labels, result, seen)
