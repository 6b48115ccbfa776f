"""Native histograms as Prometheus's chunks: those of one series cut into chunks, and back.

A chunk's histograms have all buckets that any of them has. A counter that was reset begins a new
chunk: inside of one, readers take it that there was none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import PromlabError
from promlab.model.histograms import (
    CUSTOM_SCHEMA,
    GAUGE,
    NOT_RESET,
    RESET,
    UNKNOWN,
    Buckets,
    HistogramTable,
)
from promlab.model.samples import Times
from promlab.remote.write import distinct_bounds

INTEGERS, FLOATS = 2, 3  # kinds of chunks
CHUNK_SAMPLES = 120
_MOST_CELLS = 1 << 20  # of one chunk
_EXACT = float(1 << 53)
_FLAGS = {UNKNOWN: 0, NOT_RESET: 0, RESET: 2, GAUGE: 3}
Index = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class BadChunk(PromlabError):
    """A chunk that can't be decoded."""


class Chunk(NamedTuple):
    """A chunk of the samples from `first` up to `last`."""

    first: int
    last: int
    kind: int
    body: bytes


def chunks(table: HistogramTable, t_ms: Times) -> Iterator[Chunk]:
    """All histograms of a table, which are those of one series at these times."""
    gauge = table.hint == GAUGE
    keys = (table.schema, table.zero_threshold, table.custom, gauge)
    cuts = np.zeros(table.n + 1, np.bool_)
    cuts[[0, -1]] = True
    cuts[:-1] |= table.hint == RESET
    for key in keys:
        cuts[1:-1] |= key[1:] != key[:-1]
    ends = np.flatnonzero(cuts).tolist()
    for begin, end in pairwise(ends):
        first = begin
        while first < end:
            chunk = _chunk(table, t_ms, first, min(first + CHUNK_SAMPLES, end))
            yield chunk
            first = chunk.last


def _chunk(table: HistogramTable, t_ms: Times, first: int, last: int) -> Chunk:
    """A chunk of the histograms from `first` on, of as many as can be."""
    while True:
        part = table.take(np.arange(first, last))
        positive, negative = np.unique(part.positive.indices), np.unique(part.negative.indices)
        if last == first + 1 or (last - first) * (len(positive) + len(negative)) <= _MOST_CELLS:
            break
        last = first + (last - first) // 2
    counts = np.column_stack(
        [part.zero_count, part.count, _dense(part.positive, positive),
         _dense(part.negative, negative)]
    )  # fmt: skip
    if part.hint[0] != GAUGE:
        fell = np.flatnonzero((counts[1:] < counts[:-1]).any(axis=1))
        if len(fell):
            counts = counts[: int(fell[0]) + 1]
            last = first + len(counts)
    cells = np.insert(counts, 2, part.sum[: len(counts)], axis=1)
    whole = bool(((counts == np.floor(counts)) & (np.abs(counts) < _EXACT)).all())
    body = _encoded(part, t_ms[first:last], cells, positive, negative, whole)
    return Chunk(first, last, INTEGERS if whole else FLOATS, body)


def _dense(side: Buckets, indices: npt.NDArray[np.int32]) -> Floats:
    """Counts of all these buckets, a row a histogram."""
    found = np.zeros((len(side.offsets) - 1, len(indices)))
    found[side.rows, np.searchsorted(indices, side.indices)] = side.counts
    return found


