"""Running the mechanisms of one job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from promlab.config.discovery_sections import DiscoverySections
from promlab.discovery.base import Discoverer, DiscoveryStats, TargetGroup
from promlab.discovery.file import FileDiscovery
from promlab.discovery.static import StaticDiscovery

log = logging.getLogger(__name__)

THROTTLE_S = 5.0
Update = Callable[[Sequence[TargetGroup]], None]


def discoverers(sections: DiscoverySections, stats: DiscoveryStats) -> list[Discoverer]:
    """One object for each configured mechanism."""
    found: list[Discoverer] = []
    if sections.static_configs:
        found.append(StaticDiscovery(sections.static_configs))
    found += [FileDiscovery(config, stats) for config in sections.file_sd_configs]
    return found


class Discovery:
    """All mechanisms of a job: calls `update` with every group that there is now.

    The first results come at once; after that `update` is called at most every
    `throttle_s` seconds, however often something changes.
    """

    def __init__(
        self,
        mechanisms: Sequence[Discoverer],
        update: Update,
        stats: DiscoveryStats,
        *,
        throttle_s: float = THROTTLE_S,
    ) -> None:
        self._mechanisms, self._update, self._stats = mechanisms, update, stats
        self._throttle_s = throttle_s
        self._groups: dict[tuple[int, str], TargetGroup] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._timer: asyncio.Handle | None = None
        self._next_s = 0.0
        self._waiting = set(range(len(mechanisms)))

    def start(self) -> None:
        """Start every mechanism on the running event loop."""
        if not self._mechanisms:
            self._update([])
        for i, mechanism in enumerate(self._mechanisms):
            self._tasks.append(asyncio.create_task(self._run(i, mechanism)))

    async def stop(self) -> None:
        """Stop them; `update` is not called any more."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, i: int, mechanism: Discoverer) -> None:
        def publish(groups: Sequence[TargetGroup]) -> None:
            for group in groups:
                if group.targets:
                    self._groups[i, group.source] = group
                else:
                    self._groups.pop((i, group.source), None)
            self._waiting.discard(i)
            self._changed()

        try:
            await mechanism.run(publish)
        except Exception:
            self._stats.refresh_failures += 1
            log.exception("service discovery has ended: %s", type(mechanism).__name__)
            self._waiting.discard(i)
            self._changed()

    def _changed(self) -> None:
        # Until each mechanism has spoken once, targets could be missing: wait for all.
        if self._timer is None and not self._waiting:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._next_s, loop.time()), self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._next_s = asyncio.get_running_loop().time() + self._throttle_s
        self._stats.updates += 1
        self._update(list(self._groups.values()))
