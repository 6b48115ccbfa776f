"""Rows of any number of blocks, and the head's batch, as one batch.

Planned before anything is decoded: every piece (the part of a row that is asked for) gets its
place in the result, then pages are decoded straight to there. Series whose pieces have equal
times share one list of times. Only series that are in two places at the same time are sorted: of
equal times the sample stays that came first, which is the one in the oldest block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError, TooManySamples
from promlab.model.histograms import GAUGE, UNKNOWN, HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks import block_kernels as k
from promlab.tsdb.blocks.block import Block, blaming
from promlab.tsdb.blocks.layout import HISTOGRAM_ROW
from promlab.tsdb.blocks.merged_extras import MergedExtras
from promlab.tsdb.blocks.pieces import BlockPart, HeadPart, Pieces, Source, in_order, without
from promlab.tsdb.blocks.row_groups import Rows
from promlab.tsdb.blocks.tombstones import Tombstones

Longs = npt.NDArray[np.int64]


def assemble(
    labels: LabelTable,
    parts: Sequence[BlockPart],
    head: HeadPart | None,
    start_ms: int,
    end_ms: int,
    max_samples: int = 0,
) -> SeriesBatch:
    """Samples with start_ms <= t <= end_ms of all parts. Raises StorageError, TooManySamples."""
    gathering = Gathering(start_ms, end_ms)
    for part in parts:
        with blaming(part.block):
            gathering.add_block(part)
    if head is not None:
        gathering.add_head(head)
    return gathering.batch(labels, max_samples)


class Gathering:
    """Pieces of blocks, and of the head, from which batches are made."""

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self._range = start_ms, end_ms
        self._pieces: list[Pieces] = []
        self.sources: list[Source] = []
        self._times: list[Longs] = []
        self._times_used = 0

    def add_block(self, part: BlockPart) -> None:
        """Pieces of a block's rows."""
        start, end = max(self._range[0], part.start_ms), min(self._range[1], part.end_ms)
        found = list(part.block.rows(part.series, start, end))
        if not found:
            return
        wanted = np.unique(np.concatenate([rows.times[which] for rows, which, _ in found]))
        flat, ends = part.block.time_lists.take(wanted)
        low, high = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.int64)
        k.trim_lists(flat, ends, start, end, low, high)
        for rows, which, at in found:
            lists = np.searchsorted(wanted, rows.times[which])
            if (np.diff(ends)[lists] != rows.count[which]).any():
                raise StorageError(f"{part.block.path} is damaged: times and values differ")
            pieces = Pieces(
                part.to[at],
                np.full(len(which), len(self.sources), np.int64),
                which,
                low[lists],
                high[lists] - low[lists],
                self._times_used + ends[lists] + low[lists],
            )
            if part.block.tombstones:
                own = part.block.numbers[part.series[at]]
                pieces = without(pieces, own, part.block.tombstones, flat, self._times_used)
            self._add(pieces, Source(part.block, rows))
        self._add_times(flat)

    def add_head(self, part: HeadPart) -> None:
        """One piece a series of the head."""
        batch = part.batch
        pieces = Pieces(
            part.to,
            np.full(batch.n, len(self.sources), np.int64),
            np.arange(batch.n),
            batch.offsets[:-1].copy(),
            np.diff(batch.offsets),
            self._times_used + batch.times_at,
        )
        if part.deleted:
            pieces = without(pieces, part.to, part.deleted, batch.t_ms, self._times_used)
        self._add(pieces, Source(None, None, batch))
        self._add_times(batch.t_ms)

    def _add(self, pieces: Pieces, source: Source) -> None:
        some = pieces.samples > 0
        self._pieces.append(pieces if some.all() else pieces.take(some))
        self.sources.append(source)

    def copy(self) -> Gathering:
        """Another one, to which more can be added."""
        other = Gathering(*self._range)
        other._pieces, other.sources = list(self._pieces), list(self.sources)
        other._times, other._times_used = list(self._times), self._times_used
        return other

    def _add_times(self, t_ms: Longs) -> None:
        self._times.append(t_ms)
        self._times_used += len(t_ms)

    def times(self) -> Longs:
        """Times that the pieces point to."""
        return np.concatenate([np.zeros(0, np.int64), *self._times])

    def pieces(self) -> Pieces:
        """All pieces, series by series."""
        none = Pieces(*[np.zeros(0, np.int64)] * 6)
        columns = zip(none, *self._pieces, strict=True)
        return Pieces(*(np.concatenate(column) for column in columns))

    def batch(self, labels: LabelTable, max_samples: int = 0) -> SeriesBatch:
        """Decode all pieces. Raises TooManySamples."""
        pieces, times = self.pieces(), self.times()
        if not len(pieces.series):
            return SeriesBatch.empty(labels.symbols)
        total = int(pieces.samples.sum())
        if max_samples and total > max_samples:
            raise TooManySamples(max_samples)
        pieces, overlap = self._by_age(*in_order(pieces, times), times)
        found, piece_at = np.unique(pieces.series, return_index=True)
        pieces_at = np.append(piece_at, len(pieces.series)).astype(np.int64)
        to_at = np.cumsum(pieces.samples) - pieces.samples
        offsets = np.append(to_at[piece_at], total).astype(np.int64)
        bits, extras = np.empty(total, np.int64), MergedExtras(total)
        self._decode(pieces, to_at, bits, extras)
        times_at, t_ms = _join(pieces, pieces_at, times)
        if len(found) != labels.n:
            labels = labels.take(found)
        values, histograms = bits.view(np.float64), extras.histograms()
        if histograms is not None:
            histograms = self._doubted(histograms, pieces, to_at, overlap)
        batch = SeriesBatch(labels, offsets, times_at, t_ms, values, histograms, extras.start_ms)
        return _sorted(batch, overlap[piece_at]) if overlap.any() else batch

    def _ages(self, pieces: Pieces) -> Longs:
        """In which order the blocks of these pieces were made; behind them all is the head: it
        shows what is in none of them."""
        made = [source.block.meta.ulid if source.block else "~" for source in self.sources]
        ages: Longs = np.unique(made, return_inverse=True)[1].reshape(-1)[pieces.source]
        return ages

    def _by_age(
        self, pieces: Pieces, first: Longs, times: Longs
    ) -> tuple[Pieces, npt.NDArray[np.uint8]]:
        """Pieces of series that have some at the same time, in the order in which they came, and
        which these are (1 each). All others stay as they are.
        """
        last = times[pieces.t_at + pieces.samples - 1]
        again = (pieces.series[1:] == pieces.series[:-1]) & (first[1:] <= last[:-1])
        if not again.any():
            return pieces, np.zeros(len(last), np.uint8)
        overlap = np.isin(pieces.series, pieces.series[1:][again])
        ages = np.where(overlap, self._ages(pieces), 0)
        pieces = pieces.take(np.lexsort([first, ages, pieces.series]))
        return pieces, overlap.astype(np.uint8)

    def _doubted(
        self,
        column: HistogramColumn,
        pieces: Pieces,
        to_at: Longs,
        overlap: npt.NDArray[np.uint8],
    ) -> HistogramColumn:
        """Without hints of what may not stand behind the sample that it did when it came."""
        ages = self._ages(pieces)
        doubted = np.repeat(overlap > 0, pieces.samples)
        other = (pieces.series[1:] == pieces.series[:-1]) & (ages[1:] != ages[:-1])
        doubted[to_at[1:][other]] = True
        rows = column.index[doubted]
        rows = rows[rows >= 0]
        hint = column.table.hint.copy()
        hint[rows[hint[rows] != GAUGE]] = UNKNOWN
        return HistogramColumn(column.table.hinted(hint), column.index)

    def _decode(self, pieces: Pieces, to_at: Longs, out: Longs, extras: MergedExtras) -> None:
        for number, source in enumerate(self.sources):
            mine = np.flatnonzero(pieces.source == number)
            if not len(mine):
                continue
            part, at = pieces.take(mine), to_at[mine]
            if source.head is not None:
                bits = np.ascontiguousarray(source.head.values).view(np.int64)
                k.copy_pieces(bits, part.low, part.samples, at, out)
                extras.from_head(source.head, part, at)
            elif source.block is not None and source.rows is not None:
                with blaming(source.block):
                    _decode_rows(source.block, source.rows, part, at, out, extras)
                    _decode_starts(source.block, source.rows, part, at, extras)


