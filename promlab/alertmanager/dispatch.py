"""Groups of alerts, one a route and set of group labels, flushed on their own timers.

A new group waits `group_wait` (not at all for what began longer ago), then it is flushed every
`group_interval`. A flush that takes longer than that delays the next; what has ended leaves a
group when its end was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Protocol

from promlab.alertmanager.alerts import Alert, order
from promlab.alertmanager.clock import Clock
from promlab.alertmanager.counters import Counters
from promlab.alertmanager.notify.notice import Group
from promlab.alertmanager.routing import Route, RouteOptions, group_key, label_text

logger = logging.getLogger(__name__)

MIN_DEADLINE_S = 10.0


class Stages(Protocol):
    """What a flush goes to: see `notify.pipeline.Pipeline`."""

    async def notify(
        self, group: Group, group_id: str, options: RouteOptions, alerts: list[Alert]
    ) -> bool:
        """Whether all that was due has arrived."""


class AlertGroup:
    """The alerts of one group."""

    def __init__(self, dispatcher: Dispatcher, route: Route, labels: Mapping[str, str]) -> None:
        self.route, self.labels = route, labels
        self.key = group_key(route, labels)
        self.id = f"{route.id}:{label_text(labels)}"
        self.alerts: dict[int, Alert] = {}
        self._dispatcher = dispatcher
        self._loop = asyncio.get_running_loop()
        self._flushed = False
        self._late = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._schedule(max(route.options.group_wait_ms / 1000, dispatcher.delay_s()))

    def insert(self, alert: Alert) -> None:
        """Take an alert, or its newest report."""
        self.alerts[alert.fingerprint] = alert
        wait_ms = self.route.options.group_wait_ms
        if not self._flushed and alert.starts_ms + wait_ms < self._dispatcher.clock.now_ms():
            self._schedule(self._dispatcher.delay_s())
            self._flushed = True

    def _schedule(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._flushed = True
        self._schedule(self.route.options.group_interval_ms / 1000)
        if self._task is not None:
            self._late = True  # as soon as the one that runs has ended
            return
        self._task = self._dispatcher.spawn(self._flush())
        self._task.add_done_callback(self._done)

    def _done(self, _task: asyncio.Task[None]) -> None:
        self._task = None
        if self._late and not self._dispatcher.stopped:
            self._late = False
            self._task = self._dispatcher.spawn(self._flush())
            self._task.add_done_callback(self._done)

    async def _flush(self) -> None:
        if not self.alerts:
            return
        dispatcher, options = self._dispatcher, self.route.options
        now_ms = dispatcher.clock.now_ms()
        snapshot = sorted(self.alerts.values(), key=order)
        group = Group(self.key, self.labels, options.receiver, options.repeat_interval_ms, now_ms)
        deadline_s = max(options.group_interval_ms / 1000, MIN_DEADLINE_S)
        try:
            async with asyncio.timeout(deadline_s + dispatcher.extra_deadline_s()):
                arrived = await dispatcher.stages.notify(group, self.id, options, snapshot)
        except TimeoutError:
            facts = {"group": self.key, "num_alerts": len(snapshot), "after_s": deadline_s}
            logger.error("Notify for alerts failed: out of time", extra={"facts": facts})
            return
        if arrived:
            for alert in snapshot:
                # What was reported anew meanwhile stays.
                if alert.resolved_at(now_ms) and self.alerts.get(alert.fingerprint) is alert:
                    del self.alerts[alert.fingerprint]

    def stop(self) -> None:
        """No further flush."""
        if self._timer is not None:
            self._timer.cancel()


class Dispatcher:
    """All groups of one configuration."""

    def __init__(
        self,
        root: Route,
        stages: Stages,
        clock: Clock,
        counters: Counters,
        *,
        start_delay_s: float = 0.0,
        cluster_wait_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.root, self.stages, self.clock = root, stages, clock
        self.stopped = False
        self._counters = counters
        self.extra_deadline_s = cluster_wait_s
        self._start = asyncio.get_running_loop().time() + start_delay_s
        self._groups: dict[Route, dict[tuple[tuple[str, str], ...], AlertGroup]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def delay_s(self) -> float:
        """How long nothing is sent yet."""
        return max(0.0, self._start - asyncio.get_running_loop().time())

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that is stopped with the dispatcher."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def put(self, alerts: Iterable[Alert]) -> None:
        """Take alerts into their groups."""
        started = time.perf_counter()
        count = 0
        for alert in alerts:
            count += 1
            for route in self.root.match(alert.labels):
                self._insert(route, alert)
        self._counters.processing_count += count
        self._counters.processing_s += time.perf_counter() - started

    def _insert(self, route: Route, alert: Alert) -> None:
        groups = self._groups.setdefault(route, {})
        labels = route.group_labels(alert.labels)
        key = tuple(sorted(labels.items()))
        group = groups.get(key)
        if group is None:
            # Also for what has ended: before a restart somebody may have been told of it.
            group = groups[key] = AlertGroup(self, route, labels)
        group.insert(alert)

    def groups(self) -> Iterator[AlertGroup]:
        """All groups that hold alerts."""
        for groups in self._groups.values():
            for group in groups.values():
                if group.alerts:
                    yield group

    @property
    def group_count(self) -> int:
        """How many groups there are."""
        return sum(map(len, self._groups.values()))

    def collect(self) -> None:
        """Forget groups that hold nothing."""
        for groups in self._groups.values():
            for key in [k for k, g in groups.items() if not g.alerts]:
                groups.pop(key).stop()

    async def stop(self) -> None:
        """No further flush; those that run are cut off."""
        self.stopped = True
        for groups in self._groups.values():
            for group in groups.values():
                group.stop()
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with contextlib.suppress(asyncio.CancelledError):
                await task
