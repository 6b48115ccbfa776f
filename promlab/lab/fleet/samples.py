"""What the scrapes of a simulated world brought, as columns, and a querier over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from promlab.frames.querier import BatchQuerier
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch, stale_values
from promlab.model.storage import NO_HINTS, SelectHints

Key = tuple[tuple[str, str], ...]


class SampleLog:
    """A `Querier` that grows. Samples of a series have to come in the order of their times."""

    def __init__(self) -> None:
        self.symbols = Symbols()
        self._rows: dict[Key, int] = {}
        self._times: list[int] = []
        self._series: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._built: BatchQuerier | None = None
        self.oldest_ms = self.newest_ms = 0

    @property
    def generation(self) -> int:
        """Grows with the series."""
        return len(self._rows)

    @property
    def time_range(self) -> tuple[int, int]:
        """From the first moment to now, whether or not there are samples."""
        return self.oldest_ms, self.newest_ms

    def row(self, key: Key) -> int:
        """The number of a series."""
        return self._rows.setdefault(key, len(self._rows))

    def append(self, t_ms: int, rows: Iterable[int], values: Sequence[float]) -> None:
        """One sample for each of these series."""
        self._add(t_ms, np.fromiter(rows, np.int64), np.asarray(values, np.float64))

    def mark_stale(self, t_ms: int, rows: Iterable[int]) -> None:
        """These series have ended: the markers that a scrape loop writes."""
        chosen = np.fromiter(rows, np.int64)
        self._add(t_ms, chosen, stale_values(len(chosen)))

    def _add(self, t_ms: int, rows: np.ndarray, values: np.ndarray) -> None:
        if len(rows):
            self._times.append(t_ms)
            self._series.append(rows)
            self._values.append(values)
            self._built = None

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        """Samples with start_ms <= t <= end_ms of all series that pass every matcher."""
        return self._now().select(matchers, start_ms, end_ms, hints)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        """Labels of all series that pass and have samples in that range."""
        return self._now().series(matchers, start_ms, end_ms)

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Sorted names of all labels of those series."""
        return self._now().label_names(matchers, start_ms, end_ms)

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Sorted values that one label takes in those series."""
        return self._now().label_values(name, matchers, start_ms, end_ms)

    def _now(self) -> BatchQuerier:
        """Samples by series, and by time within a series."""
        if self._built is None:
            labels = LabelTable.from_dicts([dict(key) for key in self._rows], self.symbols)
            if not self._series:
                return BatchQuerier(SeriesBatch.empty(self.symbols))
            series = np.concatenate(self._series)
            times = np.repeat(np.array(self._times, np.int64), list(map(len, self._series)))
            order = np.argsort(series, kind="stable")
            counts = np.bincount(series, minlength=labels.n)
            offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            values = np.concatenate(self._values)[order]
            batch = SeriesBatch(labels, offsets, offsets[:-1].copy(), times[order], values)
            self._built = BatchQuerier(batch)
        return self._built
