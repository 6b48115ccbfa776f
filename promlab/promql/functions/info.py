"""`info()`: labels of info metrics, added to the series of the same job and instance.

An info series describes a base series where their identifying labels are equal. Of several of
one metric, the one with the newest sample counts, so what is added may change from step to
step; a base series then becomes one series for each set of labels it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from promlab.model.labels import METRIC_NAME, Codes, LabelTable
from promlab.model.matchers import Matcher, MatchType
from promlab.promql.ast import Call, Expr, Subquery, VectorSelector, children
from promlab.promql.context import QueryContext
from promlab.promql.eval_selector import Window, run, seen_from, select_range
from promlab.promql.functions.attach import implements
from promlab.promql.grouping import code_matrix, group_matrix
from promlab.promql.naming import merge_same
from promlab.promql.steps import Steps
from promlab.promql.texts import label_set_text
from promlab.promql.vector import Mask, Rows, Vector, unnamed_mask

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator

IDENTIFYING = ("instance", "job")
DEFAULT = Matcher(METRIC_NAME, MatchType.EQUAL, "target_info")


class Wanted(NamedTuple):
    """What the second argument asks for: info metrics by name, and labels of them."""

    names: tuple[Matcher, ...]
    labels: tuple[Matcher, ...]

    @property
    def optional(self) -> bool:
        """Whether a series without info stays."""
        return all(matcher.matches_empty for matcher in self.labels)


class Infos(NamedTuple):
    """Info series: labels, whether each is there at a step, and when it was seen last."""

    labels: LabelTable
    present: Mask
    seen_s: np.ndarray[tuple[int, int], np.dtype[np.float64]]


@implements("info")
def info(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """The base series with labels of the info series that describe them."""
    ctx = ev.ctx
    base = ev.vector(node.args[0], steps)
    wanted = _wanted(node)
    if not base.n:
        return base
    infos = _read(ctx, node, base, wanted, _moved(ctx, node.args[0], steps))
    chosen = _choose(ctx, node, base, infos, wanted)
    return _enrich(ctx, node, base, infos, wanted, chosen)


def _wanted(node: Call) -> Wanted:
    if len(node.args) < 2:
        return Wanted((DEFAULT,), ())
    selector = node.args[1]
    assert isinstance(selector, VectorSelector)
    names = tuple(m for m in selector.matchers if m.name == METRIC_NAME)
    labels = tuple(m for m in selector.matchers if m.name != METRIC_NAME)
    return Wanted(names or (DEFAULT,), labels)


def _moved(ctx: QueryContext, argument: Expr, steps: Steps) -> Steps:
    """Where the base series are looked up: by the first selector or subquery of them."""
    if isinstance(argument, VectorSelector | Subquery):
        return seen_from(ctx, argument, steps)
    for child in children(argument):
        if isinstance(child, Expr):
            moved = _moved(ctx, child, steps)
            if moved != steps:
                return moved
    return steps


def _read(ctx: QueryContext, node: Call, base: Vector, wanted: Wanted, ends: Steps) -> Infos:
    from promlab.promql import window_kernels as kernels

    positive = tuple(m for m in wanted.names if m.type in (MatchType.EQUAL, MatchType.REGEX))
    matchers = [*(() if positive else (DEFAULT,)), *wanted.names, *wanted.labels]
    batch = select_range(ctx, tuple(matchers), ends, ctx.lookback_ms)
    window = Window(batch, ends, ctx.lookback_ms)
    seen_s, present = run(ctx, kernels.edges, window, kernels.LAST_TIME)
    if batch.histograms is not None:
        offsets = batch.offsets
        for s in np.flatnonzero(present.any(axis=1)).tolist():
            if (batch.histograms.index[offsets[s] : offsets[s + 1]] >= 0).any():
                raise ctx.error(
                    "this should be an info metric, with float samples: "
                    f"{label_set_text(batch.labels.row(s))}",
                    node,
                )
    return Infos(batch.labels, present, seen_s)


def _choose(
    ctx: QueryContext, node: Call, base: Vector, infos: Infos, wanted: Wanted
) -> np.ndarray[tuple[int, int, int], np.dtype[np.int64]]:
    """Row of the info series for each base series, step and info metric, -1 for none."""
    keys = np.concatenate(
        [code_matrix(base.labels, IDENTIFYING), code_matrix(infos.labels, IDENTIFYING)]
    )
    of_row, _ = group_matrix(keys)
    names, name = np.unique(infos.labels.column(METRIC_NAME), return_inverse=True)
    groups = int(of_row.max(initial=-1)) + 1
    steps = base.values.shape[1]
    ctx.hold(groups * len(names) * steps + base.n * len(names) * steps)
    best = np.full((groups, len(names), steps), -1, np.int64)
    for row, (group, at) in enumerate(zip(of_row[base.n :].tolist(), name.tolist(), strict=True)):
        held = best[group, at]
        older = held >= 0
        newest = np.where(older, infos.seen_s[held, np.arange(steps)], -np.inf)
        here = infos.present[row]
        clash = here & older & (infos.seen_s[row] == newest)
        if clash.any():
            pair = [row, int(held[clash][0])]
            texts = [label_set_text(infos.labels.row(i)) for i in pair]
            raise ctx.error(
                f"found duplicate series for info metric: existing {texts[1]}, new {texts[0]}",
                node,
            )
        best[group, at] = np.where(here & (infos.seen_s[row] > newest), row, held)
    chosen = best[of_row[: base.n]]
    chosen[_own_infos(base.labels, wanted)] = -1
    return chosen.transpose(0, 2, 1)


def _own_infos(labels: LabelTable, wanted: Wanted) -> Mask:
    """Base series that are such info metrics themselves: they stay as they are."""
    distinct, inverse = np.unique(labels.column(METRIC_NAME), return_inverse=True)
    texts = labels.symbols.texts(distinct)
    sought = any(m.type in (MatchType.EQUAL, MatchType.REGEX) for m in wanted.names)
    own = [sought and all(matcher.matches(text) for matcher in wanted.names) for text in texts]
    found: Mask = np.array(own, np.bool_)[inverse]
    return found


def _enrich(
    ctx: QueryContext,
    node: Call,
    base: Vector,
    infos: Infos,
    wanted: Wanted,
    chosen: np.ndarray[tuple[int, int, int], np.dtype[np.int64]],
) -> Vector:
    """The base series, one row for each choice of info series."""
    row, step = np.nonzero(base.present)
    picks = chosen[row, step]
    if not wanted.optional:
        stays = _own_infos(base.labels, wanted)
        kept = (picks >= 0).any(axis=1) | stays[row]
        row, step, picks = row[kept], step[kept], picks[kept]
    keys = np.concatenate([row[:, None], picks + 1], axis=1).astype(np.uint32)
    of_cell, first = group_matrix(np.ascontiguousarray(keys))
    labels = _with_labels(ctx, node, base.labels.take(row[first]), infos, wanted, picks[first])
    steps = base.values.shape[1]
    ctx.hold(2 * len(first) * steps)
    values = np.zeros((len(first), steps))
    present = np.zeros((len(first), steps), np.bool_)
    values[of_cell, step] = base.values[row, step]
    present[of_cell, step] = True
    unnamed = None if base.unnamed is None else unnamed_mask(base)[row[first]]
    made = Vector(labels, values, present, unnamed)
    if base.histograms is not None:
        index = np.full(values.shape, -1, np.int64)
        index[of_cell, step] = base.histograms.index[row, step]
        made = made.with_histograms(type(base.histograms)(base.histograms.table, index))
    return merge_same(ctx, made, node)


def _with_labels(
    ctx: QueryContext, node: Call, labels: LabelTable, infos: Infos, wanted: Wanted, picks: Rows
) -> LabelTable:
    """Labels of the base series and those that their info series add; own ones win."""
    asked = {matcher.name for matcher in wanted.labels}
    columns = dict(labels.columns)
    for name, codes in infos.labels.columns.items():
        if name == METRIC_NAME or name in IDENTIFYING or (asked and name not in asked):
            continue
        own = labels.column(name)
        added: Codes = np.zeros(labels.n, np.uint32)
        for k in range(picks.shape[1]):
            new = np.where(picks[:, k] >= 0, codes[picks[:, k]], 0).astype(np.uint32)
            clash = (own == 0) & (new != 0) & (added != 0) & (new != added)
            if clash.any():
                raise ctx.error(
                    f"conflicting label: {name}",
                    node,
                    hint="Two info metrics give this label different values: name the metric, "
                    'as in info(x, {__name__="target_info"}).',
                )
            added = np.where(new != 0, new, added)
        columns[name] = np.where(own != 0, own, added).astype(np.uint32)
    return LabelTable(labels.n, columns, ctx.symbols)
