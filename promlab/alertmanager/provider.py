"""All alerts that are known, the newest report of each. In memory only: Prometheus repeats them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from promlab.alertmanager.alerts import Alert, fingerprints

Listener = Callable[[list[Alert]], None]


class Alerts:
    """Alerts by fingerprint. Listeners hear of every report, merged with what was known."""

    def __init__(self, per_name_limit: int = 0) -> None:
        self._alerts: dict[int, Alert] = {}
        self._by_name: dict[str, int] = {}
        self._limit = per_name_limit
        self._listeners: list[Listener] = []
        self.limited = 0

    def __len__(self) -> int:
        return len(self._alerts)

    def __iter__(self) -> Iterator[Alert]:
        return iter(list(self._alerts.values()))

    def get(self, fingerprint: int) -> Alert | None:
        """The alert with this fingerprint."""
        return self._alerts.get(fingerprint)

    def listen(self, listener: Listener) -> None:
        """Call for each batch of reports that comes from now on."""
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        """No longer call."""
        self._listeners.remove(listener)

    def put(self, reports: Iterable[Alert]) -> list[Alert]:
        """Take reports; returns the alerts as they now stand. What is over a limit is dropped."""
        batch = list(reports)
        numbers = fingerprints([alert.labels for alert in batch])
        stored = []
        for alert, number in zip(batch, numbers, strict=True):
            alert.fingerprint = number
            known = self._alerts.get(number)
            if known is None:
                if not self._room(alert):
                    continue
            elif alert.overlaps(known):
                alert = alert.merged(known)
            self._alerts[number] = alert
            stored.append(alert)
        if stored:
            for listener in tuple(self._listeners):
                listener(stored)
        return stored

    def _room(self, alert: Alert) -> bool:
        if not self._limit:
            return True
        count = self._by_name.get(alert.name, 0)
        if count >= self._limit:
            self.limited += 1
            return False
        self._by_name[alert.name] = count + 1
        return True

    def collect(self, t_ms: int) -> list[Alert]:
        """Forget alerts that have ended by then; returns them."""
        ended = [alert for alert in self._alerts.values() if alert.resolved_at(t_ms)]
        for alert in ended:
            del self._alerts[alert.fingerprint]
            if self._limit:
                left = self._by_name.get(alert.name, 1) - 1
                if left > 0:
                    self._by_name[alert.name] = left
                else:
                    self._by_name.pop(alert.name, None)
        return ended
