"""The programs of the fleet, and what each would answer to a scrape.

A program counts the requests that it served since its process began: a restart forgets them,
as real counters do. What was truly served is kept beside that, for those who check.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from promlab.lab.fleet.traffic import Floats, Ints, Profile, Traffic

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LE = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
_WINDOW_MS = 600_000  # what the quantiles of a summary look back at
_QUANTILES = (0.5, 0.9, 0.99)

Sample = tuple[tuple[tuple[str, str], ...], float]


class Served(NamedTuple):
    """Requests that were served: the truth, which no scrape sees."""

    t_ms: Ints
    kind: Ints
    seconds: Floats
    failed: Floats  # 1.0 where it failed


@dataclass
class Program:
    """A process of the fleet. `slow` and `failing` are what has been done to it."""

    name: str
    job: str
    zone: str
    traffic: Traffic
    kinds: tuple[str, ...]
    seed: int
    port: int = 8000
    version: str = "1.4.2"
    is_running: bool = True
    began_ms: int = 0
    slow: float = 1.0
    failing: float = 0.01
    served: list[Served] = field(default_factory=list)
    counts: Floats = field(init=False)  # by kind, by outcome
    buckets: Floats = field(init=False)  # by kind, by bucket, not cumulative
    micros: Floats = field(init=False)  # sum of durations by kind
    now_ms: int = 0

    def __post_init__(self) -> None:
        self.began_ms = self.now_ms
        self.forget()

    @property
    def instance(self) -> str:
        """Its address, as a label has it."""
        return f"{self.name}:{self.port}"

    def forget(self) -> None:
        """Begin to count at zero, as a new process does."""
        n = len(self.kinds)
        self.counts, self.micros = np.zeros((n, 2)), np.zeros(n)
        self.buckets = np.zeros((n, len(_LE)))
        self.began_ms = self.now_ms

    def run(self, until_ms: int, behind: float = 1.0) -> None:
        """Serve what comes until then; `behind` is how slow that is which stands behind it."""
        came = self.traffic.between(self.now_ms, until_ms)
        self.now_ms = until_ms
        if not self.is_running:
            return
        # Whole microseconds add up to the same sum in any order.
        micros = np.rint((came.own_s * self.slow + came.behind_s * behind) * 1e6)
        seconds = micros / 1e6
        failed = came.luck < self.failing
        n = len(self.kinds)
        self.counts += np.bincount(came.kind * 2 + failed, minlength=2 * n).reshape(n, 2)
        self.micros += np.bincount(came.kind, micros, n)
        cell = came.kind * len(_LE) + np.searchsorted(BUCKETS, seconds, side="left")
        self.buckets += np.bincount(cell, minlength=self.buckets.size).reshape(n, len(_LE))
        self.served.append(Served(came.t_ms, came.kind, seconds, failed.astype(np.float64)))

    def answer(self) -> Iterator[Sample]:
        """The samples of a scrape now, target labels not among them."""
        yield from _PAGES[self.job](self)
        yield _sample("app_build_info", 1.0, version=self.version)
        yield _sample("process_start_time_seconds", self.began_ms / 1000)
        busy = float(self.micros.sum()) / 5e6 + (self.now_ms - self.began_ms) / 1000 * 0.01
        yield _sample("process_cpu_seconds_total", round(busy, 3))
        age_h = (self.now_ms - self.began_ms) / 3_600_000
        memory = 60e6 + 8e6 * age_h + 4e6 * self.noise()
        yield _sample("process_resident_memory_bytes", float(int(memory) // 4096 * 4096))

    def noise(self, of: int = 0) -> float:
        """A number from 0 to 1 that belongs to this moment."""
        rng = np.random.default_rng(
            [self.seed, zlib.crc32(self.name.encode()), self.now_ms // 1000, of]
        )
        return float(rng.random())

    def recent(self, window_ms: int, until_ms: int | None = None) -> Served:
        """What was served in the stretch before now, or before `until_ms`."""
        end = self.now_ms if until_ms is None else until_ms
        near = [part for part in self.served if len(part.t_ms) and part.t_ms[-1] > end - window_ms]
        if not near:
            none = np.zeros(0)
            return Served(none.astype(np.int64), none.astype(np.int64), none, none)
        t_ms, kind, seconds, failed = map(np.concatenate, zip(*near, strict=True))
        inside = (t_ms > end - window_ms) & (t_ms <= end)
        return Served(t_ms[inside], kind[inside], seconds[inside], failed[inside])


def _sample(name: str, value: float, **labels: str) -> Sample:
    return (("__name__", name), *sorted(labels.items())), value


def _histogram(program: Program, name: str, label: str) -> Iterator[Sample]:
    cumulative = np.cumsum(program.buckets, axis=1)
    for k, kind in enumerate(program.kinds):
        own = {label: kind}
        for le, count in zip(_LE, cumulative[k].tolist(), strict=True):
            yield _sample(f"{name}_bucket", count, le=le, **own)
        yield _sample(f"{name}_sum", float(program.micros[k] / 1e6), **own)
        yield _sample(f"{name}_count", float(cumulative[k, -1]), **own)


def _api(program: Program) -> Iterator[Sample]:
    for k, path in enumerate(program.kinds):
        for code, count in zip(("200", "500"), program.counts[k].tolist(), strict=True):
            yield _sample("http_requests_total", count, path=path, code=code)
    yield from _histogram(program, "http_request_duration_seconds", "path")
    last = program.recent(10_000)
    open_now = last.t_ms + last.seconds * 1000 > program.now_ms
    yield _sample("http_requests_in_progress", float(open_now.sum()))


def _database(program: Program) -> Iterator[Sample]:
    for k, operation in enumerate(program.kinds):
        yield _sample("db_queries_total", float(program.counts[k].sum()), operation=operation)
    yield from _histogram(program, "db_query_duration_seconds", "operation")
    work = float(program.recent(15_000).seconds.sum()) / 15
    active = min(20, math.ceil(work * 2 + 2 * program.noise()))
    yield _sample("db_connections", float(active), state="active")
    yield _sample("db_connections", float(20 - active), state="idle")
    yield _sample("db_connections_max", 20.0)


def _worker(program: Program) -> Iterator[Sample]:
    last = program.recent(_WINDOW_MS)
    for k, queue in enumerate(program.kinds):
        for outcome, count in zip(("done", "failed"), program.counts[k].tolist(), strict=True):
            yield _sample("jobs_total", count, queue=queue, outcome=outcome)
        seconds = last.seconds[last.kind == k]
        for q in _QUANTILES:
            value = float(np.quantile(seconds, q)) if len(seconds) else math.nan
            yield _sample("job_duration_seconds", value, queue=queue, quantile=f"{q:g}")
        yield _sample("job_duration_seconds_sum", float(program.micros[k] / 1e6), queue=queue)
        yield _sample("job_duration_seconds_count", float(program.counts[k].sum()), queue=queue)
        waiting = float(int(6 * program.noise(k + 1) * program.slow * (k + 1)))
        yield _sample("queue_jobs_waiting", waiting, queue=queue)


_PAGES = {"api": _api, "db": _database, "worker": _worker}

_API = Profile(20.0, (0.6, 0.3, 0.1), (0.008, 0.02, 0.05), (0.006, 0.02, 0.06))
_DB = Profile(60.0, (0.8, 0.15, 0.05), (0.004, 0.009, 0.012), (0.0, 0.0, 0.0))
_WORKER = Profile(2.0, (0.7, 0.3), (0.4, 1.1), (0.05, 0.1), sigma=0.5)


def make_programs(seed: int, now_ms: int) -> list[Program]:
    """The fleet: three of the API, a database, two workers."""
    paths, operations = ("/", "/cart", "/checkout"), ("select", "insert", "update")
    plan = [
        ("api-1", "api", "a", _API, paths, 8000),
        ("api-2", "api", "b", _API, paths, 8000),
        ("api-3", "api", "a", _API, paths, 8000),
        ("db", "db", "a", _DB, operations, 9187),
        ("worker-1", "worker", "a", _WORKER, ("mail", "invoice"), 8000),
        ("worker-2", "worker", "b", _WORKER, ("mail", "invoice"), 8000),
    ]
    return [
        Program(name, job, zone, Traffic(seed, name, profile), kinds, seed, port, now_ms=now_ms)
        for name, job, zone, profile, kinds, port in plan
    ]


METADATA: Mapping[str, tuple[str, str]] = {
    "http_requests_total": ("counter", "Requests that were answered, by path and code."),
    "http_request_duration_seconds": ("histogram", "How long answering took."),
    "http_requests_in_progress": ("gauge", "Requests that are being answered right now."),
    "db_queries_total": ("counter", "Queries that the database answered."),
    "db_query_duration_seconds": ("histogram", "How long queries took."),
    "db_connections": ("gauge", "Connections by state."),
    "db_connections_max": ("gauge", "Connections that there may be."),
    "jobs_total": ("counter", "Jobs that were worked off, by queue and outcome."),
    "job_duration_seconds": ("summary", "How long jobs took, in the last ten minutes."),
    "queue_jobs_waiting": ("gauge", "Jobs that wait."),
    "app_build_info": ("gauge", "Which version runs: always 1."),
    "process_start_time_seconds": ("gauge", "When the process began, in seconds since 1970."),
    "process_cpu_seconds_total": ("counter", "CPU time used, in seconds."),
    "process_resident_memory_bytes": ("gauge", "Memory in use."),
}
