"""Aggregations of range functions, `sum by (...) (rate(...))` and its kin, in one go.

Samples are read tile by tile, a range function makes a few rows of them, and these are added to
their groups at once: neither all samples nor all rows are ever in memory. Threads work on
tiles of their own and add in the order of the series, so the result is the same, bit for
bit, as that of the long way. Whatever is not usual (histograms, start timestamps, names
that keep series apart) goes that long way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promlab.errors import TooManySamples
from promlab.model.tiles import TiledSeries, TileReader, tile_edges
from promlab.promql.ast import Aggregation, Call, MatrixSelector
from promlab.promql.context import QueryContext
from promlab.promql.eval_selector import NO_PARAMS, RangeSelection, work_order
from promlab.promql.grouping import Groups, grouped
from promlab.promql.in_turn import InTurn
from promlab.promql.naming import keeps_apart, without_name
from promlab.promql.reductions import REDUCING, Reduction
from promlab.promql.sample_choice import fresh_tile
from promlab.promql.step_counts import StepCounts, Stored
from promlab.promql.steps import Steps
from promlab.promql.vector import Vector
from promlab.promql.window_calls import WINDOW_CALLS, WindowCall

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator

MUCH_WORK = 300_000  # samples and points; below it there is nothing to gain
FEW_SERIES = 16
FEW_GROUPS = 2  # at least so many series a group: the groups have to be small
# Samples and points of a tile at most. It is large: with each tile threads take the interpreter
# from each other many times, and to wake one where nothing else ran takes half a millisecond.
TILE_WORK = 1 << 20
TILES_A_THREAD = 2  # at least: so that none waits long for the others


def fused(ev: Evaluator, node: Aggregation, steps: Steps) -> Vector | None:
    """The value of an aggregation; None if it has to be evaluated the long way.

    The evaluator then has the samples at hand, if they were read.
    """
    from promlab.promql.evaluator import bare

    ctx, call = ev.ctx, bare(node.expr)
    if node.op not in REDUCING or not isinstance(call, Call):
        return None
    how, options = WINDOW_CALLS.get(call.function), ctx.options
    known = id(call) in ctx.plan.shared or (steps.count > 1 and id(call) in ctx.plan.invariant)
    if how is None or known or options.delayed_name_removal or options.start_timestamps:
        return None
    argument = bare(call.args[0])
    if not isinstance(argument, MatrixSelector):
        return None
    if argument.selector.anchored or argument.selector.smoothed:
        return None
    selection = RangeSelection.of(ctx, argument, steps)
    groups = _groups(ctx, node, how, selection.series, steps.count)
    vector = None
    if groups is not None:
        vector = _Fusion(ctx, node.op, how, selection, groups).run()
    if vector is None:
        ev.hand(argument, steps, selection.window())
    elif call.function in ("rate", "increase"):
        _inform(ctx, selection.series, vector, call)
    return vector


def _groups(
    ctx: QueryContext, node: Aggregation, how: WindowCall, series: TiledSeries, steps: int
) -> Groups | None:
    """The groups of all series, if it pays to fuse and names do not matter."""
    labels = series.labels
    if labels.n < FEW_SERIES or int(series.most_at[-1]) + labels.n * steps < MUCH_WORK:
        return None
    if not how.keeps_name:
        if not keeps_apart(ctx, labels):
            return None
        labels = without_name(ctx, labels)
    groups = grouped(ctx, node, labels, node.grouping)
    return groups if groups.count * FEW_GROUPS <= labels.n else None


def _inform(ctx: QueryContext, series: TiledSeries, vector: Vector, call: Call) -> None:
    """Say it if the metric, by its name, is no counter: all series have the same name."""
    from promlab.promql.functions.rates import inform_of_gauges

    n = series.labels.n
    seen = np.zeros((n, 1), np.bool_)
    seen[:1] = vector.present.any()
    inform_of_gauges(ctx, Vector(series.labels, np.zeros((n, 1)), seen), call)


class _Fusion:
    """One aggregation at work; its threads share the state of the groups."""

    def __init__(
        self, ctx: QueryContext, op: str, how: WindowCall, selection: RangeSelection, groups: Groups
    ) -> None:
        self._ctx, self._selection, self._groups = ctx, selection, groups
        self._kernel, self._mode = how.load()
        self._steps = steps = selection.ends.count
        most_at = selection.series.most_at
        threads = ctx.options.threads
        self._most = int(most_at[-1]) + len(groups.of_row) * steps
        rounds = max(TILES_A_THREAD, -(-self._most // (TILE_WORK * threads)))
        self._edges = tile_edges(most_at, steps, rounds * threads)
        self._turns = InTurn(len(self._edges) - 1)
        self._rows = self._samples = 0
        self._counts = StepCounts.none(steps)
        ctx.hold(groups.count * steps)
        self._reduction = Reduction(op, groups.count, steps)

    def run(self) -> Vector | None:
        """The groups' values; None if there is more than plain numbers."""
        ctx, groups = self._ctx, self._groups
        threads = min(ctx.options.threads, len(self._edges) - 1)
        readers = self._selection.series.open(self._edges, threads)
        ctx.split(self._most, threads, lambda a, _b: self._work(readers[a]))
        ctx.cells -= self._rows * self._steps
        if self._turns.stopped:
            ctx.cells -= groups.count * self._steps
            return None
        ctx.read(self._samples)
        if ctx.counts is not None:
            ctx.counts.add(self._counts)
        vector = Vector(groups.labels, self._reduction.result(), self._reduction.seen)
        there = np.logical_or.reduce(vector.present, axis=1)
        return vector if there.all() else vector.take(np.flatnonzero(there))

    def _work(self, read: TileReader) -> None:
        """What one thread does: tile after tile, until none is left."""
        edges, steps = self._edges, self._steps
        rows = int(np.diff(edges).max())
        values, present = np.empty((rows, steps)), np.empty((rows, steps), np.bool_)
        with self._turns.stopping():
            for number in self._turns.numbers():
                self._ctx.check()
                tile = read(number)
                if tile is None:
                    self._turns.stop()
                    return
                at = self._selection
                fresh = fresh_tile(tile)
                self._kernel(
                    work_order(fresh.times_at), 0, tile.n, fresh.offsets, fresh.times_at,
                    fresh.t_ms, fresh.values, at.ends.start_ms, at.ends.step_ms, at.range_ms,
                    self._mode, NO_PARAMS, values, present,
                )  # fmt: skip
                counts = StepCounts.none(steps)
                if self._ctx.counts is not None:
                    counts.add_windows(Stored(*fresh[:3]), at.ends, at.range_ms)
                group = self._groups.of_row[edges[number] : edges[number + 1]]
                with self._turns.turn(number) as on:
                    if not on:
                        return
                    there = int(np.count_nonzero(tile.offsets[1:] > tile.offsets[:-1]))
                    self._account(there, tile.sample_count)
                    self._counts.add(counts)
                    self._reduction.add(values, present, group, tile.n)

    def _account(self, rows: int, samples: int) -> None:
        """Count as if everything was held, as it is the long way: limits mean the same."""
        self._ctx.hold(rows * self._steps)
        self._rows += rows
        self._samples += samples
        if self._samples > self._ctx.max_samples:
            raise TooManySamples(self._ctx.max_samples)
