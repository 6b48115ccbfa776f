"""What rules and the queues to Alertmanagers count, under Prometheus's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from promlab.model.quantiles import Window
from promlab.server.text_metrics import SHARES, MetricText

if TYPE_CHECKING:
    from promlab.rules.group import Group
    from promlab.rules.notifier import Notifier
    from promlab.rules.sender import SenderStats
    from promlab.server.rules import Rules

_GROUP: dict[str, tuple[str, str, Callable[[Group], float]]] = {
    "evaluations_total": ("counter", "Evaluations of rules.", lambda g: g.stats.evaluations),
    "evaluation_failures_total": ("counter", "Those that failed.", lambda g: g.stats.failures),
    "group_iterations_total": ("counter", "Evaluations of the group, missed ones too.",
                               lambda g: g.stats.iterations),
    "group_iterations_missed_total": ("counter", "Evaluations that were left out.",
                                      lambda g: g.stats.missed),
    "group_interval_seconds": ("gauge", "Interval.", lambda g: g.interval_ms / 1000),
    "group_last_duration_seconds": ("gauge", "Time that the last evaluation took.",
                                    lambda g: g.stats.last_duration_s),
    "group_last_restore_duration_seconds": ("gauge", "Time that restoring alerts took.",
                                            lambda g: g.stats.restore_s),
    "group_last_evaluation_samples": ("gauge", "Samples of the last evaluation.",
                                      lambda g: g.stats.samples),
    "group_last_evaluation_timestamp_seconds": ("gauge", "Time of the last evaluation.",
                                                lambda g: g.stats.last_evaluation_ms / 1000),
    "group_rules": ("gauge", "Rules of the group.", lambda g: len(g.rules)),
}  # fmt: skip
_SENDER: dict[str, tuple[str, str, Callable[[SenderStats], float]]] = {
    "sent_total": ("counter", "Alerts sent, also in vain.", lambda s: s.sent),
    "errors_total": ("counter", "Alerts that an Alertmanager did not take.", lambda s: s.errors),
}


def rule_metrics(rules: Rules) -> bytes:
    """The part of /metrics about rules and alerts."""
    from promlab.rules.alerting import EXPANSIONS

    out = MetricText()
    groups = {f"{group.file};{group.name}": group for group in rules.manager.groups()}
    for name, (kind, text, value) in _GROUP.items():
        found = {key: value(group) for key, group in groups.items()}
        out.labelled(f"prometheus_rule_{name}", kind, text, "rule_group", found)
    out.labelled("promlab_rule_refused_samples_total", "counter",
                 "Samples of rules that storage did not take.",
                 "rule_group", {key: group.stats.refused for key, group in groups.items()},
                 )  # fmt: skip
    _durations(out, groups)
    prefix = "prometheus_template_text_"
    out.counter(prefix + "expansions_total", "Templates expanded.", EXPANSIONS.total)
    out.counter(prefix + "expansion_failures_total", "Those that failed.", EXPANSIONS.failures)
    _notification_metrics(out, rules.notifier)
    return out.text().encode()


def _durations(out: MetricText, groups: Mapping[str, Group]) -> None:
    stats = [group.stats for group in groups.values()]
    for name, text, windows in (
        ("evaluation_duration_seconds", "Times of rules.", [each.rule_s for each in stats]),
        ("group_duration_seconds", "Times of groups.", [each.group_s for each in stats]),
    ):
        joined = Window.joined(windows)
        shares = SHARES if name.startswith("group") else (0.5, 0.9, 0.99)
        out.windows(f"prometheus_rule_{name}", text, "", {"": joined}, shares)
    sums = {key: sum(rule.evaluation_s for rule in group.rules) for key, group in groups.items()}
    out.labelled("prometheus_rule_group_last_rule_duration_sum_seconds", "gauge",
                 "Times of all rules of the last evaluation.", "rule_group", sums)  # fmt: skip


def _notification_metrics(out: MetricText, notifier: Notifier) -> None:
    stats = notifier.stats()
    prefix = "prometheus_notifications_"
    for name, (kind, text, value) in _SENDER.items():
        found = {url: value(each) for url, each in stats.items()}
        out.labelled(prefix + name, kind, text, "alertmanager", found)
    latencies = {url: each.latency_s for url, each in stats.items()}
    out.windows(prefix + "latency_seconds", "Times of requests.", "alertmanager", latencies)
    dropped = sum(each.dropped for each in stats.values())
    queued = sum(notifier.queued().values())
    out.counter(prefix + "dropped_total", "Alerts lost: not taken, or the queue was full.", dropped)
    out.gauge(prefix + "queue_length", "Alerts in the queues.", queued)
    out.gauge(prefix + "queue_capacity", "Most alerts in a queue.", notifier.capacity)
    out.gauge(prefix + "alertmanagers_discovered", "Alertmanagers that get alerts.", len(stats))
