"""Runs the discovery of a configuration's first job, as a pool does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from promlab.config import load_text
from promlab.discovery import Discovery, DiscoveryStats, Providers, TargetGroup
from tests.patience import PATIENCE_S

Labels = dict[str, str]


def label_sets(groups: Sequence[TargetGroup]) -> list[Labels]:
    """Labels of all targets, without empty ones, in order."""
    found = [labels for group in groups for labels in group.label_sets()]
    shown = [{name: value for name, value in labels.items() if value} for labels in found]
    return sorted(shown, key=lambda labels: sorted(labels.items()))


class Watched:
    """Updates of a discovery that runs, one by one."""

    def __init__(self, stats: DiscoveryStats) -> None:
        self.stats = stats
        self.updates: asyncio.Queue[list[Labels]] = asyncio.Queue()

    async def next(self, timeout_s: float = PATIENCE_S) -> list[Labels]:
        """The labels of all targets after the next update."""
        return await asyncio.wait_for(self.updates.get(), timeout_s)

    async def until(self, addresses: list[str], timeout_s: float = PATIENCE_S) -> list[Labels]:
        """The next update that has just these addresses."""
        async with asyncio.timeout(timeout_s):
            while True:
                found = await self.updates.get()
                if sorted(labels["__address__"] for labels in found) == sorted(addresses):
                    return found

    async def failed(self, mechanism: str, *, more_than: int = 0) -> None:
        """Wait until more refreshes of this mechanism than so many have failed."""
        async with asyncio.timeout(PATIENCE_S):
            while self.stats.refresh_failures[mechanism, "a"] <= more_than:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def discovering(sections: str) -> AsyncIterator[Watched]:
    """Runs what these YAML sections of a scrape config say."""
    indented = sections.replace("\n", "\n  ")
    job = load_text(f"scrape_configs:\n- job_name: a\n  {indented}").jobs[0]
    watched = Watched(DiscoveryStats())
    providers = Providers(watched.stats)

    def update(groups: Sequence[TargetGroup]) -> None:
        watched.updates.put_nowait(label_sets(groups))

    found = providers.of(job.discovery, "a")
    discovery = Discovery(found, update, watched.stats, throttle_s=0.0, patience_s=PATIENCE_S)
    discovery.start()
    try:
        yield watched
    finally:
        await discovery.stop()
        await providers.sweep()


async def discovered(sections: str) -> list[Labels]:
    """What the first update of these sections says."""
    async with discovering(sections) as watched:
        return await watched.next()
