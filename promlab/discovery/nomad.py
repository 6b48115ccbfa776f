"""Services that are registered in Nomad itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

from promlab.config.mechanisms.registries import Nomad
from promlab.discovery.answers import Answer
from promlab.discovery.base import TargetGroup, listed
from promlab.discovery.simple import Simple, target

_AT_ONCE = 10


class NomadDiscovery(Simple[Nomad]):
    """Asks for all services of a namespace and region."""

    mechanism = "nomad"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all services."""
        names = [
            service.text("ServiceName")
            for namespace in (await self._ask("/v1/services")).items()
            for service in namespace.items("Services")
        ]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def instances(name: str) -> list[Answer]:
            async with gate:
                return (await self._ask(f"/v1/service/{quote(name, safe='')}")).items()

        found = await asyncio.gather(*map(instances, dict.fromkeys(names)))
        targets = tuple(self._target(each) for service in found for each in service)
        return [TargetGroup("Nomad", targets)]

    async def _ask(self, path: str) -> Answer:
        config = self.config
        params = {"namespace": config.namespace, "region": config.region}
        if config.allow_stale:
            params["stale"] = "true"
        return await self.asker.json(config.server.rstrip("/") + path, params=params)

    def _target(self, instance: Answer) -> dict[str, str]:
        address, port = instance.text("Address"), instance.whole("Port")
        tags = instance.texts("Tags")
        values = {
            "address": address,
            "dc": instance.text("Datacenter"),
            "node_id": instance.text("NodeID"),
            "namespace": instance.text("Namespace"),
            "service": instance.text("ServiceName"),
            "service_address": address,
            "service_id": instance.text("ID"),
            "service_port": str(port),
            "tags": listed(tags, self.config.tag_separator) if tags else "",
        }
        return target("nomad", address, port, values)
