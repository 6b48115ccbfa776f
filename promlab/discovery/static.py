"""Targets that stand in the configuration itself."""

from __future__ import annotations

from collections.abc import Sequence

from promlab.config.discovery_sections import StaticConfig
from promlab.discovery.base import Publish, TargetGroup


class StaticDiscovery:
    """Publishes the groups of `static_configs` once."""

    def __init__(self, configs: Sequence[StaticConfig]) -> None:
        self.groups = [
            TargetGroup.of(str(i), config.targets, config.labels)
            for i, config in enumerate(configs)
        ]

    async def run(self, publish: Publish) -> None:
        """Publish them, and that is all."""
        publish(self.groups)
