"""Arithmetic on native histograms, whole columns at a time.

Everything that adds histograms is one operation, `combine`: each output is a sum of table
rows with a factor each. Buckets are reconciled on the way: to the coarsest schema, the widest
zero bucket, the custom bounds that all have. Resets and equality are read off differences.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from promlab.model.histograms import (
    CUSTOM_SCHEMA,
    GAUGE,
    NOT_RESET,
    RESET,
    UNKNOWN,
    Buckets,
    Floats,
    HistogramTable,
    Index,
    ordered_buckets,
)
from promlab.promql.vector import Mask


class Terms(NamedTuple):
    """Output g is the sum of factors[k] * row rows[k] for starts[g] <= k < starts[g + 1].

    Every output has at least one term.
    """

    starts: Index
    rows: Index
    factors: Floats

    @staticmethod
    def of(counts: Index, rows: Index, factors: Floats | float = 1.0) -> Terms:
        """Terms from the number that each output has."""
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        spread = np.broadcast_to(np.asarray(factors, np.float64), rows.shape)
        return Terms(starts, rows.astype(np.int64), np.ascontiguousarray(spread))

    @staticmethod
    def pairs(a: Index, b: Index, sign: float) -> Terms:
        """a[i] + sign * b[i]."""
        rows = np.stack([a, b], axis=1).reshape(-1)
        return Terms.of(np.full(len(a), 2), rows, np.tile([1.0, sign], len(a)))

    @property
    def n(self) -> int:
        """Number of outputs."""
        return len(self.starts) - 1


class Combined(NamedTuple):
    """The outputs, and what is to be said of each of them.

    `mixed` outputs are made of exponential and custom buckets: they have no meaning.
    `reconciled` ones had different custom bounds, `conflict` ones samples after a reset and
    samples known to follow none.
    """

    table: HistogramTable
    mixed: Mask
    reconciled: Mask
    conflict: Mask


def combine(table: HistogramTable, terms: Terms, coarsest: Index | None = None) -> Combined:
    """Sums of histograms; no finer than the schemas `coarsest`, where those are given."""
    from promlab.promql import bucket_kernels as kernels

    if terms.n == 0:
        none = np.zeros(0, np.bool_)
        return Combined(table.take(np.zeros(0, np.int64)), none, none, none)
    at, rows = terms.starts[:-1], terms.rows
    exponential = table.schema[rows] != CUSTOM_SCHEMA
    any_exponential = np.logical_or.reduceat(exponential, at)
    mixed = any_exponential & ~np.logical_and.reduceat(exponential, at)
    schema = np.minimum.reduceat(table.schema[rows], at)
    if coarsest is not None:
        schema = np.where(any_exponential, np.minimum(schema, coarsest), schema)
    schema = schema.astype(np.int8)
    custom, bounds, reconciled = _shared_bounds(table, terms, any_exponential)
    threshold = _thresholds(table, terms)
    absorbed = np.zeros(terms.n)
    starts, flat = _plain_bounds(bounds)
    sides = []
    for side in (table.positive, table.negative):
        sizes = np.diff(side.offsets)[rows]
        # No more than all terms have together, and no more than there are places.
        widest = int(np.add.reduceat(sizes, at).max(initial=0))
        widest = min(widest, _places(side, bounds))
        room = min(int(sizes.sum()), 2 * int(np.maximum.reduceat(sizes, at).sum()) + 64)
        while True:
            offsets = np.empty(terms.n + 1, np.int64)
            indices, counts = np.empty(room, np.int32), np.empty(room)
            absorbed_here = np.zeros(terms.n)
            needed = kernels.weighted_buckets(
                *terms, table.schema, table.zero_threshold, table.custom, *side,
                schema, threshold, custom, starts, flat, widest,
                offsets, indices, counts, absorbed_here,
            )  # fmt: skip
            if needed <= room:
                break
            room = int(needed)
        absorbed += absorbed_here
        sides.append(Buckets(offsets, indices[:needed], counts[:needed]))
    hint, conflict = _joint_hints(table.hint[rows], at)
    made = HistogramTable(
        schema,
        threshold,
        _sums(terms, table.zero_count) + absorbed,
        _sums(terms, table.count),
        _sums(terms, table.sum),
        hint,
        sides[0],
        sides[1],
        custom,
        bounds,
    )
    return Combined(made, mixed, reconciled & ~mixed, conflict)


def _places(side: Buckets, bounds: tuple[tuple[float, ...], ...]) -> int:
    """How many buckets one histogram of a table can have at most."""
    if not len(side.indices):
        return 0
    span = int(side.indices.max()) - int(side.indices.min())
    return max(span, *map(len, bounds), 0) + 3


def _sums(terms: Terms, values: Floats) -> Floats:
    from promlab.promql import bucket_kernels as kernels

    out = np.empty(terms.n)
    kernels.weighted_sums(*terms, np.ascontiguousarray(values), out)
    return out


def _thresholds(table: HistogramTable, terms: Terms) -> Floats:
    from promlab.promql import bucket_kernels as kernels

    used = table.zero_threshold[terms.rows]
    if (used == used[0]).all():
        return np.full(terms.n, used[0])
    out = np.empty(terms.n)
    kernels.zero_thresholds(
        terms.starts, terms.rows, table.zero_threshold, table.schema,
        *table.positive, *table.negative, out,
    )  # fmt: skip
    return out


def _shared_bounds(
    table: HistogramTable, terms: Terms, exponential: Mask
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int32]], tuple[tuple[float, ...], ...], Mask]:
    """Custom bounds of the outputs: those that all of an output's terms have."""
    codes, at = table.custom[terms.rows], terms.starts[:-1]
    low, high = np.minimum.reduceat(codes, at), np.maximum.reduceat(codes, at)
    custom = np.where(exponential, -1, high).astype(np.int32)
    differ = ~exponential & (low != high)
    if not differ.any():
        return custom, table.bounds, differ
    known = {one: code for code, one in enumerate(table.bounds)}
    met: dict[frozenset[int], int] = {}
    for g in np.flatnonzero(differ).tolist():
        sets = frozenset(codes[terms.starts[g] : terms.starts[g + 1]].tolist())
        if sets not in met:
            shared = set.intersection(*({*table.bounds[code]} for code in sets))
            met[sets] = known.setdefault(tuple(sorted(shared)), len(known))
        custom[g] = met[sets]
    return custom, tuple(known), differ


