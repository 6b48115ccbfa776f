"""A group of rules: evaluated in order, at the same timestamp, at fixed moments.

What a rule gives is written before the next one is evaluated, so that it can build on it.
Series that a rule no longer gives get staleness markers. Evaluation happens in a thread;
everything else belongs to the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from promlab.errors import PromlabError
from promlab.model.labels import LabelTable
from promlab.model.quantiles import Window
from promlab.model.samples import stale_values
from promlab.model.storage import Querier
from promlab.promql.result import QueryResult, QueryStats
from promlab.promql.vector import stack_tables
from promlab.rules.alert import Alert
from promlab.rules.alerting import AlertingRule
from promlab.rules.independence import batches
from promlab.rules.restore import DEFAULT_RESTORE, RestoreOptions, restore
from promlab.rules.rows import vanished, with_none
from promlab.rules.rule import Output, Rule, RuleContext
from promlab.rules.schedule import last_slot, next_slot, offset_ms
from promlab.rules.seams import Clock, Evaluator, Sink, Warn

T = TypeVar("T")
Notify = Callable[[AlertingRule, list[Alert]], None]


# File, group, expression, time, cost, error: an expression was evaluated.
Queried = Callable[[str, str, str, str, int, QueryStats | None, str], None]


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """What groups share: seams and settings. `executor` None evaluates on the event loop."""

    engine: Evaluator
    querier: Querier
    sink: Sink
    clock: Clock
    notify: Notify = lambda rule, alerts: None
    warn: Warn = lambda line: None
    executor: Executor | None = None
    concurrent: bool = False  # rules that know nothing of each other, at the same time
    queried: Queried = lambda file, group, rule, text, t_ms, stats, error: None
    resend_delay_ms: int = 60_000
    restore: RestoreOptions = DEFAULT_RESTORE


@dataclass(slots=True)
class GroupStats:
    """Counters since the group was first started, and how its last iteration went."""

    iterations: int = 0
    missed: int = 0
    evaluations: int = 0
    failures: int = 0
    samples: int = 0  # written in the last iteration
    refused: int = 0  # samples that storage did not take
    restore_s: float = 0.0
    last_duration_s: float = 0.0
    last_evaluation_ms: int = 0
    durations_s: float = 0.0  # of all iterations together
    group_s: Window = field(default_factory=Window)  # of each iteration
    rule_s: Window = field(default_factory=Window)  # of each evaluation of a rule


class Group:
    """Rules of one name in one file."""

    def __init__(
        self,
        name: str,
        file: str,
        rules: Sequence[Rule],
        options: GroupOptions,
        *,
        interval_ms: int,
        limit: int = 0,
        query_offset_ms: int = 0,
        restores: bool = False,
    ) -> None:
        self.name, self.file, self.rules = name, file, tuple(rules)
        self.interval_ms, self.limit = interval_ms, limit
        self.query_offset_ms = query_offset_ms
        self.stats = GroupStats()
        self._options = options
        self._restores = restores
        in_order = [[i] for i in range(len(self.rules))]
        self._batches = batches(self.rules) if options.concurrent else in_order
        self._written: list[LabelTable | None] = [None] * len(self.rules)
        self._leftover: list[LabelTable] = []
        self._task: asyncio.Task[None] | None = None
        self._busy = self._stopping = False

    @property
    def key(self) -> tuple[str, str]:
        """File and name, which no two groups share."""
        return self.file, self.name

    # Life

    def start(self) -> None:
        """Evaluate from the next moment on, until `stop`."""
        self._task = asyncio.create_task(self._run(), name=f"rules {self.name}")

    async def stop(self) -> None:
        """End; what is being evaluated is finished first."""
        self._stopping = True
        if self._task is None:
            return
        if not self._busy:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _run(self) -> None:
        clock, interval = self._options.clock, self.interval_ms
        offset = offset_ms(self.file, self.name, interval)
        slot = last_slot(clock.now_ms(), interval, offset) + interval
        while not self._stopping:
            await clock.sleep_until(slot)
            self._busy = True
            try:
                await self.evaluate(slot)
                # The first evaluation finds little: what it reads may not be scraped yet.
                if self._restores and self.stats.iterations >= 2:
                    await self._in_thread(self._restore)
            finally:
                self._busy = False
            now_ms = clock.now_ms()
            slot, missed = next_slot(slot, now_ms, interval)
            if slot - now_ms > 2 * interval:  # the clock was set back
                slot = last_slot(now_ms, interval, offset) + interval
            self.stats.missed += missed
            self.stats.iterations += missed

    def _restore(self) -> None:
        self._restores = False
        started_s, now_ms = time.perf_counter(), int(self._options.clock.now_ms())
        for rule in self.rules:
            if not isinstance(rule, AlertingRule):
                continue
            try:
                restore(rule, self._options.querier, now_ms, self._options.restore)
            except PromlabError as error:
                rule.restored = True
                self._options.warn(f"rule {rule.name}: its state can't be restored: {error}")
        self.stats.restore_s = time.perf_counter() - started_s

    # Evaluation

    async def evaluate(self, t_ms: int) -> None:
        """One iteration: all rules at `t_ms`."""
        started = time.perf_counter()
        self.stats.samples = 0
        for batch in self._batches:
            await asyncio.gather(*(self._timed(i, t_ms) for i in batch))
        leftover, self._leftover = self._leftover, []
        await self._end_series(leftover, t_ms - self.query_offset_ms)
        self.stats.iterations += 1
        self.stats.last_duration_s = time.perf_counter() - started
        self.stats.durations_s += self.stats.last_duration_s
        self.stats.group_s.add(self.stats.last_duration_s)
        self.stats.last_evaluation_ms = t_ms

    async def _timed(self, i: int, t_ms: int) -> None:
        rule, started = self.rules[i], time.perf_counter()
        await self._evaluate_rule(i, rule, t_ms)
        rule.evaluation_s = time.perf_counter() - started
        rule.last_evaluation_ms = t_ms
        self.stats.rule_s.add(rule.evaluation_s)

    async def _evaluate_rule(self, i: int, rule: Rule, t_ms: int) -> None:
        options, query_ms = self._options, t_ms - self.query_offset_ms
        ctx = RuleContext(
            t_ms,
            query_ms,
            lambda text: self._query(rule.name, text, query_ms),
            options.querier.symbols,
            self.limit,
        )
        self.stats.evaluations += 1
        try:
            output, written = await self._in_thread(self._evaluated, rule, ctx, i)
            rule.succeeded()
            if isinstance(rule, AlertingRule):
                due = rule.to_send(t_ms, options.resend_delay_ms, self.interval_ms)
                if due:
                    options.notify(rule, due)
            if len(written.values):
                await self._append(written, query_ms)
            self._written[i] = output.labels
            self.stats.samples += output.labels.n
        except PromlabError as error:
            self._failed(rule, str(error))
        except Exception as error:
            # A fault in one rule must not end its group.
            self._failed(rule, f"internal error: {type(error).__name__}: {error}")

    def _query(self, rule: str, text: str, t_ms: int) -> QueryResult:
        """The value of an expression, with a note that it was evaluated."""
        note = self._options.queried
        try:
            result = self._options.engine.instant(text, t_ms)
        except PromlabError as error:
            note(self.file, self.name, rule, text, t_ms, None, str(error))
            raise
        note(self.file, self.name, rule, text, t_ms, result.stats, "")
        return result

    def _failed(self, rule: Rule, error: str) -> None:
        rule.failed(error)
        self.stats.failures += 1
        self._options.warn(f"group {self.name}: rule {rule.name}: evaluating failed: {error}")

    def _evaluated(self, rule: Rule, ctx: RuleContext, i: int) -> tuple[Output, Output]:
        """A rule's output; and the same with a staleness marker for each series that ended."""
        output = rule.evaluate(ctx)
        gone = vanished(self._written[i], output.labels)
        if gone is None:
            return output, output
        if not output.labels.n:
            return output, Output(gone, stale_values(gone.n))
        labels = stack_tables(output.labels, gone.recode(output.labels.symbols))
        values = np.concatenate([output.values, stale_values(gone.n)])
        return output, Output(labels, values, with_none(output.histograms, gone.n))

    async def _append(self, written: Output, t_ms: int) -> None:
        times = np.full(len(written.values), t_ms, np.int64)
        outcome = await self._options.sink.append(
            written.labels, times, written.values, written.histograms
        )
        refused = outcome.duplicate + outcome.out_of_order + outcome.too_old
        if refused:
            self.stats.refused += refused
            self._options.warn(f"group {self.name}: storage did not take {refused} samples")

    async def _end_series(self, tables: Sequence[LabelTable], t_ms: int) -> None:
        for table in tables:
            times = np.full(table.n, t_ms, np.int64)
            try:
                await self._options.sink.append(table, times, stale_values(table.n))
            except PromlabError as error:
                self._options.warn(f"group {self.name}: ending series failed: {error}")

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        if self._options.executor is None:
            return call(*args)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._options.executor, call, *args)

    # Reloads

    def take_over(self, other: Group) -> None:
        """Go on where a stopped group of the same name left off.

        Rules are matched by kind, name and labels, in order; series of those that are gone
        end with the next evaluation.
        """
        self.stats, self._restores = other.stats, other._restores
        waiting: dict[object, list[int]] = {}
        for i, rule in enumerate(other.rules):
            waiting.setdefault(rule.key, []).append(i)
        for i, rule in enumerate(self.rules):
            same = waiting.get(rule.key)
            if not same:
                continue
            at = same.pop(0)
            self._written[i] = other._written[at]
            if isinstance(rule, AlertingRule) and isinstance(old := other.rules[at], AlertingRule):
                rule.take_over(old)
        gone = (other._written[i] for left in waiting.values() for i in left)
        self._leftover = other._leftover + [table for table in gone if table is not None]

    async def end_all_series(self, t_ms: int) -> None:
        """Write staleness markers for everything: the group was removed."""
        tables = [*self._leftover, *(table for table in self._written if table is not None)]
        self._leftover, self._written = [], [None] * len(self.rules)
        await self._end_series([table for table in tables if table.n], t_ms)
