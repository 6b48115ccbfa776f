"""`Source`: samples in memory that PromQL is evaluated over; `query` and `query_range`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from promlab.client.client import choose_step_ms
from promlab.client.results import InstantVector, RangeVector, Result
from promlab.client.times import DurationLike, TimeLike, now_ms, show_time, to_duration_ms, to_ms
from promlab.errors import FrameError
from promlab.frames.answers import to_result
from promlab.frames.columns import Columns
from promlab.frames.convert import to_batch
from promlab.frames.querier import BatchQuerier
from promlab.model.labels import METRIC_NAME
from promlab.model.storage import Querier
from promlab.promql.ast import Expr, VectorSelector, walk
from promlab.promql.checks import ALL_FEATURES
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promql.result import RawMatrix
from promlab.promql.short_ranges import Window, advice, spacing_ms, windows_of_two

_LOOKBACK_MS = 300_000
_THREADS = 4


class Source:
    """Samples that any number of queries are evaluated over.

    `data` is a frame (Polars, pandas, Arrow), the path of a Parquet, CSV or Arrow file, a
    result of another query, a dict of those by metric name, or what `promlab.open` gives.
    What its columns are is found out, or said: see `promlab.frames.columns.Columns`. An
    instant selector takes samples up to `lookback` old: 5 minutes, or twice the distance of
    samples where that is more. Raises FrameError.
    """

    def __init__(
        self,
        data: Any,
        *,
        timestamp: str | None = None,
        value: str | Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        name: str | None = None,
        unit: str | None = None,
        lookback: DurationLike | None = None,
    ) -> None:
        if isinstance(data, Source):
            self.querier: Querier = data.querier
        elif hasattr(data, "select") and hasattr(data, "label_values"):
            self.querier = cast(Querier, data)
        else:
            columns = Columns(timestamp, value, labels, name, unit)
            self.querier = BatchQuerier(to_batch(data, columns))
        self.lookback_ms = _lookback_ms(self.querier, lookback)
        threads = min(_THREADS, os.cpu_count() or 1)
        options = EngineOptions(
            lookback_ms=self.lookback_ms, features=ALL_FEATURES, threads=threads
        )
        self._engine = Engine(self.querier, options)

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics, sorted."""
        return self.querier.label_values(METRIC_NAME, [], *_ALWAYS)

    @property
    def time_range(self) -> tuple[int, int]:
        """Times of the oldest and the newest sample in ms UTC. Raises FrameError if empty."""
        found: Any = getattr(self.querier, "time_range", None)
        bounds = found() if callable(found) else found
        if bounds is None:
            raise FrameError("there are no samples: say the time of the query")
        return bounds[0], bounds[1]

    def query(self, expr: str, at: TimeLike = None) -> Result:
        """Evaluate an expression at one time: that of the newest sample by default.

        `now` in a time is the newest sample, so "now-1h" is an hour before the data ends.
        """
        t_ms = self._time(at)
        found = self._engine.instant(expr, t_ms)
        result = to_result(found, expr)
        return self._explained(result, expr)

    def query_range(
        self,
        expr: str,
        start: TimeLike = None,
        end: TimeLike = None,
        step: DurationLike | None = None,
    ) -> Result:
        """Evaluate an expression at each step: from the oldest sample to the newest by default.

        Without a step, one is chosen that gives at most 1,000 points a series and is not
        finer than the data.
        """
        start_ms = self.time_range[0] if start is None else self._time(start)
        end_ms = self._time(end)
        if end_ms < start_ms:
            raise FrameError(
                f"the query ends at {show_time(end_ms)} UTC, before it starts at "
                f"{show_time(start_ms)}"
            )
        if step is None:
            step_ms = choose_step_ms(end_ms - start_ms, at_least_ms=max(1_000, self._spacing_ms()))
        else:
            step_ms = to_duration_ms(step)
        found = self._engine.range(expr, start_ms, end_ms, step_ms)
        return self._explained(to_result(found, expr, step_ms), expr)

    def close(self) -> None:
        """Let the engine's threads end."""
        self._engine.close()

    def __repr__(self) -> str:
        names = self.metrics
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        return f"<Source of {len(names)} metrics: {shown}>"

    def _time(self, when: TimeLike) -> int:
        try:
            newest = self.time_range[1]
        except FrameError:
            newest = now_ms()
        try:
            return to_ms(when, newest)
        except ValueError as error:
            raise FrameError(str(error)) from None

    def _spacing_ms(self) -> int:
        return self.querier.spacing_ms() if isinstance(self.querier, BatchQuerier) else 0

    def _explained(self, result: Result, expr: str) -> Result:
        """An empty result says what may be wrong: an unknown metric, a range that is too short."""
        if isinstance(result, InstantVector | RangeVector) and not result:
            tree = self._engine.plan(expr).expr
            unknown = sorted(_names(tree) - set(self.metrics))
            if unknown:
                result.why_empty = (
                    f"no series is called {', '.join(unknown)}; there are: "
                    f"{', '.join(self.metrics[:10]) or 'none'}"
                )
            else:
                said = (advice(window, self._spacing_of(window)) for window in windows_of_two(tree))
                result.why_empty = next(filter(None, said), "")
        return result

    def _spacing_of(self, window: Window) -> int:
        """How far apart the samples of the first series of a selector are, over all of the data."""
        low, high = self.time_range
        everything = replace(window.selector, offset=0, at=None)
        value = self._engine.instant(f"{everything}[{high - low + 1}ms]", high).value
        if not isinstance(value, RawMatrix) or not value.batch.labels.n:
            return 0
        return spacing_ms(value.batch.series(0)[0])


def query(expr: str, data: Any, *, at: TimeLike = None, **columns: Any) -> Result:
    """Evaluate PromQL over a frame or a file at one time; see `Source` for both."""
    source = Source(data, **columns)
    try:
        return source.query(expr, at)
    finally:
        source.close()


def query_range(
    expr: str,
    data: Any,
    *,
    start: TimeLike = None,
    end: TimeLike = None,
    step: DurationLike | None = None,
    **columns: Any,
) -> Result:
    """Evaluate PromQL over a frame or a file at each step; see `Source` for both."""
    source = Source(data, **columns)
    try:
        return source.query_range(expr, start, end, step)
    finally:
        source.close()


_ALWAYS = (-(2**53), 2**53)


def _names(expr: Expr) -> set[str]:
    return {node.name for node in walk(expr) if isinstance(node, VectorSelector) and node.name}


def _lookback_ms(querier: Querier, lookback: DurationLike | None) -> int:
    if lookback is not None:
        try:
            return to_duration_ms(lookback)
        except ValueError as error:
            raise FrameError(f"lookback: {error}") from None
    if isinstance(querier, BatchQuerier):
        return max(_LOOKBACK_MS, 2 * querier.spacing_ms())
    return _LOOKBACK_MS
