"""Resources that a PQL query finds in PuppetDB."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from promlab.config.mechanisms.registries import PuppetDB
from promlab.discovery.answers import Answer
from promlab.discovery.base import TargetGroup, label_name, listed
from promlab.discovery.simple import Simple, target

MAX_DEPTH = 20


class PuppetDbDiscovery(Simple[PuppetDB]):
    """Asks one query."""

    mechanism = "puppetdb"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all resources."""
        url = self.config.url.rstrip("/") + "/pdb/query/v4"
        body = msgspec.json.encode({"query": self.config.query})
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        found = await self.asker.json(url, method="POST", body=body, headers=headers)
        return [TargetGroup(url, tuple(self._target(item) for item in found.items()))]

    def _target(self, item: Answer) -> dict[str, str]:
        names = ("certname", "resource", "type", "title", "file", "environment")
        values = {name: item.text(name) for name in names}
        tags = item.texts("tags")
        values |= {
            "query": self.config.query,
            "exported": "true" if item.flag("exported") else "false",
            "tags": listed(tags) if tags else "",
        }
        if self.config.include_parameters:
            values |= {f"parameter_{k}": v for k, v in _parameters(item.at("parameters")).items()}
        return target("puppetdb", item.text("certname"), self.config.port, values)


def _parameters(item: Answer, depth: int = 0) -> dict[str, str]:
    """Parameters as labels; those inside others have names of several parts."""
    found: dict[str, str] = {}
    for key, value in item.entries():
        name = label_name(key)
        if isinstance(value.value, dict):
            if depth < MAX_DEPTH:
                inner = _parameters(value, depth + 1)
                found |= {f"{name}_{k}": v for k, v in inner.items()}
        elif isinstance(value.value, list):
            plain = [each for each in value.items() if not isinstance(each.value, dict | list)]
            if plain:
                found[name] = ",".join(each.shown() for each in plain)
        elif value:
            found[name] = value.shown()
    return found
