"""All endpoints of remote write: a reload adds, keeps and removes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from promlab.config.config import Config
from promlab.config.remote import RemoteWriteConfig
from promlab.model.storage import Querier
from promlab.remote.queue import Metadata, Queue


class RemoteWrite:
    """Queues by what they are for; one that did not change goes on undisturbed."""

    def __init__(
        self,
        querier: Querier,
        folder: Path,
        *,
        version: str,
        since_ms: int | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        """`since_ms` is when the server began: the first endpoints get all from then on."""
        self._querier, self._folder, self._version = querier, folder, version
        self._metadata, self._since_ms = metadata, since_ms
        self._queues: dict[str, Queue] = {}

    @property
    def queues(self) -> list[Queue]:
        """All endpoints, in the order of the configuration."""
        return list(self._queues.values())

    @property
    def sent_to_ms(self) -> int:
        """Samples up to this time are needed by no endpoint; all are, where there is none."""
        return min((queue.sent_to_ms for queue in self._queues.values()), default=0)

    async def apply(self, config: Config) -> None:
        """Send what this configuration says from now on. Raises ConfigError, nothing changed."""
        external = config.global_.external_labels
        wanted = {_identity(each): each for each in config.remote_write}
        fresh: dict[str, Queue] = {}
        for key, each in wanted.items():
            old = self._queues.get(key)
            if old is None or (old.config, old.external) != (each, external):
                fresh[key] = self._made(key, each, external)
        for key, queue in list(self._queues.items()):
            if key in fresh or key not in wanted:
                await queue.stop()
        queues = {key: fresh.get(key) or self._queues[key] for key in wanted}
        # Made anew: a queue that was stopped just now has written how far it came.
        for key in fresh:
            if key in self._queues:
                await queues[key].stop()
                queues[key] = self._made(key, wanted[key], external)
            queues[key].start()
        self._queues, self._since_ms = queues, None

    async def stop(self) -> None:
        """Stop all."""
        for queue in self._queues.values():
            await queue.stop()
        self._queues = {}

    def _made(self, key: str, config: RemoteWriteConfig, external: Mapping[str, str]) -> Queue:
        path = self._folder / f"{key}.json"
        return Queue(
            config,
            external,
            self._querier,
            path,
            version=self._version,
            since_ms=self._since_ms,
            metadata=self._metadata,
        )


def _identity(config: RemoteWriteConfig) -> str:
    """What stays of an endpoint when its settings change: its name, or else its address."""
    return hashlib.blake2b((config.name or config.url).encode(), digest_size=12).hexdigest()
