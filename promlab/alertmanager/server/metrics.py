"""/metrics: the real Alertmanager's names, from what the core and the server counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from promlab import __version__
from promlab.alertmanager.counters import LATENCY_BUCKETS
from promlab.alertmanager.server.context import COMPATIBLE_VERSION, Context
from promlab.model.float_text import format_float

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> str:
    """One family in the exposition format; a sample's first part is added to the name."""
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    for suffix, labels, value in samples:
        shown = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        braces = f"{{{shown}}}" if shown else ""
        lines.append(f"{name}{suffix}{braces} {format_float(value)}")
    return "\n".join(lines) + "\n"


def _one(value: float) -> list[Sample]:
    return [("", {}, float(value))]


def page(context: Context) -> str:
    """The whole page."""
    parts = [*_core(context), *_notifications(context), *_stores(context), *_http(context)]
    parts += [
        family(name, "counter" if name.endswith("_total") else "gauge", "Of the cluster.", _one(v))
        for name, v in context.cluster.metrics().items()
    ]
    return "".join(parts) + _process()


def _core(context: Context) -> Iterable[str]:
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
        _one(am.alerts.limited),
    )
    yield family(
        "alertmanager_alerts_per_alert_limit",
        "gauge",
        "Most alerts of one name.",
        _one(context.settings.per_alertname_limit),
    )
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
        _one(len(pipeline.receivers)),
    )
    yield family(
        "alertmanager_integrations",
        "gauge",
        "Their integrations.",
        _one(sum(map(len, pipeline.receivers.values()))),
    )
    yield family(
        "alertmanager_inhibition_rules", "gauge", "Inhibition rules.", _one(len(pipeline.inhibitor))
    )
    yield family(
        "alertmanager_dispatcher_aggregation_groups",
        "gauge",
        "Groups of alerts.",
        _one(dispatcher.group_count),
    )
    yield family(
        "alertmanager_dispatcher_alert_processing_duration_seconds",
        "summary",
        "Time that alerts took to get into their groups.",
        [("_sum", {}, am.counters.processing_s), ("_count", {}, am.counters.processing_count)],
    )
    yield family(
        "alertmanager_config_hash", "gauge", "Hash of the configuration.", _one(context.config_hash)
    )
    yield family(
        "alertmanager_config_last_reload_successful",
        "gauge",
        "Whether the last configuration that was read is used.",
        _one(context.reload_ok),
    )
    yield family(
        "alertmanager_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When a configuration was read well.",
        _one(context.reload_s),
    )
    info = context.version_info()
    build = {"version": COMPATIBLE_VERSION, "revision": info["revision"], "branch": info["branch"],
             "goversion": info["goVersion"]}  # fmt: skip
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
        for i, bound in enumerate(LATENCY_BUCKETS):
            samples.append(("_bucket", {**labels(key), "le": str(bound)}, found[2 + i]))
        samples.append(("_bucket", {**labels(key), "le": "+Inf"}, found[0]))
        samples += [("_sum", labels(key), found[1]), ("_count", labels(key), found[0])]
    yield family("alertmanager_notification_latency_seconds", "histogram",
                 "Time that notifications took.", samples)  # fmt: skip
    kept_by = ("silence", "inhibition", "mute_time_interval", "active_time_interval")
    yield family("alertmanager_notifications_suppressed_total", "counter",
                 "Alerts held back from notifications.",
                 [("", {"reason": r}, counters.suppressed[r]) for r in kept_by])  # fmt: skip


def _stores(context: Context) -> Iterable[str]:
    am = context.am
    for name, what, count in (
        ("silences", "silences", len(am.silences)), ("nflog", "notification log", len(am.log)),
    ):  # fmt: skip
        runs = context.maintenance
        yield family(
            f"alertmanager_{name}_maintenance_total",
            "counter",
            f"Times that old entries of the {what} were looked for.",
            _one(runs[name]),
        )
        yield family(
            f"alertmanager_{name}_maintenance_errors_total",
            "counter",
            "Times that this failed.",
            _one(runs[f"{name} errors"]),
        )
        yield family(f"alertmanager_{name}_entries", "gauge", f"Entries of the {what}.",
                     _one(count))  # fmt: skip
    for name, database in zip(("silences", "nflog"), context.databases, strict=False):
        yield family(f"alertmanager_{name}_snapshot_size_bytes", "gauge", "Size of its file.",
                     _one(database.size_bytes))  # fmt: skip
    yield family(
        "alertmanager_nflog_write_errors_total",
        "counter",
        "Times that the notification log could not be written.",
        _one(am.log.write_errors),
    )


def _http(context: Context) -> Iterable[str]:
    samples: list[Sample] = []
    for (handler, method, status), (count, total) in sorted(context.requests.items()):
        labels = {"code": str(status), "handler": handler, "method": method}
        samples += [("_sum", labels, total), ("_count", labels, count)]
    yield family("alertmanager_http_request_duration_seconds", "summary", "Times of requests.",
                 samples)  # fmt: skip
    yield family("alertmanager_http_requests_in_flight", "gauge", "GET requests being answered.",
                 [("", {"method": "get"}, context.in_flight)])  # fmt: skip
    yield family(
        "alertmanager_http_concurrency_limit_exceeded_total",
        "counter",
        "GET requests that were too many.",
        [("", {"method": "get"}, context.over_limit)],
    )


def _process() -> str:
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    rows: list[tuple[str, str, str, Any]] = [
        ("process_cpu_seconds_total", "counter", "CPU time.", usage.ru_utime + usage.ru_stime),
        ("process_resident_memory_bytes", "gauge", "Memory.", _resident_bytes()),
    ]
    shown = [family(name, kind, text, _one(value)) for name, kind, text, value in rows]
    info = [("", {"version": __version__}, 1.0)]
    return "".join(shown) + family("promlab_build_info", "gauge", "promlab's version.", info)


def _resident_bytes() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss)
