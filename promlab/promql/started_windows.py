"""Rates that know since when samples count, and changes from sample to sample.

A start timestamp between two samples is a reset, whatever their values; one inside the window
before its first sample is a zero to count from instead of extrapolating.
"""

from __future__ import annotations

import numpy as np

from promlab.model.labels import METRIC_NAME
from promlab.model.samples import SeriesBatch, Times, Values
from promlab.promql.annotation_texts import START_OVERLAP
from promlab.promql.ast import Call
from promlab.promql.context import QueryContext
from promlab.promql.eval_selector import Window
from promlab.promql.extended_windows import extent
from promlab.promql.sample_windows import (
    Index,
    SampleClock,
    SampleWindows,
    counted,
    pick,
    within_series,
)
from promlab.promql.vector import Mask


def starts_known(ctx: QueryContext, batch: SeriesBatch) -> bool:
    """Whether start timestamps are there and to be used."""
    return batch.start_ms is not None and ctx.options.start_timestamps


def start_resets(batch: SeriesBatch, times: Times) -> Mask:
    """Samples that began to count after the sample before them, bool[samples]."""
    reset = np.zeros(len(times), np.bool_)
    if batch.start_ms is None or not len(times):
        return reset
    start, before, before_start = batch.start_ms[1:], times[:-1], batch.start_ms[:-1]
    known = (start != 0) & (start < times[1:])
    # A start at the very sample before: a delta, if that one's own start is sensible too.
    follows = (start == before) & (before_start != 0) & (before_start < before)
    reset[1:] = known & ((start > before) | follows)
    return within_series(batch, reset)


def _overlaps(batch: SeriesBatch, times: Times) -> Mask:
    """Samples that began to count before the sample before them was taken, but not with it."""
    flags = np.zeros(len(times), np.bool_)
    if batch.start_ms is not None and len(times):
        start, earlier = batch.start_ms[1:], batch.start_ms[:-1]
        flags[1:] = (start != 0) & (start < times[:-1]) & (start != earlier)
    return within_series(batch, flags)


def warn_of_overlaps(ctx: QueryContext, node: Call, window: Window, at: SampleWindows) -> None:
    """Say which metrics have samples whose start is before the sample before."""
    before = counted(_overlaps(window.batch, at.times))
    inside = (at.size > 1) & (before[at.end] > before[np.minimum(at.first + 1, at.end)])
    names = window.batch.labels.column(METRIC_NAME)
    for code in np.unique(names[inside.any(axis=1)]).tolist():
        name = window.batch.labels.symbols.text(code)
        ctx.annotations.warn(START_OVERLAP.format(name=name), node.args[0])


def value_resets(batch: SeriesBatch) -> Mask:
    """Samples of smaller value than the one before them."""
    flags = np.zeros(len(batch.values), np.bool_)
    flags[1:] = batch.values[1:] < batch.values[:-1]
    return within_series(batch, flags)


def started_rate(
    ctx: QueryContext, node: Call, window: Window, *, per_second: bool
) -> tuple[Values, Mask]:
    """Rate or increase of floats with start timestamps."""
    batch = window.batch
    ctx.hold(6 * batch.n * window.ends.count)
    at = SampleClock(batch).windows(window.ends, window.range_ms)
    warn_of_overlaps(ctx, node, window, at)
    resets = value_resets(batch) | start_resets(batch, at.times)
    first_value = pick(batch.values, at.first)
    before = np.concatenate([[0.0], batch.values[:-1]]) if len(batch.values) else batch.values
    lost = np.concatenate([[0.0], np.cumsum(np.where(resets & np.isfinite(before), before, 0.0))])
    gained = lost[at.end] - lost[np.minimum(at.first + 1, at.end)]
    result = pick(batch.values, at.end - 1) - first_value + gained
    from_start = first_in_window(window, at)
    result = np.where(from_start, result + first_value, result)
    factor, present = extrapolation(window, at, result, first_value, from_start, counter=True)
    if per_second:
        factor = factor / (window.range_ms / 1000.0)
    return np.where(present, result * factor, 0.0), present


