"""Rates, sums and changes over windows of native histograms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from promlab.model.histograms import CUSTOM_SCHEMA, GAUGE, Floats, Index
from promlab.promql import annotation_texts as texts
from promlab.promql.ast import Call
from promlab.promql.context import QueryContext
from promlab.promql.eval_selector import Window
from promlab.promql.histogram_equality import equal_rows
from promlab.promql.histogram_windows import (
    Parts,
    any_gauge,
    note_combined,
    sample_resets,
    warn_of,
    with_cells,
)
from promlab.promql.native_histograms import (
    Terms,
    averages,
    combine,
    detect_resets,
)
from promlab.promql.sample_windows import SampleClock, counted, pick, within_series
from promlab.promql.started_windows import (
    extrapolation,
    first_in_window,
    start_resets,
    starts_known,
    value_resets,
    warn_of_overlaps,
)
from promlab.promql.vector import Mask, Vector


def add_rates(ctx: QueryContext, node: Call, apart: Parts, floats: Vector) -> Vector:
    """The rates of floats, and those of the histograms of the same series."""
    counter, argument = node.function != "delta", node.args[0]
    window, at, table, rows = apart.histograms, apart.at, apart.table, apart.rows
    labels = window.batch.labels
    warn_of(ctx, texts.MIXED_RANGE, labels, apart.mixed, argument)
    floats = floats.where(floats.present & ~apart.mixed)
    resets = sample_resets(window.batch, table, rows)
    from_start = np.zeros(at.first.shape, np.bool_)
    if counter and starts_known(ctx, window.batch):
        warn_of_overlaps(ctx, node, window, at)
        resets |= start_resets(window.batch, at.times)
        from_start = first_in_window(window, at)
    row, step = np.nonzero(((at.size > 1) | from_start) & ~apart.mixed)
    first, end = at.first[row, step], at.end[row, step]
    gauges = counted(any_gauge(table, rows))
    void = np.zeros(len(row), np.bool_)
    if counter:
        # A reset right after the first sample: nothing is to be known of that one.
        void = (end - first > 1) & pick(resets, first + 1)
        wrong = gauges[end] > gauges[first]
        _warn_of_cells(ctx, texts.NOT_COUNTER, apart, row, wrong, node)
        lost = _reset_terms(resets, np.minimum(first + 2, end), end)
    else:
        wrong = ~(any_gauge(table, rows[first]) & any_gauge(table, rows[end - 1]))
        _warn_of_cells(ctx, texts.NOT_GAUGE, apart, row, wrong, node)
        lost = _reset_terms(resets, end, end)
    fits = _one_kind(apart, first + void, end, counter=counter)
    _warn_of_cells(ctx, texts.MIXED_BUCKETS, apart, row, ~fits, node)
    every = np.arange(len(row))
    kept, zero = ~void, from_start[row, step]
    terms = _ordered_terms(
        len(row),
        [every, every[kept], every[zero], lost[0]],
        [rows[end - 1], rows[first[kept]], rows[first[zero]], rows[lost[1] - 1]],
        [1.0, -1.0, 1.0, 1.0],
    )
    ctx.hold(len(terms.rows))
    combined = combine(table, terms, _coarsest(apart, first + void, end) if counter else None)
    ctx.hold(combined.table.bucket_count)
    good = note_combined(ctx, combined, labels, row, argument, "subtraction") & fits
    result, before = np.zeros(at.first.shape), np.zeros(at.first.shape)
    result[row, step], before[row, step] = combined.table.count, table.count[rows[first]]
    factor, _ = extrapolation(window, at, result, before, from_start, counter=counter)
    if node.function == "rate":
        factor = factor / (window.range_ms / 1000.0)
    made = combined.table.scaled(factor[row, step]).hinted(GAUGE)
    return with_cells(floats, made, (row, step), good)


def _warn_of_cells(
    ctx: QueryContext, message: str, apart: Parts, row: Index, wrong: Mask, node: Call
) -> None:
    where = np.zeros((apart.histograms.batch.n, 1), np.bool_)
    where[row[wrong]] = True
    warn_of(ctx, message, apart.histograms.batch.labels, where, node.args[0])


def _one_kind(apart: Parts, first: Index, end: Index, *, counter: bool) -> Mask:
    """Whether the samples of windows are all exponential or all custom (or those at the edges,
    where there is nothing to be said of the others)."""
    custom = apart.table.schema[apart.rows] == CUSTOM_SCHEMA
    if counter:
        before = counted(custom)
        inside = before[end] - before[first]
        fits: Mask = (inside == 0) | (inside == end - first)
        return fits
    same: Mask = custom[first] == custom[end - 1]
    return same


def _coarsest(apart: Parts, first: Index, end: Index) -> Index | None:
    """The smallest schema in each window; None where all are equal anyway."""
    schema = apart.table.schema[apart.rows].astype(np.int64)
    if not len(schema) or not len(first) or (schema == schema[0]).all():
        return None
    # reduceat takes [first, end) pairs; what lies between pairs is thrown away.
    edges = np.stack([first, end], axis=1).reshape(-1)
    smallest: Index = np.minimum.reduceat(np.append(schema, 99), edges)[::2]
    return smallest


def _reset_terms(resets: Mask, first: Index, end: Index) -> tuple[Index, Index]:
    """For each window, its resets in [first, end): which window, and which sample."""
    places = np.flatnonzero(resets)
    before = counted(resets)
    low, high = before[first], before[np.maximum(end, first)]
    counts = high - low
    window = np.repeat(np.arange(len(first)), counts)
    starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
    within = np.arange(len(window)) - np.repeat(starts, counts)
    return window, places[np.repeat(low, counts) + within]


def _ordered_terms(n: int, cells: list[Index], rows: list[Index], factors: list[float]) -> Terms:
    """Terms of several kinds, brought together by output."""
    cell = np.concatenate(cells)
    spread = np.concatenate([np.full(len(c), f) for c, f in zip(cells, factors, strict=True)])
    order = np.argsort(cell, kind="stable")
    return Terms.of(np.bincount(cell, minlength=n), np.concatenate(rows)[order], spread[order])


def add_sums(ctx: QueryContext, node: Call, apart: Parts, floats: Vector) -> Vector:
    """Sums or averages over time: of floats, and of histograms; not of both."""
    at, labels = apart.at, apart.histograms.batch.labels
    argument = node.args[0]
    warn_of(ctx, texts.MIXED_RANGE, labels, apart.mixed, argument)
    floats = floats.where(floats.present & ~apart.mixed)
    row, step = np.nonzero((at.size > 0) & ~apart.mixed)
    first, counts = at.first[row, step], at.size[row, step]
    ctx.hold(int(counts.sum()))
    starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
    samples = np.repeat(first - starts, counts) + np.arange(int(counts.sum()))
    terms = Terms.of(counts, apart.rows[samples])
    join = averages if node.function == "avg_over_time" else combine
    combined = join(apart.table, terms)
    ctx.hold(combined.table.bucket_count)
    good = note_combined(ctx, combined, labels, row, argument, "aggregation")
    if (combined.conflict & good).any():
        ctx.annotations.warn(texts.CONFLICT.format(verb="aggregation"), argument)
    return with_cells(floats, combined.table, (row, step), good)


def last_two_of_any(ctx: QueryContext, node: Call, window: Window) -> Vector:
    """irate or idelta of series with floats and histograms: by a window's last two samples."""
    batch, argument = window.batch, node.args[0]
    column = batch.histograms
    assert column is not None
    counter = node.function == "irate"
    ctx.hold(4 * batch.n * window.ends.count)
    at = SampleClock(batch).windows(window.ends, window.range_ms)
    resets = value_resets(batch)
    started = np.zeros(len(resets), np.bool_)
    if starts_known(ctx, batch):
        started = start_resets(batch, at.times)
    last, before = at.end - 1, at.end - 2
    enough = at.size > 1
    kind, kind_before = pick(column.index, last) >= 0, pick(column.index, before) >= 0
    warn_of(ctx, texts.MIXED_RANGE, batch.labels, enough & (kind != kind_before), argument)
    present = enough & ~kind & ~kind_before
    value, value_before = pick(batch.values, last), pick(batch.values, before)
    apart_s = (pick(at.times, last) - pick(at.times, before)) / 1000.0
    with np.errstate(all="ignore"):
        change = value - value_before
        if counter:
            change = np.where(pick(resets | started, last), value, change) / apart_s
    vector = Vector(batch.labels, np.where(present, change, 0.0), present, window.unnamed)
    row, step = np.nonzero(enough & kind & kind_before)
    a, b = column.index[before[row, step]], column.index[last[row, step]]
    table = column.table
    gauges = any_gauge(table, a), any_gauge(table, b)
    wrong = gauges[0] | gauges[1] if counter else ~(gauges[0] & gauges[1])
    where = np.zeros((batch.n, 1), np.bool_)
    where[row[wrong]] = True
    message = texts.NOT_COUNTER if counter else texts.NOT_GAUGE
    warn_of(ctx, message, batch.labels, where, argument)
    alone = np.zeros(len(row), np.bool_)
    if counter:
        alone = detect_resets(table, a, b) | started[last[row, step]]
    every = np.arange(len(row))
    terms = _ordered_terms(len(row), [every, every[~alone]], [b, a[~alone]], [1.0, -1.0])
    combined = combine(table, terms)
    good = note_combined(ctx, combined, batch.labels, row, argument, "subtraction")
    made = combined.table.hinted(GAUGE)
    if counter:
        made = made.scaled(1.0 / apart_s[row, step])
    return with_cells(vector, made, (row, step), good)


