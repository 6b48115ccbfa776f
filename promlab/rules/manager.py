"""All groups of a server: loaded from rule files, started, kept over reloads, stopped.

    manager = RuleManager(GroupOptions(engine, querier, sink, SystemClock()), external_url)
    await manager.apply(config)

A reload that can't be read changes nothing. A group that did not change goes on undisturbed;
one that did hands its alerts and its series to its successor; series of one that is gone end
two intervals later, so that a renamed group can go on with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from promlab.config.config import Config
from promlab.config.rules import RuleConfig, RuleGroupConfig
from promlab.rules.alert import Alert, AlertHistory
from promlab.rules.alerting import AlertingRule
from promlab.rules.build import rule_of
from promlab.rules.files import rule_groups
from promlab.rules.group import Group, GroupOptions
from promlab.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class _Spec:
    """Everything that makes a group what it is: equal specs are the same group."""

    file: str
    config: RuleGroupConfig
    interval_ms: int
    query_offset_ms: int
    external_labels: tuple[tuple[str, str], ...]


class RuleManager:
    """Runs the rule groups of a configuration; belongs to one event loop.

    `features` are the experimental parts of PromQL that expressions may use; None for all.
    """

    def __init__(
        self,
        options: GroupOptions,
        external_url: str = "",
        *,
        features: frozenset[str] | None = None,
        history: AlertHistory | None = None,
    ) -> None:
        self._options, self._external_url = options, external_url
        self._features = features
        self._turn = asyncio.Lock()
        self._groups: dict[tuple[str, str], tuple[_Spec, Group]] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._first = True
        self.history = AlertHistory() if history is None else history

    def groups(self) -> list[Group]:
        """All groups, by file and name."""
        return [self._groups[key][1] for key in sorted(self._groups)]

    def alerting_rules(self) -> list[AlertingRule]:
        """All alerting rules."""
        rules = (rule for group in self.groups() for rule in group.rules)
        return [rule for rule in rules if isinstance(rule, AlertingRule)]

    def active_alerts(self) -> list[Alert]:
        """All alerts that are pending or firing."""
        return [alert for rule in self.alerting_rules() for alert in rule.active_alerts()]

    async def apply(self, config: Config) -> None:
        """Take over a configuration. Raises ConfigError if a rule file is not valid."""
        async with self._turn:
            await self._apply(config)

    async def _apply(self, config: Config) -> None:
        before = self._groups
        # In a thread: many rules take a while to parse.
        after = await asyncio.to_thread(self._prepared, config)
        # From here on nothing can fail.
        self._first = False
        for key, (_, group) in before.items():
            if key not in after:
                await group.stop()
                self._end_later(group)
        for key, (_, group) in after.items():
            _, old_group = before.get(key, (None, None))
            if old_group is group:
                continue
            if old_group is not None:
                await old_group.stop()
                group.take_over(old_group)
            group.start()
        self._groups = after

    async def stop(self) -> None:
        """End all groups; their series do not end, for the server may come back."""
        await asyncio.gather(*(group.stop() for _, group in self._groups.values()))
        for task in self._endings:
            task.cancel()
        await asyncio.gather(*self._endings, return_exceptions=True)

    def _prepared(self, config: Config) -> dict[tuple[str, str], tuple[_Spec, Group]]:
        """The groups of a configuration: those that stay, and new ones, not started."""
        groups: dict[tuple[str, str], tuple[_Spec, Group]] = {}
        for spec in self._read(config):
            key = spec.file, spec.config.name
            old = self._groups.get(key)
            groups[key] = old if old and old[0] == spec else (spec, self._made(spec))
        return groups

    def _read(self, config: Config) -> list[_Spec]:
        base = config.global_
        labels = tuple(base.external_labels.items())
        return [
            _Spec(
                file,
                group,
                group.interval_ms or base.evaluation_interval_ms,
                base.rule_query_offset_ms
                if group.query_offset_ms is None
                else group.query_offset_ms,
                labels,
            )
            for file, group in rule_groups(config, self._features)
        ]

    def _made(self, spec: _Spec) -> Group:
        external = dict(spec.external_labels)
        return Group(
            spec.config.name,
            spec.file,
            [self._rule(rule, external) for rule in spec.config.rules],
            self._options,
            interval_ms=spec.interval_ms,
            limit=spec.config.limit,
            query_offset_ms=spec.query_offset_ms,
            restores=self._first,
        )

    def _rule(self, config: RuleConfig, external: Mapping[str, str]) -> Rule:
        return rule_of(
            config,
            external_labels=external,
            external_url=self._external_url,
            history=self.history,
            warn=self._options.warn,
            restored=not self._first,
        )

    def _end_later(self, group: Group) -> None:
        clock = self._options.clock
        stopped_ms = int(clock.now_ms())

        async def end() -> None:
            await clock.sleep_until(stopped_ms + 2 * group.interval_ms)
            await group.end_all_series(stopped_ms)

        task = asyncio.create_task(end(), name=f"ending {group.name}")
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
