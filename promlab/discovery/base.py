"""What every mechanism gives, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

ADDRESS = "__address__"


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

    refresh_failures: int = 0  # prometheus_sd_refresh_failures_total
    file_read_errors: int = 0  # prometheus_sd_file_read_errors_total
    updates: int = 0  # prometheus_sd_updates_total


class Discoverer(Protocol):
    """One configured mechanism."""

    async def run(self, publish: Publish) -> None:
        """Publish groups, at once and whenever they change, until cancelled.

        What can't be had now is logged and counted, and what was published last stays.
        """
