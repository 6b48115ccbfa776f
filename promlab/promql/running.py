"""The queries that an engine evaluates right now: to be listed, and to be stopped.

An engine notes each query here while it evaluates it. Ids grow from 1 and are never given
twice. Stopping is cooperative: the query ends at its next check, with QueryCanceled.
"""

from __future__ import annotations

import threading
import time
from itertools import count

import msgspec


class RunningQuery(msgspec.Struct, frozen=True):
    """One query that is being evaluated.

    `start_ms`, `end_ms`, `step_ms` are the times it is evaluated at (`step_ms` 0 for an
    instant query), `started` is when evaluating began, in seconds since the epoch.
    """

    id: int
    text: str
    start_ms: int
    end_ms: int
    step_ms: int
    started: float
    cancel: threading.Event

    @property
    def running_s(self) -> float:
        """For how long it has been running, in seconds."""
        return max(0.0, time.time() - self.started)


class RunningQueries:
    """All of them. Thread-safe: each touch of the table is one call, which nothing interrupts."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._found: dict[int, RunningQuery] = {}

    def __len__(self) -> int:
        return len(self._found)

    def begin(
        self,
        text: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        cancel: threading.Event | None = None,
    ) -> RunningQuery:
        """From now on a query is listed and can be stopped, until `end`."""
        stop = cancel or threading.Event()
        number = next(self._ids)
        query = RunningQuery(number, text, start_ms, end_ms, step_ms, time.time(), stop)
        self._found[number] = query
        return query

    def end(self, query: RunningQuery) -> None:
        """It has been evaluated, or has failed."""
        del self._found[query.id]

    def list(self) -> list[RunningQuery]:
        """What runs now, the oldest first."""
        return list(self._found.values())

    def stop(self, number: int) -> bool:
        """Ask the query with this id to end; False if there is none (any more)."""
        found = self._found.get(number)
        if found is not None:
            found.cancel.set()
        return found is not None
