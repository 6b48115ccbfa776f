"""Target groups from a server: JSON, as files have them.

Only an answer of status 200 counts that is a JSON list of groups; everything else keeps the
targets that there are. The server is told how often it is asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from promlab.config.kinds import show_url
from promlab.config.mechanisms.plain import Http
from promlab.discovery.base import META, Surroundings, TargetGroup
from promlab.discovery.file import decode_groups
from promlab.discovery.refresh import Refreshing
from promlab.errors import ConfigError, DiscoveryError

_JSON = re.compile(r'application/json(;\s*charset=("utf-8"|utf-8))?', re.IGNORECASE)
INTERVAL_HEADER = "X-Prometheus-Refresh-Interval-Seconds"


class HttpDiscovery(Refreshing):
    """Asks one URL."""

    mechanism = "http"

    def __init__(self, config: Http, around: Surroundings) -> None:
        super().__init__(around, config.refresh_interval_ms / 1000)
        self.config = config
        self._asker = around.asker(config.http, timeout_s=max(1.0, self.interval_s))

    async def refresh(self) -> Sequence[TargetGroup]:
        """The groups that the server names now."""
        headers = {
            "Accept": "application/json",
            INTERVAL_HEADER: f"{self.config.refresh_interval_ms / 1000:g}",
        }
        try:
            return await self._ask(headers)
        except DiscoveryError:
            self.around.stats.count("prometheus_sd_http_failures_total")
            raise

    async def _ask(self, headers: dict[str, str]) -> list[TargetGroup]:
        url = self.config.url
        reply = await self._asker.ask(url, headers=headers)
        if reply.status != 200:
            raise DiscoveryError(f"server returned HTTP status {reply.status}")
        content_type = reply.headers.get("Content-Type", "").strip()
        if _JSON.fullmatch(content_type) is None:
            raise DiscoveryError(f"unsupported content type {content_type[:60]!r}")
        try:
            groups = await asyncio.to_thread(decode_groups, reply.body)
        except ConfigError as error:
            raise DiscoveryError(error.message) from None
        shown = show_url(url)
        return [
            TargetGroup.of(f"{shown}:{i}", targets, {**labels, f"{META}url": shown})
            for i, (targets, labels) in enumerate(groups)
        ]

    async def close(self) -> None:
        """Close all connections."""
        await self._asker.close()
