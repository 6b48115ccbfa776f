"""A querier over plain Python data: what tests and scripts read instead of storage."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.promqltest.histograms import Plain, hinted_series, table_of

Key = tuple[tuple[str, str], ...]


Sample = float | Plain


class MemoryQuerier:
    """Series as dicts of value or histogram by t_ms; equal time lists are shared in answers."""

    def __init__(self) -> None:
        self.symbols = Symbols()
        self.generation = 0
        self.samples: dict[Key, dict[int, Sample]] = {}
        self.starts: dict[Key, dict[int, int]] = {}
        self._tables: dict[tuple[int, ...], LabelTable] = {}
        self._lock = threading.Lock()

    def add(
        self,
        labels: Mapping[str, str],
        samples: Sequence[tuple[int, Sample]],
        starts: Mapping[int, int] | None = None,
    ) -> None:
        """Add samples, and since when some of them count, to a series."""
        key = tuple(sorted((name, value) for name, value in labels.items() if value))
        found = self.samples.setdefault(key, {})
        found.update(samples)
        self.starts.setdefault(key, {}).update(starts or {})
        if any(isinstance(sample, Plain) for sample in found.values()):
            times = sorted(found)
            kinds = [x if isinstance(x, Plain) else None for x in map(found.__getitem__, times)]
            for t, histogram in zip(times, hinted_series(kinds), strict=True):
                if histogram is not None:
                    found[t] = histogram
        self.generation += 1
        self._tables.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.samples.clear()
        self.starts.clear()
        self.generation += 1
        self._tables.clear()

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        """Samples of all series that pass, in the order they were added."""
        rows, offsets, times_at = [], [0], []
        times: list[int] = []
        values: list[float] = []
        index: list[int] = []
        histograms: list[Plain] = []
        starts: list[int] = []
        places: dict[tuple[int, ...], int] = {}
        for row, (key, samples) in enumerate(self.samples.items()):
            labels = dict(key)
            if not all(m.matches(labels.get(m.name, "")) for m in matchers):
                continue
            inside = tuple(t for t in sorted(samples) if start_ms <= t <= end_ms)
            if not inside:
                continue
            if inside not in places:
                places[inside] = len(times)
                times.extend(inside)
            rows.append(row)
            times_at.append(places[inside])
            for t in inside:
                sample = samples[t]
                histogram = isinstance(sample, Plain)
                index.append(len(histograms) if histogram else -1)
                if isinstance(sample, Plain):
                    histograms.append(sample)
                # Through arrays: a Python float keeps the bits of a staleness marker.
                values.append(0.0 if isinstance(sample, Plain) else sample)
                starts.append(self.starts[key].get(t, 0))
            offsets.append(len(values))
        return SeriesBatch(
            self._table(tuple(rows)),
            np.array(offsets, np.int64),
            np.array(times_at, np.int64),
            np.array(times, np.int64),
            np.array(values, np.float64),
            HistogramColumn(table_of(histograms), np.array(index, np.int64))
            if histograms
            else None,
            np.array(starts, np.int64) if any(starts) else None,
        )

    def _table(self, rows: tuple[int, ...]) -> LabelTable:
        with self._lock:  # symbols are given by one thread at a time
            found = self._tables.get(rows)
            if found is None:
                keys = list(self.samples)
                found = LabelTable.from_dicts([dict(keys[row]) for row in rows], self.symbols)
                self._tables[rows] = found
            return found

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        """Labels of all series that pass and have samples in that range."""
        return self.select(matchers, start_ms, end_ms).labels

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Sorted names of all labels of those series."""
        return sorted(
            {name for row in self.series(matchers, start_ms, end_ms).rows() for name in row}
        )

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Sorted values of one label in those series."""
        rows = self.series(matchers, start_ms, end_ms).rows()
        return sorted({row[name] for row in rows if name in row})
