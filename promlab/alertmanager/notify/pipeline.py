"""What a flush of a group goes through: held back by the rules, then sent to each integration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.clock import Clock
from promlab.alertmanager.config.intervals import TimeIntervals
from promlab.alertmanager.counters import Counters
from promlab.alertmanager.inhibit import Inhibitor
from promlab.alertmanager.notify.integration import IntegrationRunner
from promlab.alertmanager.notify.notice import Group
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.alertmanager.routing import RouteOptions
from promlab.alertmanager.silences import Silences

logger = logging.getLogger(__name__)


class Settling(Protocol):
    """A cluster that finds itself first."""

    async def settled(self) -> None:
        """Return when it has, or when that has taken too long."""


@dataclass(slots=True)
class Pipeline:
    """The stages of one configuration."""

    receivers: Mapping[str, Sequence[IntegrationRunner]]
    inhibitor: Inhibitor
    silences: Silences
    intervals: TimeIntervals
    clock: Clock
    counters: Counters
    cluster: Settling

    def muted_by(self, options: RouteOptions, now_ms: int) -> list[str]:
        """Names of time intervals that keep a route quiet now."""
        muted = self.intervals.active(options.mute, now_ms)
        if options.active and not self.intervals.active(options.active, now_ms):
            muted += [name for name in options.active if name not in muted]
        return muted

    async def notify(
        self, group: Group, group_id: str, options: RouteOptions, alerts: Sequence[Alert]
    ) -> bool:
        """Send what a group holds to its receiver; whether all of it arrived that was due."""
        await self.cluster.settled()
        left = self._not_inhibited(alerts, group.now_ms)
        if left and self._out_of_hours(options, group.now_ms, len(left)):
            return True
        left = self._not_silenced(left)
        if not left:
            return True
        runners = self.receivers.get(group.receiver, ())
        if len(runners) == 1:
            problems = [await self._deliver(runners[0], group, group_id, left)]
        else:
            problems = await asyncio.gather(
                *(self._deliver(runner, group, group_id, left) for runner in runners)
            )
        return not any(problems)

    async def _deliver(
        self, runner: IntegrationRunner, group: Group, group_id: str, alerts: Sequence[Alert]
    ) -> str:
        try:
            await runner.deliver(group, group_id, alerts)
        except NotifyError as error:
            facts = {"group": group.key, "num_alerts": len(alerts), "err": str(error)}
            logger.error("Notify for alerts failed", extra={"facts": facts})
            return str(error)
        return ""

    def _not_inhibited(self, alerts: Sequence[Alert], now_ms: int) -> list[Alert]:
        if not len(self.inhibitor):
            return list(alerts)
        left = [a for a in alerts if not self.inhibitor.inhibited_by(a.labels, now_ms)]
        self._suppressed("inhibition", len(alerts) - len(left))
        return left

    def _not_silenced(self, alerts: Sequence[Alert]) -> list[Alert]:
        left = [a for a in alerts if not self.silences.muting(a.fingerprint, a.labels)]
        self._suppressed("silence", len(alerts) - len(left))
        return left

    def _out_of_hours(self, options: RouteOptions, now_ms: int, count: int) -> bool:
        if options.active and not self.intervals.active(options.active, now_ms):
            self._suppressed("active_time_interval", count)
            return True
        if options.mute and self.intervals.active(options.mute, now_ms):
            self._suppressed("mute_time_interval", count)
            return True
        return False

    def _suppressed(self, why: str, count: int) -> None:
        if count:
            self.counters.suppressed[why] += count

    async def close(self) -> None:
        """Close the connections of all receivers."""
        for runners in self.receivers.values():
            for runner in runners:
                await runner.close()
