"""A querier over plain Python data: what engine tests read instead of storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints

Key = tuple[tuple[str, str], ...]


class FakeQuerier:
    """Series as sorted lists of (t_ms, value); equal time lists are shared in answers."""

    def __init__(self) -> None:
        self.symbols = Symbols()
        self.generation = 0
        self.samples: dict[Key, dict[int, float]] = {}
        self._tables: dict[tuple[int, ...], LabelTable] = {}

    def add(self, labels: Mapping[str, str], samples: Sequence[tuple[int, float]]) -> None:
        key = tuple(sorted((name, value) for name, value in labels.items() if value))
        self.samples.setdefault(key, {}).update(samples)
        self.generation += 1
        self._tables.clear()

    def clear(self) -> None:
        self.samples.clear()
        self.generation += 1
        self._tables.clear()

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        rows, offsets, times_at, times, values = [], [0], [], [], []
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
            # Through arrays: a Python float keeps the bits of a staleness marker.
            values.extend(samples[t] for t in inside)
            offsets.append(len(values))
        return SeriesBatch(
            self._table(tuple(rows)),
            np.array(offsets, np.int64),
            np.array(times_at, np.int64),
            np.array(times, np.int64),
            np.array(values, np.float64),
        )

    def _table(self, rows: tuple[int, ...]) -> LabelTable:
        found = self._tables.get(rows)
        if found is None:
            keys = list(self.samples)
            found = LabelTable.from_dicts([dict(keys[row]) for row in rows], self.symbols)
            self._tables[rows] = found
        return found

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        return self.select(matchers, start_ms, end_ms).labels

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        return sorted(
            {name for row in self.series(matchers, start_ms, end_ms).rows() for name in row}
        )

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        rows = self.series(matchers, start_ms, end_ms).rows()
        return sorted({row[name] for row in rows if name in row})
