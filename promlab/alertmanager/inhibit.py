"""Inhibition: alerts that are muted for as long as another one fires.

Each rule keeps its firing sources by the values of its `equal` labels, so that asking for a
target is one look-up a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.config.inhibit import InhibitRuleConfig
from promlab.model.matchers import Matcher

Labels = Mapping[str, str]


def _all_match(matchers: Sequence[Matcher], labels: Labels) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


class _Rule:
    def __init__(self, config: InhibitRuleConfig) -> None:
        self.source, self.target = config.source, config.target
        self._equal = tuple(sorted(set(config.equal)))
        self._sources: dict[tuple[str, ...], dict[int, Alert]] = {}

    def _values(self, labels: Labels) -> tuple[str, ...]:
        return tuple(labels.get(name, "") for name in self._equal)

    def note(self, alert: Alert) -> None:
        if _all_match(self.source, alert.labels):
            self._sources.setdefault(self._values(alert.labels), {})[alert.fingerprint] = alert

    def inhibitor(self, labels: Labels, t_ms: int) -> Alert | None:
        sources = self._sources.get(self._values(labels))
        if not sources or not _all_match(self.target, labels):
            return None
        # What matches both sides can't be muted by what does too: they would mute each other.
        is_source = _all_match(self.source, labels)
        for alert in sources.values():
            if alert.resolved_at(t_ms):
                continue
            if not (is_source and _all_match(self.target, alert.labels)):
                return alert
        return None

    def collect(self, t_ms: int) -> None:
        for values, sources in list(self._sources.items()):
            for number, alert in list(sources.items()):
                if alert.resolved_at(t_ms):
                    del sources[number]
            if not sources:
                del self._sources[values]


class Inhibitor:
    """All rules of a configuration."""

    def __init__(self, rules: Iterable[InhibitRuleConfig]) -> None:
        self._rules = [_Rule(rule) for rule in rules]

    def __len__(self) -> int:
        return len(self._rules)

    def note(self, alerts: Iterable[Alert]) -> None:
        """Take the newest reports of alerts; those that match may be sources."""
        if not self._rules:
            return
        for alert in alerts:
            for rule in self._rules:
                rule.note(alert)

    def inhibited_by(self, labels: Labels, t_ms: int) -> list[str]:
        """Fingerprints of alerts that mute an alert with these labels at a time."""
        found = []
        for rule in self._rules:
            alert = rule.inhibitor(labels, t_ms)
            if alert is not None and alert.hex not in found:
                found.append(alert.hex)
        return found

    def collect(self, t_ms: int) -> None:
        """Forget sources that have ended."""
        for rule in self._rules:
            rule.collect(t_ms)
