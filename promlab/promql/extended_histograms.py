"""`anchored` and `smoothed` windows of native histograms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from promlab.model.histograms import CUSTOM_SCHEMA, GAUGE, HistogramTable, Index
from promlab.promql import annotation_texts as texts
from promlab.promql.ast import Call
from promlab.promql.context import QueryContext
from promlab.promql.extended_windows import extent
from promlab.promql.histogram_windows import (
    Parts,
    any_gauge,
    note_combined,
    sample_resets,
    warn_of,
    with_cells,
)
from promlab.promql.native_histograms import Combined, Terms, combine, detect_resets
from promlab.promql.sample_windows import counted, pick
from promlab.promql.vector import Mask, Vector


class Between(NamedTuple):
    """Histograms on the line between two samples, and what is to be said of them."""

    combined: Combined
    after_reset: Mask


def histograms_between(
    table: HistogramTable, a: Index, b: Index, share: np.ndarray, *, counter: Mask
) -> Between:
    """a + (b - a) * share for table rows; after a reset, a counter's from nothing."""
    reset = counter & detect_resets(table, a, b) & (share > 0) & (share < 1)
    left = np.where(reset, 0.0, 1.0 - share)
    parts = [(a, left), (b, share)]
    cells, rows, factors = [], [], []
    for row, factor in parts:
        used = np.flatnonzero(factor != 0)
        cells.append(used)
        rows.append(row[used])
        factors.append(factor[used])
    order = np.argsort(np.concatenate(cells), kind="stable")
    terms = Terms.of(
        np.bincount(np.concatenate(cells), minlength=len(a)),
        np.concatenate(rows)[order],
        np.concatenate(factors)[order],
    )
    return Between(combine(table, terms), reset)


def add_extended_rates(ctx: QueryContext, node: Call, apart: Parts, floats: Vector) -> Vector:
    """Differences between the edges of windows, what counters lost in resets added."""
    counter, argument = node.function != "delta", node.args[0]
    window, table, rows = apart.histograms, apart.table, apart.rows
    labels = window.batch.labels
    warn_of(ctx, texts.MIXED_RANGE, labels, apart.mixed, argument)
    floats = floats.where(floats.present & ~apart.mixed)
    at = extent(window)
    row, step = np.nonzero(at.present & ~apart.mixed)
    if not len(row):
        return floats
    first, last = at.first[row, step], at.last[row, step]
    first, last, row, step = _of_one_kind(ctx, node, apart, first, last, row, step)
    if counter:
        gauges = counted(any_gauge(table, rows))
        _warn(ctx, texts.NOT_COUNTER, apart, row[gauges[last + 1] > gauges[first]], node)
    else:
        known = any_gauge(table, rows[first]) & any_gauge(table, rows[last])
        _warn(ctx, texts.NOT_GAUGE, apart, row[~known], node)
    start, end = at.start[step], at.end[step]
    t_first, t_last = at.times[first], at.times[last]
    from_left = _share(t_first, pick(at.times, first + 1), start, window.smoothed, first < last)
    before_last = np.maximum(last - 1, first)
    to_right = _share(at.times[before_last], t_last, end, window.smoothed, last > first)
    to_right = np.where(window.smoothed & (t_last > end), to_right, 1.0)
    is_counter = np.full(len(row), counter)
    left = histograms_between(
        table, rows[first], rows[np.minimum(first + 1, last)], from_left, counter=is_counter
    )
    right = histograms_between(table, rows[before_last], rows[last], to_right, counter=is_counter)
    edges = [left.combined.table.hinted(0), right.combined.table.hinted(0)]
    stacked = HistogramTable.stack([table, *edges])
    n, m = table.n, len(row)
    left_rows, right_rows = n + np.arange(m), n + m + np.arange(m)
    cells = [np.arange(m), np.arange(m)]
    terms = [right_rows, left_rows]
    signs = [np.ones(m), -np.ones(m)]
    if counter:
        resets = sample_resets(window.batch, table, rows)
        for cell, lost in _corrections(stacked, apart, resets, first, last, left, right, n):
            cells.append(cell)
            terms.append(lost)
            signs.append(np.ones(len(cell)))
    order = np.argsort(np.concatenate(cells), kind="stable")
    counts = np.bincount(np.concatenate(cells), minlength=m)
    together = Terms.of(counts, np.concatenate(terms)[order], np.concatenate(signs)[order])
    combined = combine(stacked, together)
    ctx.hold(combined.table.bucket_count)
    good = note_combined(ctx, combined, labels, row, argument, "subtraction")
    made = combined.table.hinted(GAUGE)
    if node.function == "rate":
        made = made.scaled(1000.0 / window.range_ms)
    return with_cells(floats, made, (row, step), good)


def _share(t0: Index, t1: Index, moment: Index, smoothed: bool, pair: Mask) -> np.ndarray:
    """How far a moment is from one sample to the next; 0 where nothing is interpolated."""
    inside = smoothed & pair & (t0 < moment)
    return np.where(inside, (moment - t0) / np.where(inside, t1 - t0, 1), 0.0)


def _of_one_kind(
    ctx: QueryContext, node: Call, apart: Parts, first: Index, last: Index, row: Index, step: Index
) -> tuple[Index, Index, Index, Index]:
    """The windows that are all exponential or all custom; warns of the others."""
    before = counted(apart.table.schema[apart.rows] == CUSTOM_SCHEMA)
    inside = before[last + 1] - before[first]
    fits = (inside == 0) | (inside == last + 1 - first)
    _warn(ctx, texts.MIXED_BUCKETS, apart, row[~fits], node)
    return first[fits], last[fits], row[fits], step[fits]


def _warn(ctx: QueryContext, message: str, apart: Parts, rows: Index, node: Call) -> None:
    where = np.zeros((apart.histograms.batch.n, 1), np.bool_)
    where[rows] = True
    warn_of(ctx, message, apart.histograms.batch.labels, where, node.args[0])


def _corrections(
    stacked: HistogramTable,
    apart: Parts,
    resets: Mask,
    first: Index,
    last: Index,
    left: Between,
    right: Between,
    n: int,
) -> list[tuple[Index, Index]]:
    """What each window's counter had before its resets: window, and row of the stacked table."""
    m, rows = len(first), apart.rows
    # The first sample is `left`; where that was made across a reset, the next one is known too.
    begin = first + 1 + left.after_reset
    before_begin = np.where(left.after_reset, rows[np.minimum(first + 1, last)], n + np.arange(m))
    inner = begin <= last - 1
    found: list[tuple[Index, Index]] = []
    cells = np.flatnonzero(inner)
    if len(cells):
        fell = detect_resets(stacked, before_begin[cells], rows[begin[cells]])
        found.append((cells[fell], before_begin[cells[fell]]))
        places = np.flatnonzero(resets)
        before = counted(resets)
        low, high = before[begin[cells] + 1], before[last[cells]]
        counts = np.maximum(high - low, 0)
        starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
        within = np.arange(int(counts.sum())) - np.repeat(starts, counts)
        found.append((np.repeat(cells, counts), rows[places[np.repeat(low, counts) + within] - 1]))
    ends = np.flatnonzero(begin <= last)
    if len(ends):
        previous = np.where(inner, rows[np.maximum(last - 1, 0)], before_begin)[ends]
        # The right edge is as much a reset as the sample that it is made of.
        known = apart.table.hint[rows[last[ends]]] == 1
        fell = known | detect_resets(stacked, previous, n + m + ends)
        found.append((ends[fell], previous[fell]))
    return found
