"""What service discovery counts, under Prometheus's names.

Targets are looked for in the writer, Alertmanagers in the reader. Both tell their numbers as rows,
which are printed together: a family must stand in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from promlab.server.text_metrics import MetricText

if TYPE_CHECKING:
    from promlab.discovery import DiscoveryStats

Row = tuple[str, dict[str, str], float]  # name of the metric, labels, value

_REFRESH = "prometheus_sd_refresh_duration_seconds"
_SCAN = "prometheus_sd_file_scan_duration_seconds"
_SUMMARIES = (_REFRESH, _SCAN)
_MTIME = "prometheus_sd_file_mtime_seconds"
_GAUGES = ("prometheus_sd_discovered_targets", "prometheus_sd_failed_configs", _MTIME)
_ROLES = ("endpoints", "endpointslice", "ingress", "node", "pod", "service")
# What has never happened is 0, so that its rate can be alerted on.
_NEVER_YET: list[tuple[str, dict[str, str]]] = [
    ("prometheus_sd_dns_lookups_total", {}),
    ("prometheus_sd_dns_lookup_failures_total", {}),
    ("prometheus_sd_http_failures_total", {}),
    ("prometheus_sd_kubernetes_failures_total", {}),
    *(
        ("prometheus_sd_kubernetes_events_total", {"event": event, "role": role})
        for event in ("add", "delete", "update")
        for role in _ROLES
    ),
    ("prometheus_treecache_zookeeper_failures_total", {}),
]
_HELP = {
    "prometheus_sd_failed_configs": "Configurations of discovery that could not be loaded.",
    "prometheus_sd_discovered_targets": "Targets found.",
    _MTIME: "When files of targets were changed, as of when they were read.",
    _SCAN: "Times that looking at files of targets took.",
    "prometheus_sd_file_read_errors_total": "Files of targets that could not be read.",
    "prometheus_sd_received_updates_total": "Updates that mechanisms gave.",
    "prometheus_sd_refresh_duration_seconds": "Times that refreshes took.",
    "prometheus_sd_refresh_failures_total": "Refreshes that failed.",
    "prometheus_sd_updates_delayed_total": "Updates that waited for the one before.",
    "prometheus_sd_updates_total": "Updates that were handed on.",
}


def discovery_rows(stats: DiscoveryStats, name: str, discovered: Mapping[str, int]) -> list[Row]:
    """All numbers of one process; `name` says what it looks for, `discovered` is by job."""
    rows: list[Row] = [
        # One that can't be set up is refused with the whole configuration.
        ("prometheus_sd_failed_configs", {"name": name}, 0),
        ("prometheus_sd_received_updates_total", {"name": name}, stats.received),
        ("prometheus_sd_updates_total", {"name": name}, stats.updates),
        ("prometheus_sd_updates_delayed_total", {"name": name}, stats.delayed),
    ]
    for config, count in discovered.items():
        labels = {"config": config, "name": name}
        rows.append(("prometheus_sd_discovered_targets", labels, count))
    for (mechanism, config), count in stats.refreshes.items():
        labels = {"config": config, "mechanism": mechanism}
        rows.append((f"{_REFRESH}_sum", labels, stats.refresh_s.get((mechanism, config), 0.0)))
        rows.append((f"{_REFRESH}_count", labels, count))
    # A failure that has never happened is 0, so that its rate can be alerted on.
    for mechanism, config in stats.refreshes.keys() | stats.refresh_failures.keys():
        labels = {"config": config, "mechanism": mechanism}
        failures = stats.refresh_failures[mechanism, config]
        rows.append(("prometheus_sd_refresh_failures_total", labels, failures))
    if stats.file_read_errors or name == "scrape":
        rows.append(("prometheus_sd_file_read_errors_total", {}, stats.file_read_errors))
    if name == "scrape":
        rows += [(metric, dict(labels), 0) for metric, labels in _NEVER_YET]
        rows += [(_MTIME, {"filename": path}, t_s) for path, t_s in stats.file_mtimes_s.items()]
        rows.append((f"{_SCAN}_sum", {}, stats.file_scan_s))
        rows.append((f"{_SCAN}_count", {}, stats.file_scans))
    rows += [(metric, dict(labels), count) for (metric, labels), count in stats.others.items()]
    return rows


def discovery_metrics(rows: Iterable[Row]) -> bytes:
    """The part of /metrics about service discovery."""
    added: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for metric, labels, value in rows:
        key = metric, tuple(sorted(labels.items()))
        added[key] = added.get(key, 0.0) + value
    out = MetricText()
    samples = sorted((_family(metric), metric, labels) for metric, labels in added)
    for family, members in groupby(samples, key=lambda sample: sample[0]):
        kind = "summary" if family in _SUMMARIES else "counter"
        kind = "gauge" if family in _GAUGES else kind
        out.family(
            family,
            kind,
            _HELP.get(family, "What a mechanism of service discovery counts."),
            ((metric, dict(labels), added[metric, labels]) for _, metric, labels in members),
        )
    return out.text().encode()


def _family(metric: str) -> str:
    return next((each for each in _SUMMARIES if metric.startswith(each)), metric)
