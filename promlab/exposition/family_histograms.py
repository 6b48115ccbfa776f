"""The native histograms of a protobuf body as a table; what contradicts itself is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promlab.exposition.family_rows import Index, histogram_counts
from promlab.model.histograms import GAUGE, UNKNOWN, Buckets, HistogramTable
from promlab.model.wire import BadMessage, Decoded, unzigzag

MIN_SCHEMA, MAX_SCHEMA = -4, 8


def histogram_table(body: Decoded, which: Index, gauges: npt.NDArray[np.bool_]) -> HistogramTable:
    """The histogram messages `which`, ascending; `gauges` says which are gauges.

    Raises BadMessage for a schema that does not exist, for spans that do not fit their
    buckets, and for buckets that do not fit the count.
    """
    n = body.count("metric.histogram")
    schema = unzigzag(body.words("histogram.schema", n))[which]
    if ((schema < MIN_SCHEMA) | (schema > MAX_SCHEMA)).any():
        raise BadMessage(
            f"invalid histogram schema: it must be between {MIN_SCHEMA} and {MAX_SCHEMA}"
        )
    zero_float = body.floats("histogram.zero_count_float", n)
    zero_whole = body.words("histogram.zero_count", n).astype(np.float64)
    positive = _buckets(body, "positive", n).take(which)
    negative = _buckets(body, "negative", n).take(which)
    table = HistogramTable(
        schema.astype(np.int8),
        body.floats("histogram.zero_threshold", n)[which],
        np.where(zero_float > 0, zero_float, zero_whole)[which],
        histogram_counts(body)[which],
        body.floats("histogram.sum", n)[which],
        np.where(gauges, GAUGE, UNKNOWN).astype(np.int8),
        positive,
        negative,
        np.full(len(which), -1, np.int32),
    )
    _check(table)
    return table


def _buckets(body: Decoded, side: str, n: int) -> Buckets:
    counts, owners = _counts(body, side, n)
    spans = body.count(f"histogram.{side}_span")
    span_of = body.field(f"histogram.{side}_span").owners.astype(np.int64)
    offset = unzigzag(body.words(f"{side}_span.offset", spans))
    length = body.words(f"{side}_span.length", spans).astype(np.int64)
    sizes = np.bincount(owners, minlength=n)
    # Checked before anything is made of the lengths, which may say whatever they like.
    if (length < 0).any() or (length > len(counts)).any():
        raise BadMessage(f"the {side} spans of a histogram need more buckets than it has")
    if not np.array_equal(np.bincount(span_of, length, n).astype(np.int64), sizes):
        raise BadMessage(f"the {side} spans of a histogram don't fit its buckets")
    # The first index of a span: where the one before ended, plus its offset.
    step = offset + np.concatenate([[0], length[:-1]])
    first = np.ones(spans, np.bool_)
    first[1:] = span_of[1:] != span_of[:-1]
    step[first] = offset[first]
    run = np.cumsum(step)
    opening = np.maximum.accumulate(np.where(first, np.arange(spans), 0))
    start = run - (run - step)[opening]
    within = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    indices = np.repeat(start, length) + within
    if len(indices) and np.abs(indices).max() > np.iinfo(np.int32).max:
        raise BadMessage(f"the {side} spans of a histogram go too far")
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Buckets(offsets, indices.astype(np.int32), counts)


def _counts(body: Decoded, side: str, n: int) -> tuple[npt.NDArray[np.float64], Index]:
    """Counts of all buckets of one side, and their histograms: from deltas, or as floats."""
    deltas = body.field(f"histogram.{side}_delta")
    floats = body.field(f"histogram.{side}_count")
    owners = deltas.owners.astype(np.int64)
    sums = np.cumsum(unzigzag(deltas.values))
    first = np.ones(len(owners), np.bool_)
    first[1:] = owners[1:] != owners[:-1]
    base = np.concatenate([[0], sums])[:-1][first]
    whole = sums - np.repeat(base, np.diff(np.flatnonzero(np.append(first, True))))
    if not floats.n:
        return whole.astype(np.float64), owners
    both = np.concatenate([owners, floats.owners.astype(np.int64)])
    counts = np.concatenate([whole.astype(np.float64), floats.values.view(np.float64)])
    if np.intersect1d(owners, floats.owners).size:
        raise BadMessage("a histogram has both integer and float buckets")
    order = np.argsort(both, kind="stable")
    return counts[order], both[order]


def _check(table: HistogramTable) -> None:
    found = np.zeros(table.n)
    for side, name in ((table.positive, "positive"), (table.negative, "negative")):
        if (side.counts < 0).any():
            raise BadMessage(f"a histogram has a {name} bucket with a negative count")
        found += np.bincount(side.rows, side.counts, table.n)
    found += table.zero_count
    # Observations of NaN are in no bucket.
    uncounted = np.isnan(table.sum)
    whole = (table.count == np.floor(table.count)) & (found == np.floor(found))
    wrong = np.where(uncounted, found > table.count, whole & (found != table.count))
    if wrong.any():
        worst = int(wrong.argmax())
        raise BadMessage(
            f"{found[worst]:g} observations found in buckets, "
            f"but the count of the histogram is {table.count[worst]:g}"
        )
