"""All mechanisms of one job, together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from promlab.discovery.base import DiscoveryStats, TargetGroup
from promlab.discovery.providers import Provider

THROTTLE_S = 5.0
Update = Callable[[Sequence[TargetGroup]], None]


class Discovery:
    """Calls `update` with every group that the providers of a job have now.

    The first results come at once: when each provider has spoken, or after `patience_s` seconds
    if one is slow. After that `update` is called at most every `throttle_s` seconds, however
    often something changes.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        update: Update,
        stats: DiscoveryStats,
        *,
        throttle_s: float = THROTTLE_S,
        patience_s: float = THROTTLE_S,
    ) -> None:
        self._providers, self._update, self._stats = providers, update, stats
        self._throttle_s, self._patience_s = throttle_s, patience_s
        self._timer: asyncio.Handle | None = None
        self._next_s = 0.0
        self._patience: asyncio.Handle | None = None
        self._waits = True
        self._stopped = False

    def start(self) -> None:
        """Listen to every provider, on the running event loop."""
        for provider in self._providers:
            provider.listen(self._changed)
        if all(provider.has_spoken for provider in self._providers):
            self._flush()
        else:
            self._patience = asyncio.get_running_loop().call_later(self._patience_s, self._begin)

    async def stop(self) -> None:
        """Listen no more; `update` is not called any more."""
        self._stopped = True
        for handle in (self._timer, self._patience):
            if handle is not None:
                handle.cancel()
        for provider in self._providers:
            provider.leave(self._changed)
            if provider.section is None:  # Not shared: nobody else would stop it.
                await provider.stop()

    def _begin(self) -> None:
        """Wait no longer for those that have not spoken yet."""
        if self._waits:
            self._waits = False
            self._changed()

    def _changed(self) -> None:
        # Until each mechanism has spoken once, targets could be missing: wait for all.
        if self._waits and not all(provider.has_spoken for provider in self._providers):
            return
        self._waits = False
        if self._timer is None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._stats.delayed += self._next_s > loop.time()
            self._timer = loop.call_at(max(self._next_s, loop.time()), self._flush)

    def _flush(self) -> None:
        self._timer, self._waits = None, False
        self._next_s = asyncio.get_running_loop().time() + self._throttle_s
        self._stats.updates += 1
        self._update([group for each in self._providers for group in each.groups.values()])
