"""/metrics: the real Alertmanager's names, from what the core and the server counted."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping

from promlab.alertmanager.server.context import COMPATIBLE_VERSION, Context
from promlab.alertmanager.server.metrics_machinery import cluster, http, process, stores
from promlab.alertmanager.server.metrics_text import Sample, buckets, family, one, single

_SUBSCRIBERS = ("dispatcher", "inhibitor")


def page(context: Context) -> str:
    """The whole page."""
    parts = [*_alerts(context), *_routing(context), *_configuration(context)]
    parts += [*_notifications(context), *stores(context), *http(context)]
    return "".join([*parts, *cluster(context), *process()])


def _alerts(context: Context) -> Iterable[str]:
    am = context.am
    now_ms = am.clock.now_ms()
    states = {"active": 0, "suppressed": 0, "unprocessed": 0}
    for alert in am.alerts:
        if not alert.resolved_at(now_ms):
            states[am.status(alert).state] += 1
    yield family("alertmanager_alerts", "gauge", "How many alerts by state.",
                 [("", {"state": state}, n) for state, n in states.items()])  # fmt: skip
    received = context.alerts_received
    yield family(
        "alertmanager_alerts_received_total",
        "counter",
        "Alerts received.",
        [("", {"status": s, "version": "v2"}, received[s]) for s in ("firing", "resolved")],
    )
    yield family(
        "alertmanager_alerts_invalid_total",
        "counter",
        "Invalid alerts received.",
        [("", {"version": "v2"}, context.alerts_invalid)],
    )
    yield family(
        "alertmanager_alerts_limited_total",
        "counter",
        "Alerts refused for a limit of alerts of one name.",
        one(am.alerts.limited),
    )
    yield family(
        "alertmanager_alerts_per_alert_limit",
        "gauge",
        "Most alerts of one name.",
        one(context.settings.per_alertname_limit),
    )


def _routing(context: Context) -> Iterable[str]:
    am = context.am
    pipeline, dispatcher = am.running.pipeline, am.running.dispatcher
    yield family(
        "alertmanager_silences",
        "gauge",
        "How many silences by state.",
        [("", {"state": state}, n) for state, n in sorted(am.silences.counts().items())],
    )
    yield family(
        "alertmanager_receivers",
        "gauge",
        "Receivers that routes name.",
        one(len(pipeline.receivers)),
    )
    yield family(
        "alertmanager_integrations",
        "gauge",
        "Their integrations.",
        one(sum(map(len, pipeline.receivers.values()))),
    )
    yield family(
        "alertmanager_inhibition_rules", "gauge", "Inhibition rules.", one(len(pipeline.inhibitor))
    )
    yield family(
        "alertmanager_dispatcher_aggregation_groups",
        "gauge",
        "Groups of alerts.",
        one(dispatcher.group_count),
    )
    # Groups are made at once and their number has no limit, so these stay at 0.
    for name, help_text in (
        ("group_limit_reached", "Alerts that got no group for a limit of their number."),
        ("group_creation_retries", "Times that a group was made again."),
        ("group_creation_given_up", "Alerts that got no group."),
    ):
        full_name = f"alertmanager_dispatcher_aggregation_{name}_total"
        yield single(full_name, "counter", help_text, 0)
    yield family(
        "alertmanager_alerts_subscriber_channel_writes_total",
        "counter",
        "Alerts handed over inside.",
        [("", {"subscriber": name}, am.counters.handed_over) for name in _SUBSCRIBERS],
    )
    yield family(
        "alertmanager_dispatcher_alert_processing_duration_seconds",
        "summary",
        "Time that alerts took to get into their groups.",
        [("_sum", {}, am.counters.processing_s), ("_count", {}, am.counters.processing_count)],
    )


def _configuration(context: Context) -> Iterable[str]:
    yield family(
        "alertmanager_config_hash", "gauge", "Hash of the configuration.", one(context.config_hash)
    )
    yield family(
        "alertmanager_config_last_reload_successful",
        "gauge",
        "Whether the last configuration that was read is used.",
        one(context.reload_ok),
    )
    yield family(
        "alertmanager_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When a configuration was read well.",
        one(context.reload_s),
    )
    info = context.version_info()
    build = {
        "branch": info["branch"], "goarch": platform.machine(), "goos": sys.platform,
        "goversion": info["goVersion"], "revision": info["revision"], "tags": "",
        "version": COMPATIBLE_VERSION,
    }  # fmt: skip
    yield family("alertmanager_build_info", "gauge", "What this is.", [("", build, 1.0)])


def _notifications(context: Context) -> Iterable[str]:
    counters = context.am.counters

    def labels(key: tuple[str, ...]) -> dict[str, str]:
        found = {"integration": key[0]}
        if context.settings.features.receiver_names:
            found["receiver_name"] = key[1]
        return found

    def counted(name: str, help_text: str, counts: Mapping[tuple[str, str], int]) -> str:
        return family(f"alertmanager_{name}", "counter", help_text,
                      [("", labels(key), n) for key, n in sorted(counts.items())])  # fmt: skip

    yield counted("notifications_total", "Notifications attempted.", counters.notifications)
    reasons = ("clientError", "serverError", "contextCanceled", "contextDeadlineExceeded", "other")
    failed = {(*key, reason): 0 for key in counters.notifications for reason in reasons}
    failed |= counters.failed
    yield family(
        "alertmanager_notifications_failed_total",
        "counter",
        "Notifications that failed.",
        [("", {**labels(key), "reason": key[2]}, n) for key, n in sorted(failed.items())],
    )
    yield counted("notification_requests_total", "Attempts to send one.", counters.requests)
    yield counted("notification_requests_failed_total", "Attempts that failed.",
                  counters.requests_failed)  # fmt: skip
    samples: list[Sample] = []
    for key, found in sorted(counters.latencies.items()):
        samples += buckets(found, labels(key))
    yield family("alertmanager_notification_latency_seconds", "histogram",
                 "Time that notifications took.", samples)  # fmt: skip
    kept_by = ("silence", "inhibition", "mute_time_interval", "active_time_interval")
    yield family("alertmanager_notifications_suppressed_total", "counter",
                 "Alerts held back from notifications.",
                 [("", {"reason": r}, counters.suppressed[r]) for r in kept_by])  # fmt: skip
