"""What every mechanism gives, how, and what it may use for that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from promlab.config.http_client import HttpClientConfig
from promlab.discovery.asking import Asker

ADDRESS = "__address__"
META = "__meta_"
_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """Targets of one source, and labels that they share.

    `source` names where the group comes from, unique within its mechanism: a later group of
    the same source replaces it, and one without targets removes it.
    """

    source: str
    targets: tuple[Mapping[str, str], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(source: str, addresses: Sequence[str], labels: Mapping[str, str]) -> TargetGroup:
        """The group of these addresses."""
        return TargetGroup(source, tuple({ADDRESS: address} for address in addresses), labels)

    def label_sets(self) -> Iterator[dict[str, str]]:
        """Labels of each target; its own win over those of the group."""
        return ({**self.labels, **target} for target in self.targets)


Publish = Callable[[Sequence[TargetGroup]], None]


@dataclass(slots=True)
class DiscoveryStats:
    """Counters of discovery, by the names that /metrics gives them."""

    # prometheus_sd_refresh_failures_total{mechanism,config}
    refresh_failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    # prometheus_sd_refresh_duration_seconds_{sum,count}{mechanism,config}
    refresh_s: dict[tuple[str, str], float] = field(default_factory=dict)
    refreshes: Counter[tuple[str, str]] = field(default_factory=Counter)
    # prometheus_sd_received_updates_total, prometheus_sd_updates_total,
    # prometheus_sd_updates_delayed_total
    received: int = 0
    updates: int = 0
    delayed: int = 0
    # prometheus_sd_file_read_errors_total
    file_read_errors: int = 0
    # prometheus_sd_file_scan_duration_seconds, prometheus_sd_file_mtime_seconds{filename}
    file_scan_s: float = 0.0
    file_scans: int = 0
    file_mtimes_s: dict[str, float] = field(default_factory=dict)
    # What one mechanism counts beyond that: name of the metric → by values of its labels
    others: Counter[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=Counter)

    def count(self, metric: str, **labels: str) -> None:
        """Add one to a counter that only some mechanism has."""
        self.others[metric, tuple(labels.items())] += 1

    def forget(self, config: str) -> None:
        """Drop the counters of a job that is gone."""
        for by_place in (self.refresh_failures, self.refresh_s, self.refreshes):
            for key in [key for key in by_place if key[1] == config]:
                del by_place[key]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a mechanism works with: counters, the name of its job, HTTP."""

    stats: DiscoveryStats
    config: str = ""
    version: str = "dev"

    def asker(
        self, http: HttpClientConfig, timeout_s: float = 30.0, *, unix_socket: str = ""
    ) -> Asker:
        """A client with the settings of a section. Raises ConfigError for TLS settings."""
        return Asker(http, f"promlab/{self.version}", timeout_s=timeout_s, unix_socket=unix_socket)


class Discoverer(Protocol):
    """One configured mechanism."""

    async def run(self, publish: Publish) -> None:
        """Publish groups, at once and whenever they change, until cancelled.

        What can't be had now is logged and counted, and what was published last stays. The
        first call of `publish` says that the mechanism has spoken, even if it found nothing.
        """


def label_name(text: str) -> str:
    """The text with all that old label names can't hold made `_`, as discovery does."""
    return _UNSAFE.sub("_", text)


def host_port(host: str, port: int | str) -> str:
    """An address; IPv6 gets its brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listed(values: Sequence[str], separator: str = ",") -> str:
    """Values as one label that can be matched: `,a,b,`; "" for none is up to the caller."""
    return separator + separator.join(values) + separator
