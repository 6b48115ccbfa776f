"""Runs unit tests of rules: series in memory, groups evaluated one after the other, no clock.

At each evaluation the samples up to that time are there and no later ones, so that a rule which
looks ahead sees what it would see in a server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from promlab.config.rules import RuleGroupConfig
from promlab.errors import ConfigError, PromlabError
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.samples import Times, Values
from promlab.model.storage import AppendOutcome
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promqltest.compare import with_histograms
from promlab.promqltest.histograms import Plain
from promlab.promqltest.memory import MemoryQuerier
from promlab.promqltest.series import Series, read_labels, read_values
from promlab.rules.alert import AlertState
from promlab.rules.alerting import AlertingRule
from promlab.rules.build import rule_of
from promlab.rules.group import Group, GroupOptions
from promlab.rules.seams import SystemClock
from promlab.ruletest import compare
from promlab.ruletest.file import AlertTest, ExprTest, TestFile, TestGroup

Labels = Mapping[str, str]


class Firing(NamedTuple):
    """An alert that fires."""

    labels: Labels
    annotations: Labels


@dataclass
class Outcome:
    """How one test group went; `problems` is empty if all is well."""

    name: str
    problems: list[str] = field(default_factory=list)
    took_s: float = 0.0
    dump: str = ""  # all samples, for --debug


class _Sink:
    """Takes what rules make into the memory that they read."""

    def __init__(self, memory: MemoryQuerier) -> None:
        self._memory = memory

    async def append(
        self,
        labels: LabelTable,
        t_ms: Times,
        values: Values,
        histograms: HistogramColumn | None = None,
    ) -> AppendOutcome:
        samples = with_histograms(values, histograms)
        for row, t, sample in zip(labels.rows(), t_ms.tolist(), samples, strict=True):
            self._memory.add(row, [(t, sample)])
        return AppendOutcome(appended=labels.n)


def run_file(
    file: TestFile,
    groups: Sequence[tuple[str, RuleGroupConfig]],
    options: EngineOptions,
    wanted: Sequence[str] = (),
) -> Iterator[Outcome]:
    """Run all test groups of a file; with `wanted`, those whose name one of the patterns finds."""
    from promlab.model.matchers import compile_regex

    patterns = [compile_regex(f".*(?:{text}).*") for text in wanted]
    for number, test in enumerate(file.tests):
        name = test.name or f"unnamed#{number}"
        if patterns and not any(pattern.fullmatch(name) for pattern in patterns):
            continue
        started = time.perf_counter()
        outcome = asyncio.run(_Run(file, groups, test, name, options).run())
        outcome.took_s = time.perf_counter() - started
        yield outcome


class _Run:
    def __init__(
        self,
        file: TestFile,
        groups: Sequence[tuple[str, RuleGroupConfig]],
        test: TestGroup,
        name: str,
        options: EngineOptions,
    ) -> None:
        self._file, self._test = file, test
        self._memory = MemoryQuerier()
        self._engine = Engine(self._memory, options)
        self._outcome = Outcome(name)
        self._step_ms = test.interval_ms or file.evaluation_interval_ms
        self._series = [_series(each.series, each.values) for each in test.input_series]
        self._given = 0  # samples of each series that are in memory
        self._groups = self._made(groups)

    def _made(self, configs: Sequence[tuple[str, RuleGroupConfig]]) -> list[Group]:
        options = GroupOptions(self._engine, self._memory, _Sink(self._memory), SystemClock())
        order = {name: at for at, name in enumerate(self._file.group_eval_order)}
        made = []
        for path, config in sorted(configs, key=lambda each: order.get(each[1].name, len(order))):
            rules = [
                rule_of(
                    rule,
                    external_labels=self._test.external_labels,
                    external_url=self._test.external_url,
                )
                for rule in config.rules
            ]
            made.append(
                Group(
                    config.name, path, rules, options, interval_ms=self._step_ms,
                    limit=config.limit, query_offset_ms=config.query_offset_ms or 0,
                )
            )  # fmt: skip
        return made

    async def run(self) -> Outcome:
        """Evaluate from the start to the last time that is asked about, then compare."""
        alerts = sorted(self._test.alert_rule_test, key=lambda each: each.eval_time_ms)
        times = [each.eval_time_ms for each in alerts]
        times += [each.eval_time_ms for each in self._test.promql_expr_test]
        interval, waiting = self._file.evaluation_interval_ms, list(alerts)
        for at in range(0, max(times, default=0) + 1, interval):
            self._give(at)
            await self._evaluate(at)
            while waiting and waiting[0].eval_time_ms < at + interval:
                self._check_alerts(waiting.pop(0))
        self._give(max(times, default=0))
        for test in self._test.promql_expr_test:
            self._check_expr(test)
        self._outcome.dump = compare.dump(self._memory)
        return self._outcome

    def _give(self, at: int) -> None:
        """Put every sample up to a time into memory."""
        until = at // self._step_ms + 1
        for series in self._series:
            samples = [
                (self._test.start_ms + i * self._step_ms, value)
                for i, value in enumerate(series.values[self._given : until], self._given)
                if value is not None
            ]
            if samples:
                self._memory.add(series.labels, samples)
        self._given = max(self._given, until)

    async def _evaluate(self, at: int) -> None:
        for group in self._groups:
            await group.evaluate(self._test.start_ms + at)
            for rule in group.rules:
                if rule.last_error:
                    when = compare.go_duration(at)
                    problem = f"    rule: {rule.name}, time: {when}, err: {rule.last_error}"
                    self._outcome.problems.append(problem)

    def _check_alerts(self, test: AlertTest) -> None:
        got = [
            Firing({**alert.labels}, dict(alert.annotations))
            for group in self._groups
            if test.groupname in ("", group.name)
            for rule in group.rules
            if isinstance(rule, AlertingRule) and rule.name == test.alertname
            for alert in rule.active_alerts()
            if alert.state is AlertState.FIRING
        ]
        wanted = [
            Firing({**each.exp_labels, "alertname": test.alertname}, each.exp_annotations)
            for each in test.exp_alerts
        ]
        if not compare.same_alerts(got, wanted):
            self._outcome.problems.append(compare.alerts_text(self._test.name, test, got, wanted))

    def _check_expr(self, test: ExprTest) -> None:
        when = compare.go_duration(test.eval_time_ms)
        head = f'    expr: "{compare.escaped(test.expr)}", time: {when}'
        try:
            at = self._test.start_ms + test.eval_time_ms
            got = compare.samples_of(self._engine.instant(test.expr, at))
            wanted = [compare.expected(sample) for sample in test.exp_samples]
        except (PromlabError, ValueError) as error:
            self._outcome.problems.append(f"{head}, err: {error}")
            return
        if not compare.same_samples(got, wanted, fuzzy=self._file.fuzzy_compare):
            texts = compare.samples_text(wanted), compare.samples_text(got)
            problem = f"{head},\n        exp: {texts[0]}\n        got: {texts[1]}"
            self._outcome.problems.append(problem)


def _series(labels: str, values: str) -> Series:
    try:
        found, rest = read_labels(labels.strip())
        if rest.strip():
            raise ConfigError(f"not a series: {labels!r}")
        kept = {name: value for name, value in found.items() if value}
        sequence: list[float | Plain | None] = read_values(values)
    except PromlabError as error:
        raise ConfigError(f"series {labels!r}: {error}") from None
    return Series(kept, sequence)
