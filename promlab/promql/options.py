"""Settings of the query engine, with the defaults of Prometheus."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What holds for all queries of one engine.

    `lookback_ms` is how old an instant selector's sample may be; `subquery_step_ms` the step
    of a subquery that gives none; `max_samples` bounds what one query holds in memory;
    `delayed_name_removal` keeps metric names until the end of a query, so that label
    functions may still see them; `start_timestamps` lets rates use since when samples count,
    where storage knows it; `features` are names that the parser takes; `threads` work
    on one big query together.
    """

    lookback_ms: int = 300_000
    timeout_s: float = 120.0
    max_samples: int = 50_000_000
    subquery_step_ms: int = 60_000
    delayed_name_removal: bool = False
    start_timestamps: bool = False
    features: frozenset[str] = frozenset()
    threads: int = 2
