"""Instances of Google Compute Engine. Credentials are the application default ones, as found by
google-auth (the extra `google`): a key file, the metadata server, a workload's identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from promlab.config.mechanisms.clouds import Gce
from promlab.discovery.answers import Answer
from promlab.discovery.base import Surroundings, TargetGroup, label_name, listed
from promlab.discovery.login import Login
from promlab.discovery.simple import MAX_PAGES, Simple, target
from promlab.errors import DiscoveryError
from promlab.transport.google_tokens import GoogleTokens

SCOPE = "https://www.googleapis.com/auth/compute.readonly"
API = "https://compute.googleapis.com/compute/v1"


class GceDiscovery(Simple[Gce]):
    """Asks for the instances of one zone of a project."""

    mechanism = "gce"

    def __init__(self, config: Gce, around: Surroundings) -> None:
        super().__init__(config, around)
        refusals = tuple(range(300, 600))
        self._login = Login(self.asker, partial(GoogleTokens, SCOPE), refusals)

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all instances that are in a network."""
        config = self.config
        token = await self._login.token()
        place = f"projects/{quote(config.project, safe=':')}/zones/{quote(config.zone, safe='')}"
        url = f"{API}/{place}/instances"
        targets: list[dict[str, str]] = []
        params = {"filter": config.filter} if config.filter else {}
        for _ in range(MAX_PAGES):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await self.asker.json(url, params=params, headers=headers)
            if not answer.text("kind").endswith("instanceList"):
                raise DiscoveryError("unexpected answer: $.kind: expected a list of instances")
            targets += [
                self._target(each)
                for each in answer.items("items")
                if each.items("networkInterfaces")
            ]
            if not answer.text("nextPageToken"):
                return [TargetGroup(f"GCE_{config.project}_{config.zone}", tuple(targets))]
            params = {**params, "pageToken": answer.text("nextPageToken")}
        raise DiscoveryError(f"the list of instances has more than {MAX_PAGES} pages")

    def _target(self, instance: Answer) -> dict[str, str]:
        interfaces = instance.items("networkInterfaces")
        first = interfaces[0]
        private = first.text("networkIP")
        values = {
            "project": self.config.project,
            "zone": instance.text("zone"),
            "instance_id": instance.shown("id"),
            "instance_name": instance.text("name"),
            "instance_status": instance.text("status"),
            "machine_type": instance.text("machineType"),
            "network": first.text("network"),
            "subnetwork": first.text("subnetwork"),
            "private_ip": private,
        }
        for each in interfaces:
            values[f"interface_ipv4_{label_name(each.text('name'))}"] = each.text("networkIP")
        if tags := instance.texts("tags", "items"):
            values["tags"] = listed(tags, self.config.tag_separator)
        for item in instance.items("metadata", "items"):
            if item.value_at("value") is not None:
                values[f"metadata_{label_name(item.text('key'))}"] = item.text("value")
        for key, value in instance.labels("labels").items():
            values[f"label_{label_name(key)}"] = value
        access = first.items("accessConfigs")
        if access and access[0].text("type") == "ONE_TO_ONE_NAT":
            values["public_ip"] = access[0].text("natIP")
        return target("gce", private, self.config.port, values)
