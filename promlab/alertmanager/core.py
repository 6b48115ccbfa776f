"""The Alertmanager without its server: everything between alerts that come in and notifiers.

    am = Alertmanager(silences=..., log=..., clock=...)
    am.apply(config)
    am.put(alerts)

`apply` may be called again with another configuration: groups and timers begin anew, alerts,
silences and the notification log stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.clock import Clock
from promlab.alertmanager.config import Config
from promlab.alertmanager.config.receiver import KINDS
from promlab.alertmanager.counters import Counters
from promlab.alertmanager.dispatch import Dispatcher
from promlab.alertmanager.inhibit import Inhibitor
from promlab.alertmanager.nflog import NotificationLog
from promlab.alertmanager.notify.integration import IntegrationRunner, Surroundings
from promlab.alertmanager.notify.pipeline import Pipeline
from promlab.alertmanager.notify.templates import Templates
from promlab.alertmanager.provider import Alerts
from promlab.alertmanager.receivers.client import Client, SessionClient
from promlab.alertmanager.routing import Route, tree
from promlab.alertmanager.silences import Silences
from promlab.config.http_client import HttpClientConfig

MakeClient = Callable[[HttpClientConfig], Client]


class Peers(Protocol):
    """The cluster, as far as notifying goes."""

    async def settled(self) -> None:
        """Return when the peers have found each other, or that took too long."""

    async def wait(self) -> None:
        """Return when it is this peer's turn."""

    def wait_s(self) -> float:
        """How long that takes."""


class Alone:
    """No peers: nothing to wait for."""

    async def settled(self) -> None:
        """At once."""

    async def wait(self) -> None:
        """At once."""

    def wait_s(self) -> float:
        """No time."""
        return 0.0


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """What is true of an alert now."""

    state: str
    silenced_by: list[str]
    inhibited_by: list[str]


@dataclass(slots=True)
class _Running:
    """What belongs to one configuration."""

    config: Config
    root: Route
    pipeline: Pipeline
    dispatcher: Dispatcher


class Alertmanager:
    """Alerts, silences, the log, and what the current configuration makes of them."""

    def __init__(
        self,
        *,
        silences: Silences,
        log: NotificationLog,
        clock: Clock,
        external_url: str = "",
        peers: Peers | None = None,
        make_client: MakeClient = SessionClient,
        per_alertname_limit: int = 0,
        start_delay_s: float = 0.0,
        show_receivers: bool = False,
    ) -> None:
        self.silences, self.log, self.clock = silences, log, clock
        self.external_url = external_url
        self.alerts = Alerts(per_alertname_limit)
        self.counters = Counters()
        if not show_receivers:
            self.counters.create(KINDS)
        self._peers = peers or Alone()
        self._make_client, self._show_receivers = make_client, show_receivers
        self._start_delay_s = start_delay_s
        self._running: _Running | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> _Running:
        """What belongs to the current configuration; there is one after `apply`."""
        assert self._running is not None
        return self._running

    @property
    def config(self) -> Config:
        """The current configuration."""
        return self.running.config

    def apply(self, config: Config) -> None:
        """Work by this configuration from now on. Raises ConfigError for a bad template."""
        templates = Templates(config.templates, self._now_ns)
        root = tree(config.root)
        pipeline = Pipeline(
            self._receivers(config, root, templates),
            Inhibitor(config.inhibit_rules),
            self.silences,
            config.intervals,
            self.clock,
            self.counters,
            self._peers,
        )
        old, self._running = self._running, None
        if old is not None:
            self._later(old)
        # Sources are known before anything is dispatched, or what they mute would go out.
        now_ms = self.clock.now_ms()
        known = sorted(self.alerts, key=lambda alert: alert.fingerprint)
        pipeline.inhibitor.note(alert for alert in known if not alert.resolved_at(now_ms))
        dispatcher = Dispatcher(
            root,
            pipeline,
            self.clock,
            self.counters,
            start_delay_s=self._start_delay_s,
            cluster_wait_s=self._peers.wait_s,
        )
        self._running = _Running(config, root, pipeline, dispatcher)
        dispatcher.put(known)

    def _now_ns(self) -> int:
        return self.clock.now_ms() * 1_000_000

    def _later(self, old: _Running) -> None:
        async def close() -> None:
            await old.dispatcher.stop()
            await old.pipeline.close()

        old.dispatcher.stopped = True
        for group in old.dispatcher.groups():
            group.stop()
        task = asyncio.get_running_loop().create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _receivers(
        self, config: Config, root: Route, templates: Templates
    ) -> dict[str, list[IntegrationRunner]]:
        """Integrations of the receivers that routes name."""
        around = Surroundings(
            self.log, templates, self.clock, self.counters, self.external_url, self._peers
        )
        used = {route.options.receiver for route in root.walk()}
        found: dict[str, list[IntegrationRunner]] = {}
        for receiver in config.receivers:
            if receiver.name not in used:
                continue
            runners = found[receiver.name] = []
            for kind, index, section in receiver.integrations():
                client = self._make_client(section.http_config or HttpClientConfig())
                runners.append(
                    IntegrationRunner(
                        kind,
                        index,
                        receiver.name,
                        section.notifier(client),
                        send_resolved=section.send_resolved,
                        timeout_s=section.timeout_limit_s,
                        around=around,
                        show_receiver=self._show_receivers,
                    )
                )
        return found

    def put(self, alerts: Iterable[Alert]) -> None:
        """Take reports of alerts."""
        stored = self.alerts.put(alerts)
        self.counters.handed_over += len(stored)
        running = self.running
        running.pipeline.inhibitor.note(stored)
        running.dispatcher.put(stored)

    def status(self, alert: Alert) -> AlertStatus:
        """What is true of an alert now."""
        silenced = self.silences.muting(alert.fingerprint, alert.labels)
        inhibitor = self.running.pipeline.inhibitor
        inhibited = inhibitor.inhibited_by(alert.labels, self.clock.now_ms())
        state = "suppressed" if silenced or inhibited else "active"
        return AlertStatus(state, silenced, inhibited)

    def collect_alerts(self) -> None:
        """Forget what has ended."""
        now_ms = self.clock.now_ms()
        self.alerts.collect(now_ms)
        self.running.pipeline.inhibitor.collect(now_ms)

    async def close(self) -> None:
        """End; what is being sent is cut off."""
        if self._running is not None:
            self._later(self._running)
        for task in list(self._closing):
            await task
