"""From what was located in head and chunks to a `SeriesBatch`: times, values, histograms, starts.

Runs outside the reader's lock, on copies and on files that nothing changes any more. Room is
taken for the most that there can be, and touched only as far as it is filled. Big selections
are decoded by two threads, each of which writes a region of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError, TooManySamples
from promlab.jit.threads import Helpers
from promlab.model.samples import SeriesBatch
from promlab.tsdb import piece_kernels, time_kernels
from promlab.tsdb import select_kernels as k
from promlab.tsdb.decoded import Decoded, with_histograms
from promlab.tsdb.head_kernels import CAP
from promlab.tsdb.histogram_files import HistogramFiles
from promlab.tsdb.mapped import ChunkView
from promlab.tsdb.plan import Plan
from promlab.tsdb.selections import Selection
from promlab.tsdb.tail_kernels import NOTHING_HELD

Longs = npt.NDArray[np.int64]
_SPLIT = 300_000  # below so many decoded rows a second thread costs more than it gives
_SPLIT_PIECES = 8_000  # the same of chunks whose times are decoded


class Tails:
    """What the head held of each source, copied; see `tail_kernels.copy_tails`."""

    __slots__ = ("bits", "counts", "firsts", "t_ms", "times_at", "values_at")

    def __init__(self, plan: Plan) -> None:
        sources, places = len(plan.owners), len(plan.slots)
        self.firsts = np.full(sources, NOTHING_HELD, np.int64)
        self.counts = np.zeros(sources, np.int64)
        self.times_at = np.zeros(sources, np.int64)
        self.t_ms = np.empty(sources * CAP, np.int64)
        self.values_at = np.zeros(places, np.int64)
        self.bits = np.empty(places * CAP, np.int64)


class Pieces:
    """Chunks that overlap, source by source; see `piece_kernels.find_pieces`."""

    __slots__ = ("at", "entry", "file")

    def __init__(self, sources: int, room: int) -> None:
        self.at = np.empty(sources + 1, np.int64)
        self.file, self.entry = np.empty(room, np.int64), np.empty(room, np.int64)


class Located(NamedTuple):
    """Where the samples of a selection are."""

    plan: Plan
    tails: Tails
    pieces: Pieces
    view: ChunkView


class Layout(NamedTuple):
    """Times of all sources, decoded; see `time_kernels.source_times`."""

    t_ms: Longs  # `used` of them, and room behind
    used: int
    times_at: Longs  # of each source
    rows: Longs  # how many times each source has
    pieces: Longs  # i64[pieces, 7]: where to find each piece's values

    @property
    def longest(self) -> int:
        """The most times of one source."""
        return int(np.maximum.reduce(self.rows, initial=0))


def most_rows(located: Located) -> Longs:
    """The most rows that each source can have."""
    plan, tails, pieces, view = located
    rows = np.empty(len(plan.owners), np.int64)
    piece_kernels.count_rows(
        view.indexes, view.counts, pieces.file, pieces.entry, pieces.at, tails.counts, rows
    )
    return rows


def lay_out(located: Located, end_ms: int, rows: Longs, spare: int) -> Layout:
    """Decode the times of all sources. Raises StorageError.

    `rows` comes in as `most_rows` has it, and is taken over. `spare` is room for more times,
    for series that do not have all of their source's.
    """
    sources = len(rows)
    t_ms = np.empty(int(np.add.reduce(rows)) + spare, np.int64)
    times_at = np.empty(sources, np.int64)
    values_at = np.empty((len(located.pieces.file), 7), np.int64)

    def part(first: int, last: int, out: Longs) -> int:
        return _source_times(located, end_ms, first, last, values_at, out, times_at, rows)

    if len(values_at) > _SPLIT_PIECES and sources > 1:
        middle = sources // 2
        gap = int(rows[:middle].sum())
        used, more = _helper().run(
            partial(part, 0, middle, t_ms), partial(part, middle, sources, t_ms[gap:])
        )
        t_ms[used : used + more] = t_ms[gap : gap + more]
        times_at[middle:] += used
        used += more
    else:
        used = part(0, sources, t_ms)
    return Layout(t_ms, used, times_at, rows, values_at)


def _source_times(
    located: Located,
    end_ms: int,
    first: int,
    last: int,
    values_at: Longs,
    out: Longs,
    times_at: Longs,
    rows: Longs,
) -> int:
    """Times of some sources to `out`; their number."""
    plan, tails, pieces, view = located
    mine = slice(first, last)
    used: int = time_kernels.source_times(
        view.indexes, view.counts, view.datas, view.sizes, pieces.file, pieces.entry,
        pieces.at[first : last + 1], plan.loose[mine], view.starts, end_ms, tails.firsts[mine],
        tails.t_ms, tails.times_at[mine], tails.counts[mine], values_at, out, times_at[mine],
        rows[mine],
    )  # fmt: skip
    if used < 0:
        raise StorageError("a chunk is damaged: its times can't be read")
    return used


def decode(
    selection: Selection,
    located: Located,
    end_ms: int,
    histograms: HistogramFiles,
    max_samples: int = 0,
) -> Decoded:
    """The samples of a selection in a range. Raises TooManySamples, StorageError."""
    plan, tails, pieces, view = located
    labels = selection.labels
    assert labels is not None
    rows = most_rows(located)
    most = int(np.add.reduce(rows[plan.sources]))
    layout = lay_out(located, end_ms, rows, most)
    t_out, used = layout.t_ms, layout.used
    most_at = np.zeros(len(plan.slots) + 1, np.int64)
    np.cumsum(layout.rows[plan.sources], out=most_at[1:])
    v_out = np.empty(int(most_at[-1]), np.int64)
    n = labels.n
    offsets, series_times = np.empty(n + 1, np.int64), np.zeros(n, np.int64)
    no_room = np.zeros(n, np.int64)

    def part(first: int, last: int) -> Ends:
        at = int(most_at[plan.places_at[first]])
        values, times, histograms, _ = k.decode_series(
            first, last, view.datas, layout.pieces, pieces.at, plan.loose, layout.times_at,
            tails.counts, tails.values_at, tails.bits, plan.places_at, plan.sources,
            plan.slots, t_out, v_out, at, used + at, offsets, series_times,
            np.empty(layout.longest, np.int64), no_room,
        )  # fmt: skip
        return Ends(values, times, histograms)

    in_two = most > _SPLIT
    written, t_end, references = _in_parts(
        part, most_at[plan.places_at], v_out, offsets, in_two=in_two
    )
    if max_samples and written > max_samples:
        raise TooManySamples(max_samples)
    kept = (offsets[1:] > offsets[:-1]).nonzero()[0]
    if len(kept) < n:
        labels = labels.take(kept)
        offsets = np.concatenate([offsets[kept], offsets[-1:]])
        series_times = series_times[kept]
    values: Any = v_out[:written].view(np.float64)
    batch = SeriesBatch(labels, offsets, series_times, t_out[:t_end], values)
    found = Decoded(batch, kept)
    return with_histograms(found, plan, histograms) if references else found


class Ends(NamedTuple):
    """Where the values and times of a part end, and how many values are histograms."""

    values: int
    times: int
    histograms: int


@lru_cache(maxsize=1)
def _helper() -> Helpers:
    return Helpers(1, "decode")


def _in_parts(
    part: Callable[[int, int], Ends], most: Longs, v_out: Longs, offsets: Longs, *, in_two: bool
) -> Ends:
    """Decode all series, in one part or in two; the parts' values are then moved together."""
    n = len(offsets) - 1
    middle = int(np.searchsorted(most, most[-1] // 2)) if in_two else 0
    if not 0 < middle < n:
        ends = part(0, n)
        _check(ends.values)
    else:
        first, second = _helper().run(partial(part, 0, middle), partial(part, middle, n))
        _check(min(first.values, second.values))
        begin, written = int(most[middle]), first.values
        end = written + second.values - begin
        v_out[written:end] = v_out[begin : second.values]
        offsets[middle:n] -= begin - written
        ends = Ends(end, second.times, first.histograms + second.histograms)
    offsets[n] = ends.values
    return ends


def _check(written: int) -> None:
    if written < 0:
        raise StorageError("a chunk is damaged: its values can't be read")


def with_starts(found: Decoded, starts: Decoded, starts_of: Longs) -> SeriesBatch:
    """The batch with its samples' start times, which were decoded like samples."""
    batch = found.batch
    if not starts.batch.n:
        return batch
    owners = starts_of[starts.rows]
    at = np.minimum(np.searchsorted(found.rows, owners), max(len(found.rows) - 1, 0))
    rows = np.where(found.rows[at] == owners, at, -1) if batch.n else np.full_like(owners, -1)
    start_ms = np.zeros(batch.sample_count, np.int64)
    own = starts.batch
    k.put_starts(
        rows, batch.offsets, batch.times_at, batch.t_ms, own.offsets, own.times_at, own.t_ms,
        own.values, start_ms,
    )  # fmt: skip
    return batch._replace(start_ms=start_ms)
