"""Writes a block: series declared once, then batches of samples, segment by segment.

The folder has a temporary name until all its files are on the disk; `finish` renames it. So a
block is there as a whole or not at all. Batches must come in the order (segment of time,
series); within one, series that share their times share them in the block too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.model.samples import SeriesBatch
from promlab.tsdb.blocks import block_kernels as k
from promlab.tsdb.blocks import folders, layout
from promlab.tsdb.blocks.arrange import by_activity, reordered
from promlab.tsdb.blocks.checksums import file_facts
from promlab.tsdb.blocks.meta import Meta, new_ulid, write_meta
from promlab.tsdb.blocks.parquet_write import Column, Lists, ParquetWriter, Texts
from promlab.tsdb.blocks.side_files import HistogramWriter, TimesWriter
from promlab.tsdb.files import failed, sync_directory

Longs = npt.NDArray[np.int64]
_GROUP_VALUES = 1 << 20  # a row group ends at the next metric when it has a quarter of these


def series_order(labels: LabelTable) -> Longs:
    """Rows of a table in a block's order: by metric, then label by label."""
    names = [name for name in sorted(labels.columns, reverse=True) if name != METRIC_NAME]
    keys = [_ranks(labels, name) for name in (*names, METRIC_NAME)]
    return np.lexsort(keys).astype(np.int64)


def _ranks(labels: LabelTable, name: str) -> Longs:
    """Place of each row's value among the sorted values of a label."""
    distinct, inverse = np.unique(labels.column(name), return_inverse=True)
    texts = labels.symbols.texts(distinct)
    order = sorted(range(len(texts)), key=texts.__getitem__)
    ranks = np.empty(len(texts), np.int64)
    ranks[order] = np.arange(len(texts))
    return ranks[inverse]