def _encoded(
    part: HistogramTable,
    t_ms: Times,
    cells: Floats,
    positive: npt.NDArray[np.int32],
    negative: npt.NDArray[np.int32],
    whole: bool,
) -> bytes:
    from promlab.remote import histogram_chunk_kernels as k

    spans = _spans(positive), _spans(negative)
    code = int(part.custom[0])
    bounds = np.array(part.bounds[code] if code >= 0 else (), np.float64)
    numbers = 8 + 2 * (len(spans[0]) + len(spans[1])) + len(bounds)
    numbers += len(cells) * (1 + cells.shape[1])
    out = np.zeros(numbers * k.MOST_BITS // 8, np.uint8)
    flags, schema = _FLAGS[int(part.hint[0])], int(part.schema[0])
    threshold = float(part.zero_threshold[0])
    bit = int(k.put_layout(len(cells), flags, schema, threshold, *spans, bounds, out))
    t_ms, cells = np.ascontiguousarray(t_ms), np.ascontiguousarray(cells)
    if whole:
        size = int(k.put_integers(t_ms, cells, len(positive), bit, out))
    else:
        size = int(k.put_floats(t_ms, cells, bit, out))
    return out[:size].tobytes()


def _spans(indices: npt.NDArray[np.int32]) -> Index:
    """Runs of indices: how far each is from the end of the one before, and its length."""
    if not len(indices):
        return np.zeros((0, 2), np.int64)
    wide = indices.astype(np.int64)
    starts = np.flatnonzero(np.append(True, np.diff(wide) != 1))
    lengths = np.diff(np.append(starts, len(wide)))
    ends = np.append(0, (wide[starts] + lengths)[:-1])
    return np.ascontiguousarray(np.stack([wide[starts] - ends, lengths], axis=1))


class Histograms(NamedTuple):
    """Histograms of chunks, one after the other; `chunk` says from which each is."""

    chunk: Index
    t_ms: Times
    table: HistogramTable
    has_bounds: npt.NDArray[np.bool_]


class Heads(NamedTuple):
    """Heads of chunks, as columns."""

    rows: npt.NDArray[np.int64]
    thresholds: Floats

    @property
    def samples(self) -> int:
        """Number of histograms of all chunks."""
        return int(self.rows[:, 0].sum())

    @property
    def buckets(self) -> int:
        """Number of buckets of all histograms of all chunks."""
        return int((self.rows[:, 0] * (self.rows[:, 3] + self.rows[:, 4])).sum())


def read_heads(body: npt.NDArray[np.uint8], starts: Index, ends: Index) -> Heads:
    """What the chunks between these bytes say they have. Raises BadChunk."""
    from promlab.remote import histogram_read_kernels as k

    rows, thresholds = np.zeros((len(starts), 8), np.int64), np.zeros(len(starts))
    k.read_heads(body, starts, ends, rows, thresholds)
    if rows[:, k.DAMAGED].any():
        raise BadChunk("a chunk of histograms is damaged")
    return Heads(rows, thresholds)


def histograms(
    body: npt.NDArray[np.uint8],
    starts: Index,
    ends: Index,
    is_float: npt.NDArray[np.bool_],
    heads: Heads,
) -> Histograms:
    """The histograms of chunks with these heads. Raises BadChunk."""
    from promlab.remote import histogram_read_kernels as k

    rows = heads.rows
    widths = rows[:, k.POSITIVE], rows[:, k.NEGATIVE]
    layouts = np.zeros(int(widths[0].sum()), np.int32), np.zeros(int(widths[1].sum()), np.int32)
    bounds = np.zeros(int(rows[:, k.BOUNDS].sum()))
    k.read_layouts(body, starts, ends, rows, *layouts, bounds)
    counts = rows[:, k.SAMPLES]
    total = int(counts.sum())
    t_ms, numbers = np.zeros(total, np.int64), np.zeros((total, 3))
    values = [np.zeros(int((counts * width).sum())) for width in widths]
    kinds = is_float.astype(np.int64)
    if k.read_samples(body, ends, kinds, rows, t_ms, numbers, *values) >= 0:
        raise BadChunk("a chunk of histograms is damaged")
    chunk = np.repeat(np.arange(len(rows)), counts)
    positive, negative = (
        _buckets(chunk, width, layout, value)
        for width, layout, value in zip(widths, layouts, values, strict=True)
    )
    schema = rows[:, k.SCHEMA].astype(np.int8)
    ends_of_bounds = np.append(0, np.cumsum(rows[:, k.BOUNDS]))
    codes, distinct = distinct_bounds(bounds, ends_of_bounds, schema == CUSTOM_SCHEMA)
    table = HistogramTable(
        schema[chunk],
        heads.thresholds[chunk],
        numbers[:, 0].copy(),
        numbers[:, 1].copy(),
        numbers[:, 2].copy(),
        _hints(rows[:, k.FLAGS], chunk),
        positive,
        negative,
        codes[chunk],
        distinct,
    )
    return Histograms(chunk, t_ms, table, (rows[:, k.BOUNDS] > 0)[chunk])


def _hints(flags: Index, chunk: Index) -> npt.NDArray[np.int8]:
    """Inside of a chunk there is no reset; what its head says is of its first sample."""
    first = np.append(True, chunk[1:] != chunk[:-1])[: len(chunk)]
    told = flags[chunk]
    hints = np.where(first, np.where(told == 2, RESET, UNKNOWN), NOT_RESET)
    return np.where(told == 3, GAUGE, hints).astype(np.int8)


def _buckets(chunk: Index, width: Index, layout: npt.NDArray[np.int32], values: Floats) -> Buckets:
    """The buckets of samples that are not empty."""
    at = np.cumsum(width) - width
    sizes = width[chunk]
    ends = np.cumsum(sizes)
    places = np.repeat(at[chunk] - (ends - sizes), sizes) + np.arange(len(values))
    filled = np.flatnonzero(values != 0)
    offsets = np.concatenate([[0], np.searchsorted(filled, ends)]).astype(np.int64)
    return Buckets(offsets, layout[places[filled]], values[filled])
