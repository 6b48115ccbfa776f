"""What is stored here and what remote endpoints have, as one source of queries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from promlab.config.config import Config
from promlab.errors import TooManySamples
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, Querier, QueryScope, SelectHints
from promlab.remote.read_answers import Found
from promlab.remote.read_client import ReadFailed, RemoteReader

# Labels can't be asked for: the same words as Prometheus's.
NO_LABELS = "not implemented"
Index = npt.NDArray[np.int64]


class RemoteRead:
    """All endpoints of remote read: a reload adds, keeps and removes them."""

    def __init__(
        self,
        local: Querier,
        oldest_ms: Callable[[], int | None],
        *,
        margin_ms: int,
        version: str,
    ) -> None:
        """`oldest_ms` says how far local storage reaches back.

        An endpoint that is not to be asked for what is recent is left alone for times that are
        younger than that by `margin_ms`.
        """
        self._local, self._oldest_ms, self._margin_ms = local, oldest_ms, margin_ms
        self._version = version
        self.readers: tuple[RemoteReader, ...] = ()

    async def apply(self, config: Config) -> None:
        """Ask as this configuration says from now on. Raises ConfigError, nothing changed."""
        external, loop = config.global_.external_labels, asyncio.get_running_loop()
        before = list(self.readers)
        readers = []
        for each in config.remote_read:
            kept = next((r for r in before if (r.config, r.external) == (each, external)), None)
            if kept is not None:
                before.remove(kept)
            readers.append(kept or RemoteReader(each, external, loop, version=self._version))
        self.readers = tuple(readers)
        await _close(before)

    async def stop(self) -> None:
        """Close all connections."""
        readers, self.readers = self.readers, ()
        await _close(readers)

    def local_before_ms(self) -> int | None:
        """From when on local storage has everything; None where it has nothing."""
        oldest = self._oldest_ms()
        return None if oldest is None else oldest + self._margin_ms

    def within(self, scope: QueryScope) -> Querier:
        """The querier for one query."""
        return Sources(self._local, self, scope) if self.readers else self._local


class Sources:
    """Local storage and remote endpoints, asked by one query."""

    def __init__(self, local: Querier, remote: RemoteRead, scope: QueryScope) -> None:
        self._local, self._remote, self._scope = local, remote, scope
        self._silent: set[RemoteReader] = set()

    @property
    def symbols(self) -> Symbols:
        """Local storage's symbols; texts of others are in the scope's."""
        return self._local.symbols

    @property
    def generation(self) -> int:
        """Local storage's: what others have is never known before it is asked for."""
        return self._local.generation

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        """Samples with start_ms <= t <= end_ms of all series that pass every matcher."""
        local = self._local.select(matchers, start_ms, end_ms, hints)
        answers = self._answers(matchers, start_ms, end_ms, hints)
        found = [inside(each, start_ms, end_ms) for each in answers]
        found = [each for each in found if len(each.t_ms)]
        if not found:
            return local
        total = local.sample_count + sum(len(each.t_ms) for each in found)
        if hints.max_samples and total > hints.max_samples:
            raise TooManySamples(hints.max_samples)
        return joined(local, found, self._scope.symbols)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        """Labels of all series that pass and may have samples in that range."""
        local = self._local.series(matchers, start_ms, end_ms)
        hints = SelectHints(func="series")
        answers = self._answers(matchers, start_ms, end_ms, hints)
        tables = [each.labels for each in answers if each.labels.n]
        return united([local, *tables], self._scope.symbols)[0] if tables else local

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Sorted names of all labels of local series."""
        self._scope.warn(NO_LABELS)
        return self._local.label_names(matchers, start_ms, end_ms)

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Sorted values that one label takes in local series."""
        self._scope.warn(NO_LABELS)
        return self._local.label_values(name, matchers, start_ms, end_ms)

    def _answers(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: SelectHints
    ) -> list[Found]:
        """What the endpoints answer; one that fails is warned of, and not asked again."""
        found = []
        for reader in self._remote.readers:
            last_ms = self._asked_until(reader, start_ms, end_ms)
            if reader in self._silent or last_ms is None or not reader.wanted(matchers):
                continue
            try:
                answer = reader.ask(matchers, start_ms, last_ms, hints, self._scope)
                found.append(answer)
                if answer.lacks:
                    self._scope.warn(f"remote_read: {answer.lacks}")
            except ReadFailed as error:
                self._silent.add(reader)
                self._scope.warn(str(error))
        return found

    def _asked_until(self, reader: RemoteReader, start_ms: int, end_ms: int) -> int | None:
        """The newest time that this endpoint is asked for, None if it is not."""
        if reader.config.read_recent:
            return end_ms
        here_ms = self._remote.local_before_ms()
        if here_ms is None:
            return end_ms
        return None if start_ms > here_ms else min(end_ms, here_ms)


