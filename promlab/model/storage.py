"""The two seams around storage: what writes samples, and what reads them.

`Appender` keeps the scrape loop, the rules and remote write from knowing how samples are
stored; `Querier` keeps the query engine from knowing where they come from: head, block, a
user's frame, a remote server or a Dask partition all give the same `SeriesBatch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch, Times, Values

Slots = npt.NDArray[np.uint32]
Refs = npt.NDArray[np.uint64]


class AppendOutcome(NamedTuple):
    """How many samples were taken, and why the others were not."""

    appended: int = 0
    duplicate: int = 0  # same series and time, another value
    out_of_order: int = 0  # older than the series' newest sample
    too_old: int = 0  # older than what the head still takes


class SampleExtras(NamedTuple):
    """What may come beside the values of an append; None where no sample has any."""

    histograms: HistogramColumn | None = None  # index[n]: a row of its table, -1 for a float
    start_ms: Times | None = None  # i64[n]: since when each sample counts, 0 where unknown


NO_EXTRAS = SampleExtras()


@dataclass(frozen=True, slots=True)
class ExemplarBatch:
    """n exemplars. Their labels have symbols of their own: trace ids are never seen again.

    Of one series they come by time, then by value, as they are scraped.
    """

    refs: Refs
    t_ms: Times
    values: Values
    labels: LabelTable  # of the exemplars, not of their series

    @property
    def n(self) -> int:
        """Number of exemplars."""
        return len(self.refs)


class ExemplarOutcome(NamedTuple):
    """How many exemplars were taken, and why the others were not."""

    appended: int = 0
    duplicate: int = 0  # the series' newest one, once more
    out_of_order: int = 0  # older than the series' newest one
    too_long: int = 0  # more than 128 characters of labels


class SeriesGroup(Protocol):
    """Series that are sampled together: those of one scrape target."""

    def slots(self, labels: LabelTable) -> Slots:
        """Slot of each label set in this group, registering what is new. u32[n]."""

    def append(
        self, t_ms: int, slots: Slots, values: Values, extras: SampleExtras = NO_EXTRAS
    ) -> AppendOutcome:
        """One sample at `t_ms` for each of `slots` (distinct); other slots get none.

        Passing the very same `slots` array as last time is the fast path. Of a histogram the
        value means nothing; hints are worked out by the storage, unless they say GAUGE or RESET.
        """

    def refs(self, slots: Slots) -> Refs:
        """References of the series in these slots, for `append_exemplars`. u64[n]."""

    def close(self) -> None:
        """The target is gone: nothing more will be appended to this group."""


class Appender(Protocol):
    """Takes samples. Not thread-safe: one event loop owns it."""

    @property
    def symbols(self) -> Symbols:
        """The symbol table that label tables given to this appender use."""

    def open_group(self, target: Mapping[str, str]) -> SeriesGroup:
        """A group for a target's scrapes; `target` says whose (for introspection)."""

    def refs(self, labels: LabelTable) -> Refs:
        """Reference of each label set for `append_loose`, registering what is new. u64[n]."""

    def append_loose(
        self, refs: Refs, t_ms: Times, values: Values, extras: SampleExtras = NO_EXTRAS
    ) -> AppendOutcome:
        """Samples of any series at any times: remote write, rules, explicit timestamps."""

    def append_exemplars(self, batch: ExemplarBatch) -> ExemplarOutcome:
        """Keep exemplars beside their series, as long as there is room for them."""

    def commit(self) -> None:
        """Make everything appended so far durable against the death of this process.

        Raises StorageError if it can't: nothing of it may then be acknowledged.
        """


class SelectHints(msgspec.Struct, frozen=True):
    """What a query will do with the samples: storage may use it to read less."""

    step_ms: int = 0  # 0 for an instant query
    range_ms: int = 0  # 0 for an instant selector
    func: str = ""  # function or aggregation around the selector
    max_samples: int = 0  # raise TooManySamples beyond; 0 for no limit
    newest: bool = False  # only the newest sample of each series counts


NO_HINTS = SelectHints()


class Querier(Protocol):
    """Reads samples. Safe to use from several threads at once."""

    @property
    def symbols(self) -> Symbols:
        """The symbol table of all answers."""

    @property
    def generation(self) -> int:
        """Grows whenever the set of series may have changed: a key for caches."""

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        """Samples with start_ms <= t <= end_ms of all series that pass every matcher.

        Series without a sample in that range may be left out. Two calls of one generation
        give series that pass in the same order.
        """

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        """Labels of all series that pass and may have samples in that range."""

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Sorted names of all labels of those series."""

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Sorted values that one label takes in those series."""


class QueryScope(Protocol):
    """The query that a source is asked for: what it may use, and what it should hear of."""

    @property
    def symbols(self) -> Symbols:
        """An overlay of the source's symbols, for texts that are forgotten with the query."""

    @property
    def deadline(self) -> float:
        """When the query has run too long, on the clock of `time.monotonic`."""

    @property
    def cancel(self) -> Event | None:
        """Set when nobody waits for the query any more."""

    def warn(self, text: str) -> None:
        """Say beside the answer what it lacks."""


class SeriesExemplars(NamedTuple):
    """Exemplars of one series: (labels, time in ms, value) each, in the order they came."""

    labels: dict[str, str]
    exemplars: list[tuple[dict[str, str], int, float]]


Position = tuple[int, int]  # in a log: number of the file, bytes


class Stored(NamedTuple):
    """Samples in the order in which they were stored, whatever their times."""

    position: Position  # behind them
    labels: LabelTable  # of the series
    series: npt.NDArray[np.int64]  # numbers of the series, ascending
    rows: npt.NDArray[np.int64]  # which of the series each sample belongs to
    t_ms: Times


class StoredExemplars(NamedTuple):
    """Exemplars in the order in which they were stored."""

    position: Position  # behind them
    labels: LabelTable  # of each one's series
    t_ms: Times
    values: Values
    own: LabelTable  # of the exemplars themselves


@runtime_checkable
class StoredLog(Protocol):
    """Tells what was stored since, as a queue needs it: samples that come late among them."""

    def so_far(self) -> tuple[int, int]:
        """How many samples were stored since the writer started, and the newest one's time in ms.

        That is 0 where there is none.
        """

    def loose_since(self, position: Position | None) -> Stored:
        """Samples that did not come by a scrape; from now on where the position is None."""

    def exemplars_since(self, position: Position | None) -> StoredExemplars:
        """Exemplars; from now on where the position is None."""

    def of_series(
        self, series: npt.NDArray[np.int64], start_ms: int, end_ms: int
    ) -> tuple[SeriesBatch, npt.NDArray[np.int64]]:
        """Samples of series by their numbers, and which of these has each row of the batch."""


@runtime_checkable
class ExemplarQuerier(Protocol):
    """Reads exemplars."""

    def exemplars(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[SeriesExemplars]:
        """Those in a range, of the series that pass all matchers of one of the selectors.

        Sorted by the series' labels.
        """