def _plain_bounds(bounds: tuple[tuple[float, ...], ...]) -> tuple[Index, Floats]:
    starts = np.concatenate([[0], np.cumsum([len(one) for one in bounds])]).astype(np.int64)
    return starts, np.array([value for one in bounds for value in one], np.float64)


def _joint_hints(
    hints: np.ndarray[tuple[int], np.dtype[np.int8]], at: Index
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int8]], Mask]:
    """Hints of sums: a gauge makes a gauge, what differs is not known."""
    low, high = np.minimum.reduceat(hints, at), np.maximum.reduceat(hints, at)
    gauge = high == GAUGE
    joint = np.where(gauge, GAUGE, np.where(low == high, low, UNKNOWN)).astype(np.int8)
    reset = np.logical_or.reduceat(hints == RESET, at)
    return joint, reset & np.logical_or.reduceat(hints == NOT_RESET, at)


def overflows(table: HistogramTable) -> Mask:
    """Which histograms have a number that is infinite."""
    found: Mask = np.isinf(table.count) | np.isinf(table.sum) | np.isinf(table.zero_count)
    for side in (table.positive, table.negative):
        infinite = np.isinf(side.counts)
        if infinite.any():
            found = found | (np.bincount(side.rows[infinite], minlength=table.n) > 0)
    return found


def averages(table: HistogramTable, terms: Terms) -> Combined:
    """Sums divided by their number of terms, without overflow on the way."""
    counts = np.diff(terms.starts)
    whole = combine(table, terms)
    shares = divided(whole.table, counts.astype(np.float64))
    if overflows(whole.table).any():
        parts = np.repeat(1.0 / counts, counts)
        return combine(table, terms._replace(factors=terms.factors * parts))
    return whole._replace(table=shares)


def divided(table: HistogramTable, by: Floats) -> HistogramTable:
    """Histograms divided by a number each; what is divided by 0 loses its buckets."""

    def side(buckets: Buckets) -> Buckets:
        sizes = np.diff(buckets.offsets)
        each = np.repeat(by, sizes)
        if (each == 0).any():
            kept = each != 0
            offsets = np.concatenate([[0], np.cumsum(np.where(by != 0, sizes, 0))])
            indices, counts = buckets.indices[kept], buckets.counts[kept] / each[kept]
            return Buckets(offsets.astype(np.int64), indices, counts)
        return buckets._replace(counts=buckets.counts / each)

    with np.errstate(all="ignore"):
        return replace(
            table,
            # Custom buckets have no zero bucket that a division by 0 would make a NaN of.
            zero_count=np.where(table.custom < 0, table.zero_count / by, 0.0),
            count=table.count / by,
            sum=table.sum / by,
            positive=side(table.positive),
            negative=side(table.negative),
        )


def detect_resets(table: HistogramTable, before: Index, rows: Index) -> Mask:
    """Whether a counter was reset between the histograms before[i] and rows[i].

    Where the hint does not say: it was if anything fell, or got finer.
    """
    hint = table.hint[rows]
    custom = table.schema[rows] == CUSTOM_SCHEMA
    reset: Mask = table.count[rows] < table.count[before]
    reset |= custom != (table.schema[before] == CUSTOM_SCHEMA)
    finer = table.schema[rows] > table.schema[before]
    narrower = table.zero_threshold[rows] < table.zero_threshold[before]
    reset |= ~custom & (finer | narrower)
    open_ = np.flatnonzero(~reset & (hint != RESET) & (hint != NOT_RESET))
    if len(open_):
        reset[open_] = fell(table, before[open_], rows[open_])
    return np.where(hint == RESET, True, np.where(hint == NOT_RESET, False, reset))


def fell(table: HistogramTable, before: Index, rows: Index) -> Mask:
    """Whether a bucket of before[i] holds more than that of rows[i], or cuts its zero bucket."""
    change = combine(table, Terms.pairs(rows, before, -1.0)).table
    found: Mask = change.zero_count < 0
    found |= (change.zero_threshold != table.zero_threshold[rows]) & (change.custom < 0)
    for side in (change.positive, change.negative):
        negative = side.counts < 0
        found |= np.bincount(side.rows[negative], minlength=change.n) > 0
    return found


def texts(table: HistogramTable) -> list[str]:
    """Histograms as text: `{count:4, sum:5, (0.5,1]:1}`."""
    from promlab.promql.texts import float_text

    offsets, lower, upper, counts, place = ordered_buckets(table)
    made = []
    for row in range(table.n):
        parts = [f"count:{_number(table.count[row])}, sum:{_number(table.sum[row])}"]
        for i in range(int(offsets[row]), int(offsets[row + 1])):
            opening = "[" if place[i] <= 0 else "("
            closing = ")" if place[i] < 0 else "]"
            bounds = f"{float_text(float(lower[i]))},{float_text(float(upper[i]))}"
            parts.append(f"{opening}{bounds}{closing}:{_number(counts[i])}")
        made.append("{" + ", ".join(parts) + "}")
    return made


def _number(value: float) -> str:
    from promlab.promql.texts import float_text

    return float_text(float(value))