class BlockWriter:
    """One block in the making, in `directory`. Raises StorageError."""

    def __init__(
        self,
        directory: Path,
        labels: LabelTable,
        *,
        level: int = 3,
        segment_ms: int = layout.SEGMENT_MS,
        ulid: str = "",
    ) -> None:
        """`labels` are those of all series, in a block's order."""
        self.ulid = ulid or new_ulid()
        self.directory = directory
        self._path = directory / (self.ulid + layout.TMP)
        try:
            self._path.mkdir(parents=True)
            self._held = folders.hold(self._path)
        except OSError as error:
            raise failed("create", self._path, error) from None
        self._labels, self._level, self._segment_ms = labels, level, segment_ms
        self._metrics = labels.column(METRIC_NAME)
        self._samples = ParquetWriter(
            self._path / layout.SAMPLES, layout.SAMPLE_COLUMNS, level=level
        )
        self._times = TimesWriter(self._path / layout.TIMES, level)
        self._histograms: HistogramWriter | None = None
        self._waiting: list[dict[str, Longs]] = []
        self._waiting_values = 0
        self._has_samples = np.zeros(labels.n, bool)
        self._last_series = -1
        self.samples = self.histograms = self.rows = 0
        self.min_time, self.max_time = 2**63 - 1, -(2**63)

    def add(self, series: Longs, batch: SeriesBatch) -> None:
        """Samples of some series (ascending numbers), all in one segment of time."""
        if not batch.sample_count:
            return
        bits = np.ascontiguousarray(batch.values).view(np.int64)
        rows = self._cut(batch, bits)
        facts = self._facts(series, batch, rows, bits)
        self._has_samples[series[np.diff(batch.offsets) > 0]] = True
        self.samples += batch.sample_count
        self.rows += len(rows)
        self.min_time = min(self.min_time, int(facts["min_time"].min()))
        self.max_time = max(self.max_time, int(facts["max_time"].max()))
        self._push(facts)

    def _cut(self, batch: SeriesBatch, bits: Longs) -> Longs:
        offsets = np.ascontiguousarray(batch.offsets, np.int64)
        times_at = np.ascontiguousarray(batch.times_at, np.int64)
        t_ms = np.ascontiguousarray(batch.t_ms, np.int64)
        rows = np.empty((batch.n * 4 + batch.sample_count // 240 + 16, 4), np.int64)
        while True:
            n = k.cut_rows(offsets, times_at, t_ms, bits, self._segment_ms, rows)
            if n <= len(rows):
                break
            rows = np.empty((n, 4), np.int64)
        rows = rows[:n]
        if batch.histograms is not None:
            rows = _split_kinds(rows, batch.histograms.index >= 0)
        return np.ascontiguousarray(rows)

    def _facts(
        self, series: Longs, batch: SeriesBatch, rows: Longs, bits: Longs
    ) -> dict[str, Longs]:
        """Columns of the rows; list columns as items, and a count a row."""
        n = len(rows)
        counts, at = rows[:, 2].copy(), rows[:, 3]
        is_histogram = np.zeros(n, bool)
        if batch.histograms is not None:
            is_histogram = batch.histograms.index[rows[:, 1]] >= 0
        scales = np.empty(n, np.int64)
        decimals = np.empty(batch.sample_count + k.ROW_SAMPLES, np.int64)
        floats = np.empty(batch.sample_count + k.ROW_SAMPLES, np.int64)
        plain = np.ascontiguousarray(rows[~is_histogram])
        plain_scales = np.empty(len(plain), np.int64)
        used, rest = k.scale_rows(plain, bits, plain_scales, decimals, floats)
        scales[~is_histogram] = plain_scales
        items = decimals[:used].copy()
        if is_histogram.any():
            scales[is_histogram] = layout.HISTOGRAM_ROW
            items = self._with_histograms(batch, rows, scales, items)
        times = self._times.rows_of(batch.t_ms, at, counts)
        facts = {
            "series": series[rows[:, 0]],
            "times": times,
            "count": counts,
            "min_time": batch.t_ms[at],
            "max_time": batch.t_ms[at + counts - 1],
            "scale": scales,
            "n": items,
            "x": floats[:rest].copy(),
            "start_ms": np.zeros(0, np.int64),
            "starts": np.zeros(n, np.int64),
        }
        if batch.start_ms is not None:
            facts |= _starts(batch.start_ms, rows)
        return facts

    def _with_histograms(
        self, batch: SeriesBatch, rows: Longs, scales: Longs, decimals: Longs
    ) -> Longs:
        """The integers of all rows: decimals, and row numbers of histograms."""
        assert batch.histograms is not None
        if self._histograms is None:
            self._histograms = HistogramWriter(self._path / layout.HISTOGRAMS, self._level)
        mine = rows[scales == layout.HISTOGRAM_ROW]
        which = np.concatenate([np.arange(at, at + n) for at, n in mine[:, 1:3].tolist()])
        first = self._histograms.add(batch.histograms.table.take(batch.histograms.index[which]))
        self.histograms += len(which)
        counts = np.where(scales == k.FLOATS, 0, rows[:, 2])
        of_row = np.repeat(scales == layout.HISTOGRAM_ROW, counts)
        items = np.empty(len(of_row), np.int64)
        items[~of_row] = decimals
        items[of_row] = first + np.arange(len(which))
        return items

    def _push(self, facts: dict[str, Longs]) -> None:
        """Hand rows to the file, cutting row groups where metrics and segments change."""
        series = facts["series"]
        metric = self._metrics[series]
        segment = facts["min_time"] // self._segment_ms
        border = (metric[1:] != metric[:-1]) | (segment[1:] != segment[:-1])
        counts = np.cumsum(facts["count"])
        cuts = []
        waiting, done = self._waiting_values, 0
        new_metric = self._last_series < 0 or (
            self._metrics[self._last_series] != metric[0] or int(series[0]) < self._last_series
        )
        if new_metric and waiting > _GROUP_VALUES // 4:
            self.flush_group()
            waiting = 0
        for at in (np.flatnonzero(border) + 1).tolist():
            total = int(counts[at - 1]) - done + waiting
            if total > _GROUP_VALUES // 4:
                cuts.append(at)
                done, waiting = int(counts[at - 1]), 0
        begin = 0
        for at in [*cuts, len(series)]:
            part = _rows_between(facts, begin, at)
            self._waiting.append(part)
            self._waiting_values += int(part["count"].sum())
            if at != len(series) or self._waiting_values > _GROUP_VALUES:
                self.flush_group()
            begin = at
        self._last_series = int(series[-1])

    def flush_group(self) -> None:
        """Write what waits as a row group."""
        if not self._waiting:
            return
        joined = {
            name: np.concatenate([part[name] for part in self._waiting])
            for name in self._waiting[0]
        }
        self._waiting.clear()
        self._waiting_values = 0
        floats = joined["scale"] == k.FLOATS
        integers = np.where(floats, 0, joined["count"])
        doubles = np.where(floats, joined["count"], 0)
        order = by_activity(joined["series"], integers, joined["n"])
        columns: dict[str, object] = {
            name: joined[name][order]
            for name in ("series", "times", "count", "min_time", "max_time", "scale")
        }
        columns["n"] = Lists(integers[order], reordered(joined["n"], integers, order))
        x = reordered(joined["x"], doubles, order)
        columns["x"] = Lists(doubles[order], x.view(np.float64))
        starts = reordered(joined["start_ms"], joined["starts"], order)
        columns["start_ms"] = Lists(joined["starts"][order], starts)
        self._samples.write(columns)

    def finish(
        self,
        *,
        min_time: int | None = None,
        max_time: int | None = None,
        level: int = 1,
        sources: Sequence[str] = (),
        parents: Sequence[str] = (),
        resolution_ms: int = 0,
        hints: Sequence[str] = (),
    ) -> Meta | None:
        """Put the block in its place; None, and nothing there, if it has no samples."""
        if not self.samples:
            self.abort()
            return None
        try:
            self.flush_group()
            self._samples.close()
            self._times.close()
            if self._histograms is not None:
                self._histograms.close()
            self._write_series()
            meta = Meta(
                self.ulid,
                self.min_time if min_time is None else min_time,
                self.max_time + 1 if max_time is None else max_time,
                series=int(self._has_samples.sum()),
                samples=self.samples,
                histograms=self.histograms,
                chunks=self.rows,
                level=level,
                sources=tuple(sources) or (self.ulid,),
                parents=tuple(parents),
                resolution_ms=resolution_ms,
                hints=tuple(hints),
                files=file_facts(self._path),
            )
            write_meta(self._path, meta)
            folders.let_go(self._path, self._held)
            self._held = -1
            self._path.rename(self.directory / self.ulid)
            sync_directory(self.directory)
        except OSError as error:
            self.abort()
            raise failed("write", self._path, error) from None
        except StorageError:
            self.abort()
            raise
        return meta

    def _write_series(self) -> None:
        """The series that have samples; numbers are those that were declared."""
        numbers = np.flatnonzero(self._has_samples)
        labels = self._labels.take(numbers)
        names = sorted(name for name, codes in labels.columns.items() if codes.any())
        columns = [Column(layout.SERIES_ID, "int")]
        columns += [Column(layout.label_column(name), "text") for name in names]
        writer = ParquetWriter(self._path / layout.SERIES, columns, level=9)
        values: dict[str, object] = {layout.SERIES_ID: numbers.astype(np.int64)}
        for name in names:
            distinct, inverse = np.unique(labels.columns[name], return_inverse=True)
            texts, codes = labels.symbols.texts(distinct), inverse.astype(np.int64)
            codes[distinct[inverse] == 0] = -1
            values[layout.label_column(name)] = Texts(codes, texts)
        writer.write(values)
        writer.close()

    def abort(self) -> None:
        """Leave nothing behind."""
        self._samples.abort()
        self._times.abort()
        if self._histograms is not None:
            self._histograms.abort()
        shutil.rmtree(self._path, ignore_errors=True)
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def _rows_between(facts: dict[str, Longs], begin: int, end: int) -> dict[str, Longs]:
    floats = facts["scale"] == k.FLOATS
    sizes = {
        "n": np.where(floats, 0, facts["count"]),
        "x": np.where(floats, facts["count"], 0),
        "start_ms": facts["starts"],
    }
    part = {}
    for name, values in facts.items():
        low, high = begin, end
        if name in sizes:
            low, high = int(sizes[name][:begin].sum()), int(sizes[name][:end].sum())
        part[name] = values[low:high]
    return part


def _starts(start_ms: Longs, rows: Longs) -> dict[str, Longs]:
    """Items of the column start_ms: nothing for rows where no sample has one."""
    counts = np.zeros(len(rows), np.int64)
    parts = []
    for r, (at, n) in enumerate(rows[:, 1:3].tolist()):
        mine = start_ms[at : at + n]
        if mine.any():
            counts[r] = n
            parts.append(mine)
    items = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    return {"start_ms": items.astype(np.int64), "starts": counts}


def _split_kinds(rows: Longs, is_histogram: npt.NDArray[np.bool_]) -> Longs:
    """Rows that have floats and histograms, cut where one kind follows the other."""
    change = np.flatnonzero(np.diff(is_histogram.astype(np.int8))) + 1
    out = []
    for series, at, n, t_at in rows.tolist():
        inside = change[np.searchsorted(change, at, "right") : np.searchsorted(change, at + n)]
        edges = [at, *inside.tolist(), at + n]
        out += [(series, a, b - a, t_at + a - at) for a, b in pairwise(edges)]
    return np.array(out, np.int64).reshape(-1, 4)
