"""Conformance scripts against a server: samples by remote write, answers as JSON.

A script's part between two `clear`s is a section. So that few servers have to be started, sections
share one: those that don't ask for the time are moved to a time of their own, others go
together as long as they have no metric in common.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from write_bodies import V1, V2, Histogram, Series, compressed, headers, version_1, version_2

from promlab.model.matchers import MatchType
from promlab.promql import parse
from promlab.promql.ast import Call, Node, Subquery, VectorSelector, walk
from promlab.promql.checks import ALL_FEATURES
from promlab.promqltest.classic import custom_series
from promlab.promqltest.compare import Mismatch, same
from promlab.promqltest.histograms import Plain, table_of
from promlab.promqltest.runner import FEATURES, check_annotations
from promlab.promqltest.script import Clear, Eval, Load, read_script, time_ms

FLAGS = [
    "--web.enable-remote-write-receiver",
    "--query.max-samples=10000",
    "--storage.tsdb.retention.time=200y",
    f"--enable-feature={','.join(sorted(ALL_FEATURES))},promql-delayed-name-removal",
    "--enable-feature=use-start-timestamps,st-storage,promql-duration-expr",
]
CONFIG = "global: {evaluation_interval: 1m}\nstorage: {tsdb: {out_of_order_time_window: 40000d}}\n"
_OF_TIME = {
    "time", "timestamp", "start", "end", "minute", "hour", "day_of_week", "day_of_month",
    "day_of_year", "days_in_month", "month", "year", "start_timestamp", "ts_of_min_over_time",
    "ts_of_max_over_time", "ts_of_last_over_time", "ts_of_first_over_time",
}  # fmt: skip
_UNIT_MS = 10 * 7 * 86_400_000  # what times are moved by: a multiple of every step
Shown = tuple[float, float, tuple[tuple[int, float, float, float], ...]]
Rows = list[tuple[dict[str, str], dict[int, float | Shown]]]


@dataclass
class Section:
    """Commands that see the same samples; `names` are the metrics they need, None for all."""

    script: str
    commands: list[Load | Eval] = field(default_factory=list)

    def queries(self) -> Iterator[tuple[Eval, Node | None]]:
        """Each query with its tree, None where it has none."""
        for command in self.commands:
            if isinstance(command, Eval):
                try:
                    yield command, parse(command.query, FEATURES)
                except Exception:
                    yield command, None

    @property
    def names(self) -> set[str] | None:
        """The metrics that it stores or asks for; None where that can be any."""
        found: set[str] = set()
        for command in self.commands:
            if isinstance(command, Load):
                found |= {series.labels["__name__"] for series in command.series}
                made = custom_series(command) if command.with_custom else []
                found |= {labels["__name__"] for labels, _ in made}
        for _, tree in self.queries():
            for node in walk(tree) if tree else ():
                if isinstance(node, Call) and node.function == "info":
                    found.add("target_info")
                if isinstance(node, VectorSelector):
                    names = [m.value for m in node.matchers if m.name == "__name__"]
                    exact = [m for m in node.matchers if m.type is MatchType.EQUAL]
                    if not names or exact[:1] != list(node.matchers[:1]):
                        return None
                    found.update(names)
        return found

    @property
    def may_move(self) -> bool:
        """Whether its answers are the same at another time."""
        for case, tree in self.queries():
            if tree is None or "@" in case.query:
                return False
            for node in walk(tree):
                if isinstance(node, Call) and node.function in _OF_TIME:
                    return False
                if isinstance(node, Subquery) and node.at is not None:
                    return False
        return True

    @property
    def end_ms(self) -> int:
        """Its last time."""
        ends = [case.end_ms for case, _ in self.queries()]
        for command in self.commands:
            if isinstance(command, Load):
                longest = max((len(series.values) for series in command.series), default=0)
                ends.append(longest * command.step_ms)
        return max(ends, default=0)


def sections(paths: Iterable[Path]) -> list[Section]:
    """The sections of some scripts that ask for anything."""
    found: list[Section] = []
    for path in paths:
        found.append(Section(path.stem))
        for command in read_script(path):
            if isinstance(command, Clear):
                found.append(Section(path.stem))
            else:
                found[-1].commands.append(command)
    return [section for section in found if any(section.queries())]


def together(all_sections: list[Section]) -> list[list[tuple[Section, int]]]:
    """Sections that can share a server, each with what its times are moved by."""
    moved: list[tuple[Section, int]] = []
    servers: list[tuple[set[str] | None, list[tuple[Section, int]]]] = []
    shift_ms = 0
    for section in all_sections:
        names = section.names
        if section.may_move:
            shift_ms += _UNIT_MS * (1 + section.end_ms // _UNIT_MS)
            moved.append((section, shift_ms))
            continue
        for taken, items in servers:
            if taken is not None and names is not None and not taken & names:
                taken |= names
                items.append((section, 0))
                break
        else:
            servers.append((None if names is None else set(names), [(section, 0)]))
    return [moved, *(items for _, items in servers)]


class Remote:
    """A server that is asked, all times moved."""

    def __init__(self, client: httpx.Client, shift_ms: int) -> None:
        self._client, self._shift_ms = client, shift_ms

    def problems(self, section: Section) -> Iterator[tuple[str, str]]:
        """`script:line` and what is wrong, for every case that does not pass."""
        for command in section.commands:
            place = f"{section.script}:{command.line}" if isinstance(command, Eval) else "load"
            try:
                if isinstance(command, Load):
                    self.load(command)
                else:
                    self.check(command)
            except Mismatch as error:
                yield place, str(error)[:500]

    # --- samples ----------------------------------------------------------------------

    def load(self, command: Load) -> None:
        """Send what a `load` says; version 2 if there are start times."""
        sent, starts = [], False
        # Of a series that a load names twice, the last counts.
        once = {tuple(sorted(series.labels.items())): series for series in command.series}
        for series in once.values():
            samples = []
            for i, value in enumerate(series.values):
                if value is None:
                    continue
                t_ms = i * command.step_ms
                start = series.starts[i] if i < len(series.starts) else None
                starts |= start is not None
                moved = 0 if start is None else t_ms + start + self._shift_ms
                samples.append((t_ms + self._shift_ms, _sendable(value), moved))
            sent.append(Series(series.labels, samples))
        for labels, made in custom_series(command) if command.with_custom else []:
            if any(a >= b for _, one in made for a, b in pairwise(one.bounds)):
                continue  # two spellings of one bound make no histogram that can be stored
            samples = [(t + self._shift_ms, _sendable(value), 0) for t, value in made]
            sent.append(Series(labels, samples))
        kind, body = (V2, version_2(sent)) if starts else (V1, version_1(sent))
        answer = self._client.post("/api/v1/write", content=compressed(body), headers=headers(kind))
        if answer.status_code != 204:
            raise Mismatch(f"the write was refused: {answer.text}")

    # --- queries ----------------------------------------------------------------------

    def ask(self, case: Eval) -> dict[str, Any]:
        """The whole answer to a query."""

        def seconds(t_ms: int) -> str:
            return str((t_ms + self._shift_ms) / 1000)

        if case.step_ms:
            path = "query_range"
            times = {"start": seconds(case.start_ms), "end": seconds(case.end_ms)}
            times["step"] = str(case.step_ms / 1000)
        else:
            path, times = "query", {"time": seconds(case.start_ms)}
        answer = self._client.post(f"/api/v1/{path}", data={"query": case.query, **times})
        found: dict[str, Any] = answer.json()
        return found

    def check(self, case: Eval) -> None:
        """Raises Mismatch."""
        answer = self.ask(case)
        if case.expects("fail"):
            if answer["status"] != "error":
                raise Mismatch("did not fail")
            for expected in case.expectations:
                if expected.how == "msg" and expected.text not in answer["error"]:
                    raise Mismatch(f"failed with {answer['error']!r}, not {expected.text!r}")
            return
        if answer["status"] != "success":
            raise Mismatch(f"failed: {answer['error']}")
        notes: Any = Notes(answer.get("warnings", []), answer.get("infos", []))
        check_annotations(case, notes)
        self._check_data(case, answer["data"])

    def _check_data(self, case: Eval, data: dict[str, Any]) -> None:
        kind, result = data["resultType"], data["result"]
        texts = [e.text for e in case.expectations if e.kind == "string"]
        grid = range(case.start_ms, case.end_ms + 1, case.step_ms or 1)
        for expected in case.expectations:
            if expected.kind == "range vector":
                _, start, _, end, _, step = expected.text.split()
                grid = range(time_ms(start), time_ms(end) + 1, time_ms(step))
        if texts:
            if (kind, result[1]) != ("string", texts[0]):
                raise Mismatch(f"{result} instead of {texts[0]!r}")
        elif case.scalar is not None and kind == "scalar":
            if not same(case.scalar, _number(result[1])):
                raise Mismatch(f"{result[1]} instead of {case.scalar}")
        elif case.scalar is not None:
            self._compare(result, [({}, dict.fromkeys(grid, case.scalar))], case)
        else:
            wanted: Rows = []
            for series in case.series:
                pairs = zip(grid, series.values, strict=False)
                row = {t: _shown(value) for t, value in pairs if value is not None}
                wanted.append((series.labels, row))
            self._compare(result, wanted, case)

    def _compare(self, result: list[Any], wanted: Rows, case: Eval) -> None:
        found = [(series["metric"], self._row(series)) for series in result]
        if not case.expects("ordered"):
            for rows in (found, wanted):
                rows.sort(key=lambda row: sorted(row[0].items()))
        equal = len(found) == len(wanted) and all(
            a == b and x.keys() == y.keys() and all(_alike(x[t], y[t]) for t in x)
            for (a, x), (b, y) in zip(found, wanted, strict=True)
        )
        if not equal:
            raise Mismatch(f"{found} instead of {wanted}")

    def _row(self, series: dict[str, Any]) -> dict[int, float | Shown]:
        points = series.get("values", []) + [series[key] for key in ("value",) if key in series]
        made = series.get("histograms", []) + [
            series[key] for key in ("histogram",) if key in series
        ]
        row: dict[int, float | Shown] = {}
        for seconds, text in points:
            row[round(seconds * 1000) - self._shift_ms] = _number(text)
        for seconds, parts in made:
            buckets = tuple(
                (rule, _number(low), _number(high), _number(count))
                for rule, low, high, count in parts.get("buckets", ())
            )
            shown = _number(parts["count"]), _number(parts["sum"]), buckets
            row[round(seconds * 1000) - self._shift_ms] = shown
        return row


@dataclass
class Notes:
    """What of a result has annotations."""

    warnings: list[str]
    infos: list[str]


def _number(text: str) -> float:
    return float(text.replace("Inf", "inf"))


def _alike(a: float | Shown, b: float | Shown) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        flat_a = [a[0], a[1], *(x for bucket in a[2] for x in bucket)]
        flat_b = [b[0], b[1], *(x for bucket in b[2] for x in bucket)]
        return len(flat_a) == len(flat_b) and all(map(same, flat_a, flat_b))
    return not isinstance(a, tuple) and not isinstance(b, tuple) and same(a, b)


def _shown(value: float | Plain) -> float | Shown:
    """A value as the API shows it."""
    if not isinstance(value, Plain):
        return value
    from promlab.model.histograms import boundary_rules, ordered_buckets

    buckets = ordered_buckets(table_of([value]))
    rows = zip(
        boundary_rules(buckets).tolist(),
        buckets.lower.tolist(),
        buckets.upper.tolist(),
        buckets.counts.tolist(),
        strict=True,
    )
    return value.count, value.sum, tuple(rows)


def _sendable(value: float | Plain) -> float | Histogram:
    """A value as it is sent: a histogram with integers where it has some."""
    if not isinstance(value, Plain):
        return value
    counts = [value.count, value.zero_count, *value.positive.values(), *value.negative.values()]
    whole = all(math.isfinite(count) and count == int(count) for count in counts)
    return Histogram(
        value.schema,
        value.count,
        value.sum,
        value.zero_count,
        value.zero_threshold,
        dict(value.positive),
        dict(value.negative),
        value.bounds,
        value.hint or 0,
        floats=not whole or value.count != sum(counts[1:]),
    )