async def _close(readers: Sequence[RemoteReader]) -> None:
    for reader in readers:
        await reader.close()


def inside(found: Found, start_ms: int, end_ms: int) -> Found:
    """The samples in a range: chunks reach beyond it."""
    rows = np.flatnonzero((found.t_ms >= start_ms) & (found.t_ms <= end_ms))
    if len(rows) == len(found.t_ms):
        return found
    histograms = None if found.histograms is None else found.histograms.take(rows)
    return Found(found.labels, found.series[rows], found.t_ms[rows], found.values[rows], histograms)


def joined(local: SeriesBatch, others: Sequence[Found], symbols: Symbols) -> SeriesBatch:
    """All samples; of two of one series and time, that of the source that comes first stays."""
    parts = [_as_found(local), *others]
    labels, rows = united([part.labels for part in parts], symbols)
    series = np.concatenate([at[part.series] for at, part in zip(rows, parts, strict=True)])
    t_ms = np.concatenate([part.t_ms for part in parts])
    order = np.lexsort((t_ms, series))
    series, t_ms = series[order], t_ms[order]
    first = np.append(True, (series[1:] != series[:-1]) | (t_ms[1:] != t_ms[:-1]))
    order, series, t_ms = order[first], series[first], t_ms[first]
    values = np.concatenate([part.values for part in parts])[order]
    column = HistogramColumn.stack(
        [part.histograms for part in parts], [len(part.t_ms) for part in parts]
    )
    starts = None
    if local.start_ms is not None:
        starts = np.zeros(len(first), np.int64)
        starts[: len(local.start_ms)] = local.start_ms
        starts = starts[order]
    # Series of local storage without samples are left out, as everywhere.
    present, counts = np.unique(series, return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    histograms = None if column is None else column.take(order)
    return SeriesBatch(
        labels.take(present), offsets, offsets[:-1].copy(), t_ms, values, histograms, starts
    )


def _as_found(batch: SeriesBatch) -> Found:
    counts = np.diff(batch.offsets)
    series = np.repeat(np.arange(batch.n), counts)
    within = np.arange(len(series)) - np.repeat(batch.offsets[:-1], counts)
    t_ms = batch.t_ms[np.repeat(batch.times_at, counts) + within]
    return Found(batch.labels, series, t_ms, batch.values, batch.histograms)


def united(tables: Sequence[LabelTable], symbols: Symbols) -> tuple[LabelTable, list[Index]]:
    """Label sets of several tables, each once; and which one each of their rows has.

    The first table's codes are those of the table below `symbols`: they stay.
    """
    recoded = [tables[0], *(table.recode(symbols) for table in tables[1:])]
    names = sorted({name for table in recoded for name in table.columns})
    cells = (
        np.concatenate(
            [np.stack([table.column(name) for name in names], axis=1) for table in recoded]
        )
        if names
        else np.zeros((sum(table.n for table in recoded), 0), np.uint32)
    )
    _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    # In the order in which they come: those of local storage as it has them.
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    rows = rank[inverse.reshape(-1)]
    kept = cells[first[order]]
    columns = {name: np.ascontiguousarray(kept[:, i]) for i, name in enumerate(names)}
    ends = np.cumsum([table.n for table in recoded])
    return LabelTable(len(kept), columns, symbols), np.split(rows, ends[:-1])
