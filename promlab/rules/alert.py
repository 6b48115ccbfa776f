"""One alert: a label set for which an alerting rule's expression holds, or did."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from promlab.model.float_text import format_float

Key = tuple[tuple[str, str], ...]

# How long a resolved alert is kept, to be sent again.
RESOLVED_RETENTION_MS = 15 * 60_000


class AlertState(Enum):
    """In rising order."""

    UNKNOWN = "unknown"
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


_ORDER = list(AlertState)


def highest(states: Iterator[AlertState]) -> AlertState:
    """The highest of some states; inactive where there is none."""
    return max(states, key=_ORDER.index, default=AlertState.INACTIVE)


@dataclass(slots=True)
class Alert:
    """State of one alert; times in ms UTC, 0 for never. `active_ms` may come from storage."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float
    active_ms: int
    state: AlertState = AlertState.PENDING
    fired_ms: int = 0
    resolved_ms: int = 0
    keep_firing_since_ms: int = 0
    last_sent_ms: int = 0
    valid_until_ms: int = 0

    def needs_sending(self, t_ms: int, resend_delay_ms: int) -> bool:
        """Whether Alertmanagers should hear of it now."""
        if self.state is AlertState.PENDING:
            return False
        if not self.last_sent_ms or self.resolved_ms > self.last_sent_ms:
            return True
        return self.last_sent_ms + resend_delay_ms < t_ms


def key_of(labels: Mapping[str, str]) -> Key:
    """What tells one alert of a rule from another."""
    return tuple(sorted(labels.items()))


class Change(NamedTuple):
    """An alert that went from one state to another."""

    t_ms: int
    rule: str
    labels: Mapping[str, str]
    before: AlertState
    after: AlertState
    value: float

    def plain(self) -> dict[str, Any]:
        """For JSON: seconds, and the value as text."""
        return {
            "time": self.t_ms / 1000,
            "rule": self.rule,
            "labels": dict(self.labels),
            "from": self.before.value,
            "to": self.after.value,
            "value": format_float(self.value),
        }


class AlertHistory:
    """The newest changes of state of all alerts, oldest first; bounded, in memory."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._changes: deque[Change] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: Change) -> None:
        """Note a change; the oldest is forgotten when it is full."""
        self._changes.append(change)

    def changes(self, since_ms: int = 0, rule: str = "") -> list[Change]:
        """Changes at or after a time, of one rule or of all."""
        return [
            change
            for change in list(self._changes)
            if change.t_ms >= since_ms and rule in ("", change.rule)
        ]