def first_in_window(window: Window, at: SampleWindows) -> Mask:
    """Where the first sample of a window began to count inside it."""
    if window.batch.start_ms is None:
        return np.zeros(at.first.shape, np.bool_)
    left = window.ends.times - window.range_ms
    start = pick(window.batch.start_ms, at.first)
    found: Mask = (at.size > 0) & (start != 0) & (start > left)
    found &= start < pick(at.times, at.first)
    return found


def extrapolation(
    window: Window,
    at: SampleWindows,
    result: Values,
    first_value: Values,
    from_start: Mask,
    *,
    counter: bool,
) -> tuple[Values, Mask]:
    """By how much a window's difference is to be stretched to its edges, and where it is one.

    An edge further away than 1.1 times the mean spacing counts as half a spacing away; a
    counter does not get below zero. From a known start on, nothing is stretched to the left.
    """
    right = window.ends.times
    first_t, last_t = pick(at.times, at.first), pick(at.times, at.end - 1)
    to_start = (first_t - (right - window.range_ms)) / 1000.0
    to_end = (right - last_t) / 1000.0
    with np.errstate(all="ignore"):
        sampled = (last_t - first_t) / 1000.0
        mean = sampled / np.maximum(at.size - 1, 1)
        threshold = mean * 1.1
        to_start = np.where(to_start >= threshold, mean / 2, to_start)
        if counter:
            to_zero = sampled * (first_value / result)
            falls = (result > 0) & (first_value >= 0) & (to_zero < to_start)
            to_start = np.where(falls, to_zero, to_start)
        to_end = np.where(to_end >= threshold, mean / 2, to_end)
        if window.batch.start_ms is not None and from_start.any():
            began = pick(window.batch.start_ms, at.first)
            sampled = np.where(from_start, (last_t - began) / 1000.0, sampled)
            to_start = np.where(from_start, 0.0, to_start)
        factor = (sampled + to_start + to_end) / sampled
    factor = np.where(sampled != 0, factor, 1.0)
    return factor, (at.size > 1) | from_start


def started_irate(window: Window) -> tuple[Values, Mask]:
    """Difference a second of the last two samples; after a reset, the last value."""
    batch = window.batch
    at = SampleClock(batch).windows(window.ends, window.range_ms)
    resets = value_resets(batch) | start_resets(batch, at.times)
    last, before = pick(batch.values, at.end - 1), pick(batch.values, at.end - 2)
    apart = (pick(at.times, at.end - 1) - pick(at.times, at.end - 2)) / 1000.0
    present = at.size > 1
    with np.errstate(all="ignore"):
        value = np.where(pick(resets, at.end - 1), last, last - before) / apart
    return np.where(present, value, 0.0), present


def counted_changes(ctx: QueryContext, window: Window, *, resets: bool) -> tuple[Values, Mask]:
    """How many samples of each window differ from the one before, or are resets."""
    batch = window.batch
    ctx.hold(3 * batch.n * window.ends.count)
    clock = SampleClock(batch)
    if resets:
        flags = value_resets(batch)
        if starts_known(ctx, batch):
            flags |= start_resets(batch, clock.times)
    else:
        flags = np.zeros(len(batch.values), np.bool_)
        new, old = batch.values[1:], batch.values[:-1]
        flags[1:] = (new != old) & ~(np.isnan(new) & np.isnan(old))
        flags = within_series(batch, flags)
    if batch.histograms is not None:
        from promlab.promql.histogram_rates import changed_samples

        started = start_resets(batch, clock.times) if resets and starts_known(ctx, batch) else False
        flags = changed_samples(window, flags, resets=resets) | started
    if window.anchored:
        found = extent(window)
        first, end, present = found.first, found.last + 1, found.present
    else:
        _, first, end = clock.windows(window.ends, window.range_ms)
        present = end > first
    before: Index = counted(flags)
    count = before[end] - before[np.minimum(first + 1, end)]
    return np.where(present, count, 0).astype(np.float64), present
