"""Rules and alerts as /api/v1/rules and /api/v1/alerts show them: plain dicts for JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from promlab.rules.alert import Alert
from promlab.rules.alerting import AlertingRule
from promlab.rules.group import Group
from promlab.rules.rule import Rule
from promlab.templating.floats import format_float

_NEVER = "0001-01-01T00:00:00Z"


def rfc3339(t_ms: int) -> str:
    """A time in ms, as Go writes it; its zero time for 0."""
    if not t_ms:
        return _NEVER
    seconds, ms = divmod(t_ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{ms:03d}".rstrip("0") if ms else ""
    return f"{text}{fraction}Z"


def alert_status(alert: Alert) -> dict[str, Any]:
    """One active alert."""
    shown: dict[str, Any] = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": rfc3339(alert.active_ms),
        "value": format_float(alert.value, "e", -1),
    }
    if alert.keep_firing_since_ms:
        shown["keepFiringSince"] = rfc3339(alert.keep_firing_since_ms)
    return shown


def rule_status(rule: Rule, *, exclude_alerts: bool = False) -> dict[str, Any]:
    """One rule; an alerting rule with its alerts, or null where they are not wanted."""
    shown: dict[str, Any] = {"name": rule.name, "query": rule.expr}
    if rule.labels or isinstance(rule, AlertingRule):
        shown["labels"] = rule.labels
    if isinstance(rule, AlertingRule):
        shown = {"state": rule.state.value, **shown}
        shown["duration"] = rule.for_ms / 1000
        shown["keepFiringFor"] = rule.keep_firing_for_ms / 1000
        shown["annotations"] = rule.annotations
        alerts = [alert_status(alert) for alert in rule.active_alerts()]
        shown["alerts"] = None if exclude_alerts else alerts
    shown["health"] = rule.health
    if rule.last_error:
        shown["lastError"] = rule.last_error
    shown["evaluationTime"] = rule.evaluation_s
    shown["lastEvaluation"] = rfc3339(rule.last_evaluation_ms)
    shown["type"] = rule.kind
    return shown


def group_status(group: Group, *, exclude_alerts: bool = False) -> dict[str, Any]:
    """One group with all its rules."""
    return {
        "name": group.name,
        "file": group.file,
        "rules": [rule_status(rule, exclude_alerts=exclude_alerts) for rule in group.rules],
        "interval": group.interval_ms / 1000,
        "limit": group.limit,
        "evaluationTime": group.stats.last_duration_s,
        "lastEvaluation": rfc3339(group.stats.last_evaluation_ms),
    }
