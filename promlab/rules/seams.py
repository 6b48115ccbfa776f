"""What rules need from the world around them: data, a place for samples, time, a log.

The server hands these in; nothing in this room opens a file or a connection by itself, but
for the notifier's requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.samples import Times, Values
from promlab.model.storage import AppendOutcome
from promlab.promql.result import QueryResult


class Sink(Protocol):
    """Takes what rules make. Returns when queries can see it."""

    async def append(
        self,
        labels: LabelTable,
        t_ms: Times,
        values: Values,
        histograms: HistogramColumn | None = None,
    ) -> AppendOutcome:
        """One sample for each row; rows are distinct. Raises StorageError, ServerError.

        Where the index of `histograms` is not -1, the sample is that histogram.
        """


class Evaluator(Protocol):
    """What is asked of `promlab.promql.engine.Engine`; called in a thread of its own."""

    def instant(self, text: str, t_ms: int) -> QueryResult:
        """Value of a query at `t_ms`. Raises PromQLError."""


class Clock(Protocol):
    """Tells the time, and waits for one."""

    def now_ms(self) -> float:
        """UTC milliseconds, with fraction."""

    async def sleep_until(self, t_ms: float) -> None:
        """Return when it is `t_ms`, at once if that has passed."""


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> float:
        """UTC milliseconds, with fraction."""
        return time.time() * 1000.0

    async def sleep_until(self, t_ms: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(max(0.0, (t_ms - self.now_ms()) / 1000.0))


Warn = Callable[[str], None]  # a line for the server's log
