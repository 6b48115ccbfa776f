"""What one running query knows and may use: data, limits, time, annotations, helpers.

A context belongs to one query and one thread at a time; the engine behind it is shared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from threading import Event
from typing import Any, TypeVar

import msgspec

from promlab.errors import QueryCanceled, QueryError, QueryTimeout, TooManySamples
from promlab.jit.threads import Helpers
from promlab.model.labels import LabelTable, Symbols
from promlab.model.storage import Querier
from promlab.promql.annotations import Annotations
from promlab.promql.ast import Node
from promlab.promql.memo import TableMemo
from promlab.promql.options import EngineOptions
from promlab.promql.plan import Plan
from promlab.promql.step_counts import StepCounts
from promlab.promql.steps import Steps

T = TypeVar("T")

# Below this much work (samples and points), a second thread costs more than it gives.
_SPLIT = 300_000


class QueryContext(msgspec.Struct):
    """State of one query. `cells` counts values that intermediate results hold now."""

    plan: Plan
    querier: Querier
    options: EngineOptions
    steps: Steps
    end_ms: int  # of the query's time range: the last step may be before it
    step_ms: int  # of a range query, 0 for an instant query
    lookback_ms: int
    max_samples: int
    deadline: float
    cancel: Event | None
    annotations: Annotations
    memo: TableMemo
    helpers: Callable[[], Helpers | None]
    stored: Querier  # whose symbols are those of the data
    cells: int = 0
    peak: int = 0
    samples_read: int = 0
    statistics: bool = False
    counts: StepCounts | None = None  # where somebody asked for samples by step
    results: dict[Hashable, Any] = msgspec.field(default_factory=dict)
    counts_of: dict[Hashable, StepCounts] = msgspec.field(default_factory=dict)  # of `results`
    _base: Symbols | None = None
    _symbols: Symbols | None = None

    @property
    def base(self) -> Symbols:
        """The symbol table of stored series."""
        if self._base is None:
            self._base = self.stored.symbols
        return self._base

    @property
    def symbols(self) -> Symbols:
        """Symbols for strings that the query makes up: forgotten with it."""
        if self._symbols is None:
            self._symbols = self.base.overlay()
        return self._symbols

    @property
    def range_ms(self) -> int:
        """Length of the query's time range, 0 for an instant query."""
        return self.end_ms - self.steps.start_ms

    def warn(self, text: str) -> None:
        """Say beside the answer what a source says of it."""
        self.annotations.add(text)

    @contextmanager
    def only_statistics(self) -> Iterator[None]:
        """While this lasts, nothing but count and sum of histograms is asked for.

        Selectors then find out themselves where counters were reset, as Prometheus does.
        """
        before, self.statistics = self.statistics, True
        try:
            yield
        finally:
            self.statistics = before

    def check(self) -> None:
        """Raise if the query was cancelled or has run too long."""
        if self.cancel is not None and self.cancel.is_set():
            raise QueryCanceled("query was canceled in expression evaluation")
        if time.monotonic() > self.deadline:
            raise QueryTimeout("query timed out in expression evaluation")

    def hold(self, count: int) -> None:
        """Account for values that are about to be allocated. Raises TooManySamples."""
        self.cells += count
        if self.cells > self.peak:
            self.peak = self.cells
        if self.cells > self.max_samples:
            raise TooManySamples(self.max_samples)

    def read(self, count: int) -> None:
        """Account for samples that were read. Raises TooManySamples."""
        self.samples_read += count
        if count > self.peak:
            self.peak = count
        if count > self.max_samples:
            raise TooManySamples(self.max_samples)

    def error(self, message: str, node: Node, hint: str = "") -> QueryError:
        """An error that points at a part of the query."""
        return QueryError(message, query=self.plan.text, start=node.start, end=node.end, hint=hint)

    def remember(self, tables: tuple[LabelTable, ...], key: Hashable, make: Callable[[], T]) -> T:
        """A value derived from label tables, shared with other queries where that is safe."""
        for table in tables:
            if table.symbols.is_overlay:  # the query made it up
                return make()
        return self.memo.get(tables, key, make)

    def split(self, work: int, n: int, run: Callable[[int, int], None]) -> None:
        """Run a kernel over [0, n) in one piece, or in several threads if `work` is big."""
        self.check()
        if work <= _SPLIT:
            run(0, n)
            return
        threads = min(self.options.threads, n)
        helpers = self.helpers() if threads > 1 else None
        if helpers is None:
            run(0, n)
        else:
            edges = [n * i // threads for i in range(threads + 1)]
            first, *others = [partial(run, a, b) for a, b in pairwise(edges)]
            helpers.run(first, *others)
        self.check()
