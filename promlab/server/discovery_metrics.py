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
_GAUGES = ("prometheus_sd_discovered_targets", "prometheus_sd_failed_configs")
_HELP = {
    "prometheus_sd_failed_configs": "Configurations of discovery that could not be loaded.",
    "prometheus_sd_discovered_targets": "Targets found.",
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
        kind = "summary" if family == _REFRESH else "counter"
        kind = "gauge" if family in _GAUGES else kind
        out.family(
            family,
            kind,
            _HELP.get(family, "What a mechanism of service discovery counts."),
            ((metric, dict(labels), added[metric, labels]) for _, metric, labels in members),
        )
    return out.text().encode()


def _family(metric: str) -> str:
    return _REFRESH if metric.startswith(_REFRESH) else metric
