"""What comes beside the values of a scrape: histograms, start times, exemplars.

Most targets send none of it; then nothing here costs anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from promlab.exposition.exemplars import Exemplar
from promlab.exposition.parsed import ParsedBody
from promlab.model.histograms import UNKNOWN, HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Times
from promlab.model.storage import (
    NO_EXTRAS,
    Appender,
    ExemplarBatch,
    ExemplarOutcome,
    Refs,
    SampleExtras,
)
from promlab.scrape.labels import Rows
from promlab.scrape.plan import NO_REF


def extras_of(
    body: ParsedBody, rows: Rows, *, before: int = 0, behind: int = 0, starts: bool = False
) -> SampleExtras:
    """Extras of these rows of a body, with room for other samples around them.

    Start times are given only with `starts`.
    """
    histograms, start_ms = None, None
    if body.histograms is not None:
        index = np.full(before + len(rows) + behind, -1, np.int64)
        index[before : before + len(rows)] = body.histograms.index[rows]
        histograms = HistogramColumn(body.histograms.table, index)
    if starts and body.start_ms is not None:
        start_ms = np.zeros(before + len(rows) + behind, np.int64)
        start_ms[before : before + len(rows)] = body.start_ms[rows]
    if histograms is None and start_ms is None:
        return NO_EXTRAS
    return SampleExtras(histograms, start_ms)


class ZeroSamples:
    """Writes a zero where a series says it began to count, once for each beginning."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self._told: Times = np.zeros(0, np.int64)
        self._refs: Refs | None = None

    def store(self, t_ms: int, body: ParsedBody, refs: Refs) -> None:
        """Store zeros for what began before this scrape at `t_ms`, and was not told yet.

        `refs` are those of the body's rows, the very same array as long as these stay. One that
        is older than what its series has already is refused by storage, and not missed.
        """
        if body.start_ms is None:
            return
        if self._refs is not refs:
            self._refs, self._told = refs, np.zeros(len(refs), np.int64)
        start_ms = body.start_ms
        fresh = (start_ms != self._told) & (start_ms > 0) & (start_ms < t_ms) & (refs != NO_REF)
        rows = np.flatnonzero(fresh)
        if not len(rows):
            return
        self._told = start_ms.copy()
        extras = NO_EXTRAS
        if body.histograms is not None:
            table = body.histograms.table
            empty = replace(table.scaled(0.0), sum=np.zeros(table.n)).hinted(UNKNOWN)
            extras = SampleExtras(HistogramColumn(empty, body.histograms.index[rows]), None)
        self._appender.append_loose(refs[rows], start_ms[rows], np.zeros(len(rows)), extras)


class Exemplars:
    """Hands over the exemplars of one target; what was handed over before is left out."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self._last: dict[int, list[Exemplar]] = {}
        self._refs: Refs | None = None

    def store(self, t_ms: int, body: ParsedBody, refs: Refs) -> ExemplarOutcome:
        """Store what is new; one without a time has that of the scrape. `refs` as above."""
        if self._refs is not refs:
            self._refs, self._last = refs, {}
        found: dict[int, list[Exemplar]] = {}
        for exemplar in body.exemplars():
            if refs[exemplar.row] != NO_REF:
                found.setdefault(exemplar.row, []).append(exemplar)
        fresh = [e for row, each in found.items() for e in each if e not in self._last.get(row, ())]
        self._last = found
        return self._append(t_ms, fresh, refs) if fresh else ExemplarOutcome()

    def _append(self, t_ms: int, fresh: Iterable[Exemplar], refs: Refs) -> ExemplarOutcome:
        timed = sorted(
            (e.row, t_ms if e.t_ms is None else e.t_ms, e.value, i) for i, e in enumerate(fresh)
        )
        labels = [e.labels for e in fresh]
        batch = ExemplarBatch(
            refs[[row for row, _, _, _ in timed]],
            np.array([t for _, t, _, _ in timed], np.int64),
            np.array([value for _, _, value, _ in timed], np.float64),
            LabelTable.from_dicts([labels[i] for _, _, _, i in timed], Symbols()),
        )
        return self._appender.append_exemplars(batch)
