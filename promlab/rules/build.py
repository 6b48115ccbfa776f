"""Rules as objects, from what a rule file says."""

from __future__ import annotations

from collections.abc import Mapping

from promlab.config.rules import RuleConfig
from promlab.rules.alert import AlertHistory
from promlab.rules.alerting import AlertingRule
from promlab.rules.recording import RecordingRule
from promlab.rules.rule import Rule
from promlab.rules.seams import Warn


def rule_of(
    config: RuleConfig,
    *,
    external_labels: Mapping[str, str],
    external_url: str = "",
    history: AlertHistory | None = None,
    warn: Warn = lambda line: None,
    restored: bool = True,
) -> Rule:
    """The rule that a file describes. Raises PromQLSyntaxError."""
    if config.record:
        return RecordingRule(config.record, config.expr, config.labels)
    return AlertingRule(
        config.alert,
        config.expr,
        config.labels,
        config.annotations,
        for_ms=config.for_ms,
        keep_firing_for_ms=config.keep_firing_for_ms,
        external_labels=external_labels,
        external_url=external_url,
        history=history,
        warn=warn,
        restored=restored,
    )
