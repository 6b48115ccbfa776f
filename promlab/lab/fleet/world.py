"""`World`: a fleet, the clock it lives on, and the scrapes and queries of a server beside it.

It has the methods of a client, so whatever asks a server can ask a world. Faults happen
between two movements of the clock, and what a scrape loop would write is written: samples,
`up` and its sisters, staleness markers.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from promlab.client.times import DurationLike, TimeLike, show_time, to_duration_ms, to_ms
from promlab.errors import ClientError, QueryError, ServerError
from promlab.frames.source import Source
from promlab.lab.fleet.faults import Fleet
from promlab.lab.fleet.programs import METADATA, Program, Served, make_programs
from promlab.lab.fleet.samples import SampleLog
from promlab.model.matchers import Matcher
from promlab.promql import parse
from promlab.promql.ast import VectorSelector

START_MS = 1_767_600_000_000  # 2026-01-05, 08:00 UTC
_TIMEOUT_S = 10.0
_MAX_MS = 24 * 3_600_000


class World:
    """A simulated fleet and its server; `simulate` makes it."""

    def __init__(self, seed: int = 1, interval: DurationLike = "15s") -> None:
        self.seed = seed
        self.interval_ms = to_duration_ms(interval)
        if self.interval_ms < 1_000:
            raise ServerError("a scrape interval of at least a second, please")
        self.url = f"simulated, seed {seed}"
        self.now_ms = START_MS
        self._log = SampleLog()
        self._log.oldest_ms = self._log.newest_ms = START_MS
        self._programs = {program.name: program for program in make_programs(seed, START_MS)}
        self._present: dict[str, set[int]] = {name: set() for name in self._programs}
        # As of the last scrape that brought something: a failed one forgets nothing.
        self._known: dict[str, set[int]] = {name: set() for name in self._programs}
        self._reports: dict[str, list[int]] = {}
        self._source = Source(self._log)
        self.fleet = Fleet(self._programs, self._run_all)

    def advance(self, length: DurationLike) -> World:
        """Let time pass: the fleet works, the server scrapes."""
        return self._pass(length, scraping=True)

    def outage(self, length: DurationLike) -> World:
        """Let time pass while the server itself is down: no scrape, and no marker."""
        return self._pass(length, scraping=False)

    def served(self, name: str, last: DurationLike | None = None) -> Served:
        """What a program truly served in the stretch before now: the columns, one row each.

        Times in ms, kinds by number, seconds, 1.0 where it failed. Raises ServerError.
        """
        if name not in self._programs:
            raise ServerError(f"there is no {name!r}: there are {', '.join(self._programs)}")
        length = self.now_ms - START_MS if last is None else to_duration_ms(last)
        return self._programs[name].recent(length, self.now_ms)

    def query(self, expr: str, at: TimeLike = None) -> Any:
        """Evaluate an expression at one time, the clock's by default."""
        return self._source.query(expr, self._ms(at) / 1000)

    def query_range(
        self,
        expr: str,
        start: TimeLike = "now-15m",
        end: TimeLike = None,
        step: DurationLike | None = None,
    ) -> Any:
        """Evaluate at each step, over the last 15 minutes by default."""
        first, last = self._ms(start) / 1000, self._ms(end) / 1000
        return self._source.query_range(expr, first, last, step or self.interval_ms / 1000)

    def labels(
        self, match: str | Sequence[str] = (), start: TimeLike = None, end: TimeLike = None
    ) -> list[str]:
        """Names of labels, all or those of the series that pass a selector."""
        found: set[str] = set()
        for matchers in _selectors(match) or [()]:
            found |= set(self._log.label_names(matchers, *self._span(start, end)))
        return sorted(found)

    def label_values(
        self,
        label: str,
        match: str | Sequence[str] = (),
        start: TimeLike = None,
        end: TimeLike = None,
    ) -> list[str]:
        """Values of one label."""
        found: set[str] = set()
        for matchers in _selectors(match) or [()]:
            found |= set(self._log.label_values(label, matchers, *self._span(start, end)))
        return sorted(found)

    def series(
        self, match: str | Sequence[str], start: TimeLike = None, end: TimeLike = None
    ) -> list[dict[str, str]]:
        """Label sets of the series that pass a selector."""
        found: list[dict[str, str]] = []
        for matchers in _selectors(match):
            found += self._log.series(matchers, *self._span(start, end)).rows()
        return [dict(row) for row in dict.fromkeys(tuple(sorted(row.items())) for row in found)]

    def metadata(self, metric: str = "") -> dict[str, list[dict[str, str]]]:
        """Type and help of metrics, by name."""
        return {
            name: [{"type": kind, "help": text, "unit": ""}]
            for name, (kind, text) in METADATA.items()
            if metric in ("", name)
        }

    def targets(self, state: str = "active") -> list[dict[str, Any]]:
        """What is scraped, as a server tells it."""
        removed = self.fleet.removed
        return [
            {
                "labels": dict(_target(program)),
                "scrapePool": program.job,
                "scrapeInterval": f"{self.interval_ms / 1000:g}s",
                "health": "up" if program.is_running else "down",
                "lastError": "" if program.is_running else "connection refused",
            }
            for name, program in self._programs.items()
            if (name in removed) == (state == "dropped")
        ]

    def status(self, what: str = "runtimeinfo") -> dict[str, str]:
        """Where the clock stands."""
        return {"clock": show_time(self.now_ms), "seed": str(self.seed)}

    def rules(self) -> list[dict[str, Any]]:
        """None: a world has no rules."""
        return []

    def is_ready(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Let the engine's threads end."""
        self._source.close()

    def __repr__(self) -> str:
        up = sum(p.is_running and n not in self.fleet.removed for n, p in self._programs.items())
        passed = (self.now_ms - START_MS) / 60_000
        return (
            f"simulated lab, seed {self.seed}: {show_time(self.now_ms)} UTC, {passed:g} minutes "
            f"have passed; {up} of {len(self._programs)} targets up, "
            f"{self._log.generation:,} series"
        )

    def _pass(self, length: DurationLike, *, scraping: bool) -> World:
        try:
            passed = to_duration_ms(length)
        except ValueError as error:
            raise ServerError(f"advance: {error}") from None
        if not 0 < passed <= _MAX_MS:
            raise ServerError("advance by more than nothing and by a day at most, please")
        end_ms = self.now_ms + passed
        if scraping:
            for name, program in self._programs.items():
                for t_ms in self._scrapes(program, end_ms):
                    self._scrape(name, program, t_ms)
        self.now_ms = self._log.newest_ms = end_ms
        self._run_all()
        return self

    def _scrapes(self, program: Program, end_ms: int) -> range:
        """When it is scraped: each target has its own second of the interval."""
        offset = zlib.crc32(program.instance.encode()) % (self.interval_ms // 1000) * 1000
        first = -(-(self.now_ms + 1 - START_MS - offset) // self.interval_ms)
        return range(START_MS + offset + first * self.interval_ms, end_ms + 1, self.interval_ms)

    def _run_all(self) -> None:
        """Bring every program to the present: what is done next happens after that."""
        for program in self._programs.values():
            self._run(program, self.now_ms)

    def _run(self, program: Program, t_ms: int) -> None:
        if t_ms > program.now_ms:
            program.run(t_ms, self._programs["db"].slow if program.job == "api" else 1.0)

    def _scrape(self, name: str, program: Program, t_ms: int) -> None:
        self._run(program, t_ms)
        before = self._present[name]
        if name in self.fleet.removed:
            self._log.mark_stale(t_ms, sorted(before) + self._reports.pop(name, []))
            self._present[name], self._known[name] = set(), set()
            return
        target, dropped = _target(program), self.fleet.to_drop.get(name, 0)
        found: dict[int, float] = {}
        took_s = 0.003 + 0.004 * program.noise(9)
        if dropped:
            self.fleet.to_drop[name] = dropped - 1
            took_s = _TIMEOUT_S
        elif program.is_running:
            found = {self._log.row(key + target): value for key, value in program.answer()}
        self._log.append(t_ms, found, list(found.values()))
        self._log.mark_stale(t_ms, sorted(before - found.keys()))
        self._present[name] = set(found)
        report = {
            "up": float(bool(found)),
            "scrape_duration_seconds": took_s,
            "scrape_samples_scraped": float(len(found)),
            "scrape_samples_post_metric_relabeling": float(len(found)),
            "scrape_series_added": float(len(found.keys() - self._known[name])),
        }
        if found:
            self._known[name] = set(found)
        rows = [self._log.row((("__name__", metric), *target)) for metric in report]
        self._reports[name] = rows
        self._log.append(t_ms, rows, list(report.values()))

    def _ms(self, when: TimeLike) -> int:
        try:
            return to_ms(when, self.now_ms)
        except ValueError as error:
            raise ClientError(str(error)) from None

    def _span(self, start: TimeLike, end: TimeLike) -> tuple[int, int]:
        return START_MS if start is None else self._ms(start), self._ms(end)


def simulate(seed: int = 1, *, interval: DurationLike = "15s") -> World:
    """A simulated lab: the same seed gives everybody the same numbers. Its clock stands still
    until `advance` moves it.
    """
    return World(seed, interval)


def _target(program: Program) -> tuple[tuple[str, str], ...]:
    return ("instance", program.instance), ("job", program.job), ("zone", program.zone)


def _selectors(match: str | Sequence[str]) -> list[Sequence[Matcher]]:
    texts = [match] if isinstance(match, str) else list(match)
    found: list[Sequence[Matcher]] = []
    for text in texts:
        tree = parse(text)
        if not isinstance(tree, VectorSelector):
            raise QueryError(f"{text} is no selector")
        found.append(tree.matchers)
    return found
