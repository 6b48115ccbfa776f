"""A world for rules: storage in memory, a clock that tests move, and what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from promlab.errors import StorageError
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import STALE_BITS, SeriesBatch, Times, Values
from promlab.model.storage import NO_HINTS, AppendOutcome, SelectHints
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.rules.alert import Alert
from promlab.rules.alerting import AlertingRule
from promlab.rules.group import Group, GroupOptions

Key = tuple[tuple[str, str], ...]
STALE = "stale"


class Store:
    """Series in memory: a querier, and a sink for what rules make."""

    def __init__(self) -> None:
        self.symbols = Symbols()
        self.generation = 0
        self.samples: dict[Key, list[tuple[int, np.float64]]] = {}
        self.broken = False

    def add(self, labels: Mapping[str, str], *samples: tuple[int, float]) -> None:
        key = tuple(sorted(labels.items()))
        self.samples.setdefault(key, []).extend((t, np.float64(v)) for t, v in samples)
        self.generation += 1

    async def append(
        self,
        labels: LabelTable,
        t_ms: Times,
        values: Values,
        histograms: HistogramColumn | None = None,
    ) -> AppendOutcome:
        if self.broken:
            raise StorageError("disk full")
        assert labels.n == len(t_ms) == len(values)
        rows = list(labels.rows())
        assert len({tuple(row.items()) for row in rows}) == len(rows), "rows are distinct"
        refused = 0
        for row, t, value in zip(rows, t_ms.tolist(), values, strict=True):
            assert row["__name__"]
            series = self.samples.setdefault(tuple(sorted(row.items())), [])
            if series and t <= series[-1][0]:
                refused += 1
                continue
            series.append((t, value))
        self.generation += 1
        return AppendOutcome(appended=labels.n - refused, out_of_order=refused)

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        rows, times, values = [], [], []
        for key, series in self.samples.items():
            labels = dict(key)
            inside = [(t, v) for t, v in series if start_ms <= t <= end_ms]
            if inside and all(m.matches(labels.get(m.name, "")) for m in matchers):
                rows.append(labels)
                times.append([t for t, _ in inside])
                values.append(np.array([v for _, v in inside], np.float64))
        return SeriesBatch.from_series(LabelTable.from_dicts(rows, self.symbols), times, values)

    def of(self, name: str, **labels: str) -> dict[Key, list[tuple[int, float | str]]]:
        """Samples of all series with a name and these labels, by their other labels."""
        wanted = {"__name__": name, **labels}
        return {
            tuple(pair for pair in key if pair not in wanted.items()): [
                (t, STALE if v.view(np.uint64) == STALE_BITS else float(v)) for t, v in series
            ]
            for key, series in self.samples.items()
            if wanted.items() <= dict(key).items()
        }


class VirtualTime:
    """A clock that moves only when a test says so."""

    def __init__(self, now_ms: float = 0.0) -> None:
        self.now = now_ms
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_ms(self) -> float:
        return self.now

    async def sleep_until(self, t_ms: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((t_ms, waiting))
        try:
            await waiting
        finally:
            self._sleepers = [entry for entry in self._sleepers if entry[1] is not waiting]

    def set_by(self, by_ms: float) -> None:
        """Set the clock: who sleeps, sleeps as long as before."""
        self.now += by_ms
        self._sleepers = [(t_ms + by_ms, waiting) for t_ms, waiting in self._sleepers]

    async def _settle(self) -> None:
        for _ in range(50):  # everything runs on the loop: tasks get to their next sleep
            await asyncio.sleep(0)

    async def advance(self, by_ms: float) -> None:
        until = self.now + by_ms
        await self._settle()
        while due := [entry for entry in self._sleepers if entry[0] <= until]:
            entry = min(due, key=lambda pair: pair[0])
            self._sleepers.remove(entry)
            self.now = max(self.now, entry[0])
            entry[1].set_result(None)
            await self._settle()
        self.now = until


class World:
    """Storage, engine, clock, and what would have been sent."""

    def __init__(self, now_ms: float = 0.0) -> None:
        self.store = Store()
        self.clock = VirtualTime(now_ms)
        self.sent: list[tuple[str, Alert]] = []
        self.warnings: list[str] = []
        self.engine = Engine(self.store, EngineOptions(threads=1))
        self.options = GroupOptions(
            self.engine,
            self.store,
            self.store,
            self.clock,
            notify=lambda rule, alerts: self.sent.extend((rule.expr, a) for a in alerts),
            warn=self.warnings.append,
        )

    def group(self, *rules: Any, interval_ms: int = 60_000, **settings: Any) -> Group:
        return Group("g", "f", rules, self.options, interval_ms=interval_ms, **settings)


def alert_rule(expr: str, **settings: Any) -> AlertingRule:
    labels, annotations = settings.pop("labels", {}), settings.pop("annotations", {})
    return AlertingRule("A", expr, labels, annotations, **settings)
