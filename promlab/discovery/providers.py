"""Mechanisms at work, shared by all jobs that have the same section.

A provider lives as long as some job listens to it. A job that is set up anew, with the same
section, takes over the provider with everything that it has found: nothing is asked again, and
nothing is missing meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from promlab.config.discovery_sections import DiscoverySections, FileSDConfig
from promlab.config.mechanisms.base import Mechanism
from promlab.discovery import registry
from promlab.discovery.base import (
    Discoverer,
    DiscoveryStats,
    Surroundings,
    TargetGroup,
)
from promlab.discovery.file import FileDiscovery
from promlab.discovery.static import StaticDiscovery

log = logging.getLogger(__name__)

Listener = Callable[[], None]


class Provider:
    """One mechanism at work: the groups that it has published, and who is told of changes."""

    def __init__(
        self, mechanism: Discoverer, name: str, config: str, stats: DiscoveryStats
    ) -> None:
        self.groups: dict[str, TargetGroup] = {}
        self.has_spoken = False
        self.section: object = None
        self._mechanism, self._name, self._config, self._stats = mechanism, name, config, stats
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody listens."""
        return not self._listeners

    def listen(self, listener: Listener) -> None:
        """Call this whenever groups change; the first to listen starts the mechanism."""
        self._listeners.append(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"{self._name} discovery")

    def leave(self, listener: Listener) -> None:
        """Do not call it any more."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    async def stop(self) -> None:
        """Stop the mechanism."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._mechanism.run(self._publish)
        except Exception:
            self._stats.refresh_failures[self._name, self._config] += 1
            log.exception("%s discovery of job %r has ended", self._name, self._config)
            self._publish([])

    def _publish(self, groups: Sequence[TargetGroup]) -> None:
        changed = not self.has_spoken
        for group in groups:
            before = self.groups.get(group.source)
            if group.targets:
                self.groups[group.source] = group
            elif before is not None:
                del self.groups[group.source]
            changed |= before != group if group.targets else before is not None
        self.has_spoken = True
        self._stats.received += 1
        if changed:
            for listener in list(self._listeners):
                listener()


class Providers:
    """All providers of a process."""

    def __init__(self, stats: DiscoveryStats, version: str = "dev") -> None:
        self.stats = stats
        self._version = version
        self._shared: list[Provider] = []

    def of(self, sections: DiscoverySections, config: str = "") -> list[Provider]:
        """Providers of all sections of a job. Raises ConfigError for what can't be set up.

        `config` is the name of the job, under which its refreshes are counted.
        """
        found = []
        if sections.static_configs:
            static = StaticDiscovery(sections.static_configs)
            found.append(Provider(static, "static", config, self.stats))
        found += [self._of(section, config) for section in sections.file_sd_configs]
        found += [self._of(section, config) for section in sections.mechanisms]
        return found

    def _of(self, section: FileSDConfig | Mechanism, config: str) -> Provider:
        for provider in self._shared:
            if type(provider.section) is type(section) and provider.section == section:
                return provider
        around = Surroundings(self.stats, config, self._version)
        made: Discoverer
        if isinstance(section, FileSDConfig):
            name, made = "file", FileDiscovery(section, around)
        else:
            name, made = section.mechanism, registry.discoverer(section, around)
        provider = Provider(made, name, config, self.stats)
        provider.section = section
        self._shared.append(provider)
        return provider

    async def sweep(self) -> None:
        """Stop all that nobody listens to."""
        idle = [provider for provider in self._shared if provider.idle]
        self._shared = [provider for provider in self._shared if not provider.idle]
        await asyncio.gather(*(provider.stop() for provider in idle))
