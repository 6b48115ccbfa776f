"""A `Querier` over samples in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from promlab.client.frames import contiguous_times
from promlab.errors import TooManySamples
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints

Rows = npt.NDArray[np.int64]


class BatchQuerier:
    """Answers from one batch, which never changes. Safe to use from several threads."""

    generation = 0

    def __init__(self, batch: SeriesBatch) -> None:
        self._batch = batch
        self._t_ms = contiguous_times(batch)
        self._tables: dict[tuple[Matcher, ...], tuple[Rows, LabelTable]] = {}

    @property
    def symbols(self) -> Symbols:
        """The symbol table of all answers."""
        return self._batch.labels.symbols

    @property
    def time_range(self) -> tuple[int, int] | None:
        """Times of the oldest and the newest sample in ms, None if there is none."""
        return (int(self._t_ms.min()), int(self._t_ms.max())) if len(self._t_ms) else None

    def spacing_ms(self) -> int:
        """The median distance between two samples of a series, 0 where none has two."""
        steps = np.diff(self._t_ms)
        inside = np.ones(len(steps), np.bool_)
        ends = self._batch.offsets[1:-1] - 1
        inside[ends[(ends >= 0) & (ends < len(steps))]] = False
        return int(np.median(steps[inside])) if inside.any() else 0

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        """Samples with start_ms <= t <= end_ms of all series that pass every matcher."""
        rows, labels = self._passing(tuple(matchers))
        offsets = self._batch.offsets
        inside = (self._t_ms >= start_ms) & (self._t_ms <= end_ms)
        chosen: slice | Rows
        if len(rows) == self._batch.n and inside.all():
            chosen, sizes = slice(None), np.diff(offsets)
        else:
            # Times of a series ascend: what is inside is one stretch of it.
            before = np.concatenate([[0], np.cumsum(inside)])
            sizes = (before[offsets[1:]] - before[offsets[:-1]])[rows]
            wanted = np.zeros(self._batch.n, np.bool_)
            wanted[rows] = True
            chosen = np.flatnonzero(inside & np.repeat(wanted, np.diff(offsets)))
        total = int(sizes.sum())
        if hints.max_samples and total > hints.max_samples:
            raise TooManySamples(hints.max_samples)
        kept = sizes > 0
        if not kept.all():
            labels, sizes = labels.take(np.flatnonzero(kept)), sizes[kept]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        times, values = self._t_ms[chosen], self._batch.values[chosen]
        histograms, since = self._batch.histograms, self._batch.start_ms
        if histograms is not None:
            histograms = replace(histograms, index=histograms.index[chosen])
        if since is not None:
            since = since[chosen]
        return SeriesBatch(labels, starts, starts[:-1].copy(), times, values, histograms, since)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        """Labels of all series that pass and have samples in that range."""
        return self.select(matchers, start_ms, end_ms).labels

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Sorted names of all labels of those series."""
        labels = self.series(matchers, start_ms, end_ms)
        return sorted(name for name, codes in labels.columns.items() if codes.any())

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Sorted values that one label takes in those series."""
        codes = np.unique(self.series(matchers, start_ms, end_ms).column(name))
        return sorted(self.symbols.texts(codes[codes > 0]))

    def _passing(self, matchers: tuple[Matcher, ...]) -> tuple[Rows, LabelTable]:
        found = self._tables.get(matchers)
        if found is None:
            labels = self._batch.labels
            passes = np.ones(labels.n, np.bool_)
            for matcher in matchers:
                codes, inverse = np.unique(labels.column(matcher.name), return_inverse=True)
                verdicts = [matcher.matches(text) for text in labels.symbols.texts(codes)]
                passes &= np.array(verdicts, np.bool_)[inverse]
            rows = np.flatnonzero(passes)
            found = rows, labels if len(rows) == labels.n else labels.take(rows)
            self._tables[matchers] = found
        return found
