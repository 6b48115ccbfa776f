"""Alerting rules: inactive → pending → firing, for each label set that the expression gives.

Follows Prometheus: an alert fires when it has been pending for `for`; one that vanishes while
it fires goes on for `keep_firing_for`, is then resolved, and kept for a while so that its end
is sent more than once. `ALERTS` and `ALERTS_FOR_STATE` say in storage what is active and since
when; they are written once the state from before a restart has been restored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.promql.result import QueryResult
from promlab.rules.alert import (
    RESOLVED_RETENTION_MS,
    Alert,
    AlertHistory,
    AlertState,
    Change,
    Key,
    highest,
    key_of,
)
from promlab.rules.errors import RuleError
from promlab.rules.rows import vector_of
from promlab.rules.rule import Output, Rule, RuleContext
from promlab.rules.seams import Warn
from promlab.templating import TemplateError
from promlab.templating.prometheus import AlertData, AlertTemplate, explanation, functions
from promlab.templating.values import Functions

ALERTS, ALERTS_FOR_STATE = "ALERTS", "ALERTS_FOR_STATE"
ALERT_NAME, ALERT_STATE = "alertname", "alertstate"


@dataclass(slots=True)
class Expansions:
    """How many templates were expanded in this process, and how many of them failed."""

    total: int = 0
    failures: int = 0


EXPANSIONS = Expansions()


class AlertingRule(Rule):
    """One alerting rule and its alerts."""

    kind = "alerting"

    def __init__(
        self,
        name: str,
        expr: str,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
        *,
        for_ms: int = 0,
        keep_firing_for_ms: int = 0,
        external_labels: Mapping[str, str] | None = None,
        external_url: str = "",
        history: AlertHistory | None = None,
        warn: Warn = lambda line: None,
        restored: bool = True,
    ) -> None:
        super().__init__(name, expr, labels)
        self.annotations = dict(sorted(annotations.items()))
        self.for_ms, self.keep_firing_for_ms = for_ms, keep_firing_for_ms
        self.restored = restored
        self._external_labels, self._external_url = dict(external_labels or {}), external_url
        self._history, self._warn = history, warn
        self._label_templates = self._templates(self.labels)
        self._annotation_templates = self._templates(self.annotations)
        self.active: dict[Key, Alert] = {}

    def _templates(self, texts: Mapping[str, str]) -> dict[str, AlertTemplate]:
        return {name: AlertTemplate(self.name, text) for name, text in texts.items()}

    @property
    def state(self) -> AlertState:
        """The highest state of its alerts; unknown before the first evaluation."""
        if not self.last_evaluation_ms:
            return AlertState.UNKNOWN
        return highest(alert.state for alert in list(self.active.values()))

    def active_alerts(self) -> list[Alert]:
        """Alerts that are pending or firing."""
        return [alert for alert in list(self.active.values()) if not alert.resolved_ms]

    # Evaluation

    def evaluate(self, ctx: RuleContext) -> Output:
        """Move all alerts on. Raises RuleError, PromQLError; then nothing has changed."""
        table, values = vector_of(ctx.query(self.expr), ctx.symbols)
        found = self._found(ctx, table, values.tolist())
        for key, alert in found.items():
            known = self.active.get(key)
            if known is not None and known.state is not AlertState.INACTIVE:
                known.value, known.annotations = alert.value, alert.annotations
            else:
                self.active[key] = alert
                self._changed(ctx.t_ms, alert, AlertState.INACTIVE)
        counted = [
            alert
            for key, alert in list(self.active.items())
            if self._moved_on(ctx.t_ms, key, alert, key in found)
        ]
        if 0 < ctx.limit < len(counted):
            self.active = {}
            raise RuleError(f"exceeded limit of {ctx.limit} with {len(counted)} alerts")
        return self._series(ctx, counted if self.restored else [])

    def _found(self, ctx: RuleContext, table: LabelTable, values: list[float]) -> dict[Key, Alert]:
        """A pending alert for each row, its templates expanded."""
        helpers = functions(lambda text: _samples(ctx, text), ctx.t_ms / 1000, self._external_url)
        found: dict[Key, Alert] = {}
        for labels, value in zip(table.rows(), values, strict=True):
            data = AlertData(labels, value, self._external_labels, self._external_url)
            own = {name: text for name, text in labels.items() if name != METRIC_NAME}
            own |= self._expanded(self._label_templates, data, helpers)
            own[ALERT_NAME] = self.name
            own = {name: text for name, text in own.items() if text}
            key = key_of(own)
            if key in found:
                raise RuleError(
                    "vector contains metrics with the same labelset after applying alert labels"
                )
            notes = self._expanded(self._annotation_templates, data, helpers)
            found[key] = Alert(dict(key), notes, value, ctx.t_ms)
        return found

    def _expanded(
        self, templates: Mapping[str, AlertTemplate], data: AlertData, helpers: Functions
    ) -> dict[str, str]:
        out = {}
        for name, template in templates.items():
            EXPANSIONS.total += 1
            try:
                out[name] = template.expand(data, helpers)
            except TemplateError as error:
                EXPANSIONS.failures += 1
                out[name] = explanation(error)
                self._warn(f"alert {self.name}: expanding a template failed: {error}")
        return out

    def _moved_on(self, t_ms: int, key: Key, alert: Alert, holds: bool) -> bool:
        """Give an alert its next state; True if it is pending or firing."""
        before = alert.state
        if holds:
            alert.keep_firing_since_ms = 0
        elif not self._keeps_firing(t_ms, alert):
            if before is AlertState.PENDING or (
                alert.resolved_ms and t_ms - alert.resolved_ms > RESOLVED_RETENTION_MS
            ):
                del self.active[key]
            if before is not AlertState.INACTIVE:
                alert.state, alert.resolved_ms = AlertState.INACTIVE, t_ms
                self._changed(t_ms, alert, before)
            return False
        if before is AlertState.PENDING:
            alert.active_ms = min(alert.active_ms, t_ms)  # the clock may have been set back
        held = t_ms - alert.active_ms >= self.for_ms
        if before is AlertState.PENDING and held:
            alert.state, alert.fired_ms = AlertState.FIRING, t_ms
        elif before is AlertState.FIRING and holds and not held and t_ms >= alert.active_ms:
            # `for` was raised by a reload.
            alert.state, alert.fired_ms = AlertState.PENDING, 0
        if alert.state is not before:
            self._changed(t_ms, alert, before)
        return True

    def _keeps_firing(self, t_ms: int, alert: Alert) -> bool:
        if alert.state is not AlertState.FIRING or not self.keep_firing_for_ms:
            return False
        alert.keep_firing_since_ms = alert.keep_firing_since_ms or t_ms
        return t_ms - alert.keep_firing_since_ms < self.keep_firing_for_ms

    def _changed(self, t_ms: int, alert: Alert, before: AlertState) -> None:
        if self._history is not None:
            self._history.add(
                Change(t_ms, self.name, alert.labels, before, alert.state, alert.value)
            )

    def _series(self, ctx: RuleContext, alerts: list[Alert]) -> Output:
        """ALERTS and ALERTS_FOR_STATE of these alerts."""
        rows: list[dict[str, str]] = []
        values: list[float] = []
        for alert in alerts:
            named = {**alert.labels, ALERT_NAME: self.name}
            rows.append({**named, METRIC_NAME: ALERTS, ALERT_STATE: alert.state.value})
            rows.append({**named, METRIC_NAME: ALERTS_FOR_STATE})
            values += [1.0, float(alert.active_ms // 1000)]
        symbols = ctx.symbols if ctx.symbols.base is not ctx.symbols else ctx.symbols.overlay()
        return Output(LabelTable.from_dicts(rows, symbols), np.array(values, np.float64))

    # What goes to Alertmanagers

    def to_send(self, t_ms: int, resend_delay_ms: int, interval_ms: int) -> list[Alert]:
        """Copies of the alerts that Alertmanagers should hear of now, marked as sent."""
        out = []
        for alert in list(self.active.values()):
            if alert.needs_sending(t_ms, resend_delay_ms):
                alert.last_sent_ms = t_ms
                # Two evaluations or two requests may fail before it would be taken as over.
                alert.valid_until_ms = t_ms + 4 * max(resend_delay_ms, interval_ms)
                out.append(replace(alert))
        return out

    def take_over(self, other: AlertingRule) -> None:
        """Go on with the alerts of the rule that this one replaces."""
        self.active = {key: replace(alert) for key, alert in other.active.items()}
        self.restored = other.restored
        self.health, self.last_error = other.health, other.last_error
        self.evaluation_s = other.evaluation_s
        self.last_evaluation_ms = other.last_evaluation_ms


def _samples(ctx: RuleContext, text: str) -> Iterator[tuple[Mapping[str, str], float]]:
    """A template's query, as samples."""
    result: QueryResult = ctx.query(text)
    table, values = vector_of(result, ctx.symbols)
    return zip(table.rows(), values.tolist(), strict=True)
