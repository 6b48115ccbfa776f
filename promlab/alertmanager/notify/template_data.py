"""What notification templates see: `.Alerts`, `.CommonLabels`, `.GroupLabels` and the rest.

Also as JSON: the webhook's body and `toJson` print the same fields in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from promlab.alertmanager.alerts import Alert, common
from promlab.templating import Function, List, Stringer, StringMap, Struct
from promlab.templating.times import Time
from promlab.templating.values import Functions

_ZERO_NS = -62_135_596_800 * 1_000_000_000  # Go's zero time: year 1


class Strings(List):
    """Go's []string."""

    go_type = "[]string"


class Pair(Struct):
    """A label's name and value."""

    go_type = "template.Pair"

    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value

    def template_fields(self) -> Mapping[str, Any]:
        """Name and Value."""
        return {"Name": self.name, "Value": self.value}

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"Name": self.name, "Value": self.value}


class Pairs(List, Stringer):
    """Labels in order."""

    go_type = "template.Pairs"

    def go_string(self) -> str:
        """`a=b, c=d`."""
        return ", ".join(f"{pair.name}={pair.value}" for pair in self)

    def template_methods(self) -> Functions:
        """Names, Values, String."""
        return {
            "Names": Function(lambda: Strings(pair.name for pair in self)),
            "Values": Function(lambda: Strings(pair.value for pair in self)),
            "String": Function(self.go_string),
        }


class KV(StringMap, Stringer):
    """Labels or annotations."""

    go_type = "template.KV"

    def pairs(self) -> Pairs:
        """Sorted by name, alertname first."""
        names = sorted(self, key=lambda name: (name != "alertname", name))
        return Pairs(Pair(name, self[name]) for name in names)

    def go_string(self) -> str:
        """`a=b, c=d`."""
        return self.pairs().go_string()

    def _without(self, names: Sequence[str]) -> KV:
        return KV({name: value for name, value in self.items() if name not in set(names)})

    def template_methods(self) -> Functions:
        """SortedPairs, Remove, Names, Values, String."""
        return {
            "SortedPairs": Function(self.pairs),
            "Remove": Function(self._without, ("[]string",)),
            "Names": Function(lambda: Strings(pair.name for pair in self.pairs())),
            "Values": Function(lambda: Strings(pair.value for pair in self.pairs())),
            "String": Function(self.go_string),
        }


class AlertData(Struct):
    """One alert, as it stands at the time of the notification."""

    go_type = "template.Alert"

    def __init__(self, alert: Alert, resolved: bool) -> None:
        self.status = "resolved" if resolved else "firing"
        self.labels, self.annotations = KV(alert.labels), KV(alert.annotations)
        self.generator_url, self.fingerprint = alert.generator_url, alert.hex
        self._starts_ms, self._ends_ms = alert.starts_ms, alert.ends_ms if resolved else None

    @cached_property
    def starts_at(self) -> Time:
        """When it began."""
        return Time(self._starts_ms * 1_000_000)

    @cached_property
    def ends_at(self) -> Time:
        """When it ended; year 1 while it fires."""
        return Time(_ZERO_NS if self._ends_ms is None else self._ends_ms * 1_000_000)

    def template_fields(self) -> Mapping[str, Any]:
        """Status, Labels, Annotations, StartsAt, EndsAt, GeneratorURL, Fingerprint."""
        return {
            "Status": self.status,
            "Labels": self.labels,
            "Annotations": self.annotations,
            "StartsAt": self.starts_at,
            "EndsAt": self.ends_at,
            "GeneratorURL": self.generator_url,
            "Fingerprint": self.fingerprint,
        }

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "status": self.status,
            "labels": dict(sorted(self.labels.items())),
            "annotations": dict(sorted(self.annotations.items())),
            "startsAt": rfc3339(self._starts_ms),
            "endsAt": _NEVER if self._ends_ms is None else rfc3339(self._ends_ms),
            "generatorURL": self.generator_url,
            "fingerprint": self.fingerprint,
        }


class AlertsData(List):
    """All alerts of a notification."""

    go_type = "template.Alerts"

    def firing(self) -> AlertsData:
        """Those that fire."""
        return AlertsData(alert for alert in self if alert.status == "firing")

    def resolved(self) -> AlertsData:
        """Those that have ended."""
        return AlertsData(alert for alert in self if alert.status == "resolved")

    def template_methods(self) -> Functions:
        """Firing and Resolved."""
        return {"Firing": Function(self.firing), "Resolved": Function(self.resolved)}


class Data(Struct):
    """The dot of every notification template."""

    go_type = "template.Data"

    def __init__(
        self,
        *,
        receiver: str,
        alerts: Sequence[AlertData],
        group_labels: Mapping[str, str],
        external_url: str,
        reason: str,
    ) -> None:
        self.receiver, self.external_url, self.reason = receiver, external_url, reason
        self.alerts = AlertsData(alerts)
        firing = any(alert.status == "firing" for alert in alerts)
        self.status = "firing" if firing else "resolved"
        self.group_labels = KV(group_labels)
        self.common_labels = KV(common(alert.labels for alert in alerts))
        self.common_annotations = KV(common(alert.annotations for alert in alerts))

    def template_fields(self) -> Mapping[str, Any]:
        """Receiver, Status, Alerts, NotificationReason, labels, ExternalURL."""
        return {
            "Receiver": self.receiver,
            "Status": self.status,
            "Alerts": self.alerts,
            "NotificationReason": self.reason,
            "GroupLabels": self.group_labels,
            "CommonLabels": self.common_labels,
            "CommonAnnotations": self.common_annotations,
            "ExternalURL": self.external_url,
        }

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "receiver": self.receiver,
            "status": self.status,
            "alerts": [alert.plain() for alert in self.alerts],
            "notification_reason": self.reason,
            "groupLabels": dict(sorted(self.group_labels.items())),
            "commonLabels": dict(sorted(self.common_labels.items())),
            "commonAnnotations": dict(sorted(self.common_annotations.items())),
            "externalURL": self.external_url,
        }


_NEVER = "0001-01-01T00:00:00Z"


def rfc3339(t_ms: int) -> str:
    """A time in the fewest digits: `2026-11-25T20:00:00.5Z`."""
    seconds, ms = divmod(t_ms, 1000)
    shown = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    return f"{shown}Z" if not ms else f"{shown}.{ms:03d}".rstrip("0") + "Z"
