"""`anchored` and `smoothed`: rates without extrapolation.

An anchored window begins with the last sample at or before its left edge, no older than the
lookback delta before it. A smoothed one has values interpolated between samples at both
edges, and looks ahead by the lookback delta for that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from promlab.model.samples import Values
from promlab.promql.eval_selector import Window
from promlab.promql.sample_windows import Index, SampleClock, pick
from promlab.promql.vector import Mask


class Extent(NamedTuple):
    """Windows widened to the samples that their edges are made of, [n, steps] each.

    Samples first..last (both included) count where `present`; `start` and `end` are the
    moments of the edges in ms, i64[steps].
    """

    times: Index
    first: Index
    last: Index
    start: Index
    end: Index
    present: Mask


def extent(window: Window) -> Extent:
    """The samples that an extended window's value depends on."""
    ahead_ms = window.lookback_ms if window.smoothed else 0
    clock = SampleClock(window.batch)
    times, low, high = clock.windows(window.ends, window.range_ms + window.lookback_ms, ahead_ms)
    end = window.ends.times
    start = end - window.range_ms
    some = high > low
    first = np.maximum(low, np.minimum(clock.after(start), high - 1) - 1)
    last = high - 1
    if window.smoothed:
        last = np.minimum(clock.after(end - 1), last)
    present = some & (pick(times, last) > start)
    if window.smoothed:
        present &= pick(times, first) <= end
    return Extent(times, first, last, start, end, present)


def extended_rate(window: Window, *, counter: bool, per_second: bool) -> tuple[Values, Mask]:
    """Difference between the edges, what counters lost in resets added."""
    values = window.batch.values
    at = extent(window)
    first_t, last_t = pick(at.times, at.first), pick(at.times, at.last)
    left, right = pick(values, at.first), pick(values, at.last)
    if window.smoothed:
        reaches = first_t < at.start
        made = interpolated(values, at.times, at.first, at.first + 1, at.start, counter=counter)
        left = np.where(reaches, made, left)
        reaches = last_t > at.end
        made = interpolated(values, at.times, at.last - 1, at.last, at.end, counter=counter)
        # A first sample beyond the edge is not interpolated: nothing stands before it.
        right = np.where(reaches & (at.last > _series_start(window)), made, right)
    with np.errstate(all="ignore"):
        result = right - left
        if counter:
            inner_first = at.first + (first_t <= at.start)
            inner_last = at.last - (last_t >= at.end)
            result = result + _lost(values, left, right, inner_first, inner_last)
        if per_second:
            result = result / (window.range_ms / 1000.0)
    return np.where(at.present, result, 0.0), at.present


def _series_start(window: Window) -> Index:
    start: Index = window.batch.offsets[:-1, None]
    return start


def _lost(values: Values, left: Values, right: Values, first: Index, last: Index) -> Values:
    """What is lost in resets from the left edge over samples first..last to the right edge."""
    drops = np.zeros(len(values) + 1)
    if len(values):
        before, after = values[:-1], values[1:]
        drops[2:] = np.cumsum(np.where(after < before, before, 0.0))
    none = last < first
    a, b = pick(values, first), pick(values, last)
    between = drops[np.clip(last + 1, 0, len(values))] - drops[np.clip(first + 1, 0, len(values))]
    some = np.where(a < left, left, 0.0) + between + np.where(right < b, b, 0.0)
    lost: Values = np.where(none, np.where(right < left, left, 0.0), some)
    return lost


def interpolated(
    values: Values, times: Index, a: Index, b: Index, moment: Index, *, counter: bool
) -> Values:
    """Value at a moment on the line between two samples; after a reset, a counter's from 0."""
    y0, y1 = pick(values, a), pick(values, b)
    t0, t1 = pick(times, a), pick(times, b)
    with np.errstate(all="ignore"):
        if counter:
            y0 = np.where(y1 < y0, 0.0, y0)
        found: Values = y0 + (y1 - y0) * (moment - t0) / (t1 - t0)
    return found
