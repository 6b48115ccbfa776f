"""Aggregates of samples, for queries over long ranges: min, max, sum, count, last.

A block of aggregates has one value an interval, at the time of the interval's last sample, so
that `max_over_time` of the maxima is the maximum. Of `last`, the samples on both sides of a
counter's reset stay too: increases over them are those over all samples. Staleness markers are
kept beside `last`; native histograms have no aggregates.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.model.labels import Symbols
from promlab.model.samples import SeriesBatch, is_stale
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.meta import Meta
from promlab.tsdb.blocks.rewrite import Rewriter
from promlab.tsdb.index import Verdicts

Bools = npt.NDArray[np.bool_]
Longs = npt.NDArray[np.int64]

AGGREGATES = ("min", "max", "sum", "count", "last")
_HINT = "aggregate:"
_MOST_RESETS = 4  # a series that falls more often within an interval is no counter
_ROWS_A_SEGMENT = 1_440
# Functions that give (nearly) the same on an aggregate as on all samples.
BY_FUNCTION = {
    "min_over_time": "min",
    "max_over_time": "max",
    "sum_over_time": "sum",
    "last_over_time": "last",
    "rate": "last",
    "increase": "last",
    "delta": "last",
    "resets": "last",
}


def aggregate_of(meta: Meta) -> str:
    """Which aggregate a block has; "" for samples as they came."""
    found = [hint.removeprefix(_HINT) for hint in meta.hints if hint.startswith(_HINT)]
    return found[0] if found else ""


def downsampled(batch: SeriesBatch, resolution_ms: int, aggregate: str) -> SeriesBatch:
    """One aggregate of a batch."""
    counts = np.diff(batch.offsets)
    series = np.repeat(np.arange(batch.n), counts)
    shift = np.repeat(batch.times_at - batch.offsets[:-1], counts)
    t_ms = batch.t_ms[np.arange(batch.sample_count) + shift]
    values = batch.values
    there = np.ones(len(values), np.bool_)
    if batch.histograms is not None:
        there = batch.histograms.index < 0
    stale = is_stale(values)
    if aggregate != "last":
        there &= ~stale
    series, t_ms, values, stale = series[there], t_ms[there], values[there], stale[there]
    if not len(series):
        return SeriesBatch.empty(batch.labels.symbols)
    if aggregate == "last":
        kept = _lasts(series, t_ms, values, stale, resolution_ms)
        return _batch(batch, series[kept], t_ms[kept], values[kept])
    interval = t_ms // resolution_ms
    changes = (series[1:] != series[:-1]) | (interval[1:] != interval[:-1])
    starts = np.append(0, np.flatnonzero(changes) + 1)
    ends = np.append(starts[1:], len(series)) - 1
    with np.errstate(all="ignore"):
        match aggregate:
            case "min":
                out = np.fmin.reduceat(values, starts)
            case "max":
                out = np.fmax.reduceat(values, starts)
            case "sum":
                out = np.add.reduceat(values, starts)
            case _:
                out = (ends - starts + 1).astype(np.float64)
    return _batch(batch, series[ends], t_ms[ends], out)


def _lasts(
    series: Longs, t_ms: Longs, values: npt.NDArray[np.float64], stale: Bools, resolution_ms: int
) -> Bools:
    """Which samples stay: first, last of each interval, resets with what was before, markers."""
    interval = t_ms // resolution_ms
    changes = (series[1:] != series[:-1]) | (interval[1:] != interval[:-1])
    kept = np.append(changes, True)
    kept |= np.append(True, series[1:] != series[:-1])  # from where a counter begins
    kept |= stale
    kept[:-1] |= stale[1:] & (series[1:] == series[:-1])
    with np.errstate(invalid="ignore"):
        falls = (values[1:] < values[:-1]) & (series[1:] == series[:-1])
    group = np.cumsum(np.append(0, changes))
    often = np.bincount(group[1:][falls], minlength=int(group[-1]) + 1) > _MOST_RESETS
    falls &= ~often[group[1:]]
    kept[1:] |= falls
    kept[:-1] |= falls
    return kept


def _batch(
    batch: SeriesBatch, series: Longs, t_ms: Longs, values: npt.NDArray[np.float64]
) -> SeriesBatch:
    used, at = np.unique(series, return_index=True)
    offsets = np.append(at, len(series)).astype(np.int64)
    return SeriesBatch(
        batch.labels.take(used),
        offsets,
        offsets[:-1].copy(),
        np.ascontiguousarray(t_ms),
        np.ascontiguousarray(values),
    )


def downsample(directory: Path, name: str, resolution_ms: int) -> list[Meta]:
    """Write the aggregates of a block, each as a block of its own. Raises StorageError."""
    block = Block(directory / name)
    metas = []
    rewriter = Rewriter(directory, Verdicts(Symbols()), [block])
    for aggregate in AGGREGATES:

        def transform(batch: SeriesBatch, aggregate: str = aggregate) -> SeriesBatch:
            return downsampled(batch, resolution_ms, aggregate)

        writer = rewriter.write(
            block.meta.min_time,
            block.meta.max_time,
            level=6,
            transform=transform,
            segment_ms=resolution_ms * _ROWS_A_SEGMENT,
        )
        meta = writer.finish(
            min_time=block.meta.min_time,
            max_time=block.meta.max_time,
            level=block.meta.level,
            sources=block.meta.sources,
            resolution_ms=resolution_ms,
            hints=(_HINT + aggregate,),
        )
        metas += [meta] if meta is not None else []
    return metas


def next_downsampling(
    metas: list[Meta], newest_ms: int, resolutions: list[tuple[int, int]]
) -> tuple[str, int] | None:
    """A block that has no aggregates yet, and of which resolution; `resolutions` with ages."""
    for resolution, after in resolutions:
        done = {
            source
            for meta in metas
            if meta.resolution_ms == resolution and aggregate_of(meta) == AGGREGATES[-1]
            for source in meta.sources
        }
        for meta in metas:
            old = meta.max_time <= newest_ms - after
            if not meta.resolution_ms and old and not set(meta.sources) <= done:
                return meta.ulid, resolution
    return None


def usable(func: str, step_ms: int, range_ms: int, resolution_ms: int) -> str:
    """The aggregate that serves a query at that resolution as well as all samples; "" if none.

    Of a window at least five intervals, so that its edges matter little; of an instant selector
    a step of at least one, and no more than a lookback of five minutes between two samples.
    """
    if range_ms:
        aggregate = BY_FUNCTION.get(func, "")
        return aggregate if range_ms >= 5 * resolution_ms else ""
    return "last" if resolution_ms <= min(step_ms, 300_000) else ""