def _decode_rows(
    block: Block, rows: Rows, part: Pieces, at: Longs, out: Longs, extras: MergedExtras
) -> None:
    """Values of the pieces of one row group, page by page."""
    row = part.row
    from_at = rows.from_at[row] + part.low
    scales = rows.scale[row]
    of_page = rows.page[row] * 2 + rows.column[row]
    for page in np.unique(of_page).tolist():
        which = np.flatnonzero(of_page == page)
        most = int((from_at[which] + part.samples[which]).max())
        items = block.items(rows.group, page & 1, page >> 1, most)
        if most > len(items):
            raise StorageError(f"{block.path} is damaged: items are missing")
        special = which[scales[which] == HISTOGRAM_ROW]
        if len(special):
            numbers = extras.rows_of(block)
            k.copy_pieces(items, from_at[special], part.samples[special], at[special], numbers)
            k.copy_pieces(items, from_at[special], part.samples[special], at[special], out)
            extras.mark(block, at[special], part.samples[special])
            which = which[scales[which] != HISTOGRAM_ROW]
        k.place_rows(items, from_at, part.samples, scales, which, at, out)


def _decode_starts(block: Block, rows: Rows, part: Pieces, at: Longs, extras: MergedExtras) -> None:
    """Start times of the pieces of one row group."""
    if rows.group.columns["start_ms"].values:
        items, begin = block.starts(rows, part.row)
        have = np.flatnonzero(begin >= 0)
        if len(have):
            extras.starts(items, begin[have] + part.low[have], part.samples[have], at[have])