def changed_samples(window: Window, flags: Mask, *, resets: bool) -> Mask:
    """Flags of samples that differ from the one before, histograms among them seen to."""
    column = window.batch.histograms
    if column is None or len(flags) < 2:
        return flags
    new, old = column.index[1:], column.index[:-1]
    flags = flags.copy()
    flags[1:] = np.where((new >= 0) | (old >= 0), (new >= 0) != (old >= 0), flags[1:])
    both = np.flatnonzero((new >= 0) & (old >= 0))
    if len(both):
        a, b = old[both], new[both]
        differs = detect_resets(column.table, a, b) if resets else ~equal_rows(column.table, a, b)
        flags[both + 1] = differs
    return within_series(window.batch, flags)


def with_indices(vector: Vector, window: Window, samples: Index) -> Vector:
    """A vector of samples by their place in the batch, with their histograms."""
    column = window.batch.histograms
    if column is None:
        return vector
    index = np.where(vector.present, pick(column.index, samples), -1)
    return vector.with_histograms(replace(column, index=index))


def scaled_cells(vector: Vector, factors: Floats) -> Vector:
    """The histograms of a vector multiplied, f64[n, steps]; its floats stay."""
    column = vector.histograms
    if column is None:
        return vector
    row, step = np.nonzero(column.index >= 0)
    rows = column.index[row, step]
    made = column.table.take(rows).scaled(factors[row, step])
    index = np.full(column.index.shape, -1, np.int64)
    index[row, step] = np.arange(len(rows))
    return vector._replace(histograms=type(column)(made, index))
