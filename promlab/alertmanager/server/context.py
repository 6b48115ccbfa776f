"""What every handler needs: the Alertmanager, its settings, its cluster, counts of requests."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from promlab import __version__
from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.core import Alertmanager
from promlab.alertmanager.measures import BYTES, Histogram
from promlab.alertmanager.server.flags import Settings
from promlab.alertmanager.silence_changes import SilenceChanges
from promlab.web.guard import Guard

# The version that clients look at: what this Alertmanager's API and files are like.
COMPATIBLE_VERSION = "0.33.1"


class ClusterView(Protocol):
    """The cluster, as far as it is shown."""

    def status(self) -> dict[str, Any]:
        """As the API shows it."""

    def metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """Names, labels, values."""


class NoCluster:
    """An Alertmanager on its own."""

    def status(self) -> dict[str, Any]:
        """Disabled."""
        return {"peers": [], "status": "disabled"}

    def metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """None but that there is none."""
        return [("alertmanager_cluster_enabled", {}, 0.0)]


@dataclass(slots=True)
class Context:
    """What every handler needs."""

    am: Alertmanager
    settings: Settings
    cluster: ClusterView
    started_ms: int
    reload: Callable[[], Awaitable[str]]
    guard: Guard
    databases: Sequence[Any] = ()
    alerts_received: Counter[str] = field(default_factory=Counter)
    alerts_invalid: int = 0
    requests: dict[tuple[str, str, int], Histogram] = field(default_factory=dict)
    answers: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    in_flight: int = 0
    over_limit: int = 0
    reload_ok: bool = True
    reload_s: float = 0.0
    config_hash: float = 0.0
    maintenance: Counter[str] = field(default_factory=Counter)
    changes: SilenceChanges = field(init=False)

    def __post_init__(self) -> None:
        self.changes = SilenceChanges(self.am.silences)

    def received(self, alerts: Sequence[Alert], invalid: int, now_ms: int) -> None:
        """Count a request's alerts."""
        resolved = sum(alert.resolved_at(now_ms) for alert in alerts)
        self.alerts_received["resolved"] += resolved
        self.alerts_received["firing"] += len(alerts) - resolved
        self.alerts_invalid += invalid

    def request_done(
        self, handler: str, method: str, status: int, took_s: float, size_bytes: int
    ) -> None:
        """Count a request."""
        verb = method.lower()
        times = self.requests.get((handler, verb, status))
        if times is None:
            times = self.requests[handler, verb, status] = Histogram()
        times.observe(took_s)
        sizes = self.answers.get((handler, verb))
        if sizes is None:
            sizes = self.answers[handler, verb] = Histogram(BYTES)
        sizes.observe(size_bytes)

    def version_info(self) -> dict[str, str]:
        """What this is."""
        return {
            "version": COMPATIBLE_VERSION,
            "revision": f"promlab {__version__}",
            "branch": "promlab",
            "buildUser": "",
            "buildDate": "",
            "goVersion": f"python {platform.python_version()}",
        }