def _join(pieces: Pieces, pieces_at: Longs, times: Longs) -> tuple[Longs, Longs]:
    """Where each series' times begin, and all lists of times that differ."""
    n = len(pieces_at) - 1
    hashes = np.empty(n, np.uint64)
    k.hash_sequences(pieces_at, pieces.t_at, pieces.samples, hashes)
    _, which, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    lengths = np.add.reduceat(pieces.samples, pieces_at[:-1]) if n else np.zeros(0, np.int64)
    t_ms = np.empty(int(lengths[which].sum()), np.int64)
    begins = np.empty(len(which), np.int64)
    k.join_times(which, pieces_at, pieces.t_at, pieces.samples, times, begins, t_ms)
    return begins[inverse.reshape(-1)], t_ms


def _sorted(batch: SeriesBatch, flagged: npt.NDArray[np.uint8]) -> SeriesBatch:
    """The batch with flagged series sorted by time, equal times once."""
    more = int(np.diff(batch.offsets)[flagged > 0].sum())
    t_out = np.empty(len(batch.t_ms) + more, np.int64)
    t_out[: len(batch.t_ms)] = batch.t_ms
    take = np.empty(batch.sample_count, np.int64)
    offsets, times_at = np.empty(batch.n + 1, np.int64), np.empty(batch.n, np.int64)
    n, t_end = k.merge_overlaps(
        batch.offsets,
        np.ascontiguousarray(batch.times_at),
        batch.t_ms,
        flagged,
        len(batch.t_ms),
        take,
        offsets,
        times_at,
        t_out,
    )
    take = take[:n]
    return SeriesBatch(
        batch.labels,
        offsets,
        times_at,
        t_out[:t_end],
        batch.values[take],
        batch.histograms.take(take) if batch.histograms is not None else None,
        batch.start_ms[take] if batch.start_ms is not None else None,
    )


def without_deleted(batch: SeriesBatch, series: Longs, deleted: Tombstones) -> SeriesBatch:
    """The head's batch without what is deleted; `series` are its series' numbers."""
    if not deleted or not np.isin(series, deleted.series).any():
        return batch
    order = np.argsort(series)
    at = np.searchsorted(series[order], deleted.series)
    there = np.append(series[order], -1)[at] == deleted.series
    rows = order[at[there]]
    own = Tombstones(rows, deleted.min_time[there], deleted.max_time[there])
    own = Tombstones(*(column[np.argsort(rows, kind="stable")] for column in own))
    part = HeadPart(batch, np.arange(batch.n), own)
    return assemble(batch.labels, [], part, -(2**62), 2**62)
