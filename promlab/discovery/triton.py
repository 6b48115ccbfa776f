"""Containers and compute nodes of Triton, as its container monitor lists them."""

from __future__ import annotations

from collections.abc import Sequence

from promlab.config.http_client import HttpClientConfig
from promlab.config.mechanisms.clouds import Triton
from promlab.discovery.base import ADDRESS, META, TargetGroup, host_port, listed
from promlab.discovery.simple import Simple


class TritonDiscovery(Simple[Triton]):
    """Asks with the client certificate of the account."""

    mechanism = "triton"

    def http(self) -> HttpClientConfig:
        """TLS as the section says."""
        return HttpClientConfig(tls_config=self.config.tls_config)

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all containers, or of all compute nodes."""
        config = self.config
        base = f"https://{host_port(config.endpoint, config.port)}/v{config.version}"
        path = "discover" if config.role == "container" else "gz/discover"
        groups = ",".join(config.groups)
        params = {"groups": groups} if groups else None
        answer = await self.asker.json(f"{base}/{path}", params=params)
        if config.role == "container":
            targets = [
                self._target(
                    each.text("vm_uuid"),
                    {
                        "groups": listed(each.texts("groups")) if each.texts("groups") else "",
                        "machine_alias": each.text("vm_alias"),
                        "machine_brand": each.text("vm_brand"),
                        "machine_id": each.text("vm_uuid"),
                        "machine_image": each.text("vm_image_uuid"),
                        "server_id": each.text("server_uuid"),
                    },
                )
                for each in answer.needed_items("containers")
            ]
        else:
            targets = [
                self._target(
                    each.text("server_uuid"),
                    {
                        "machine_alias": each.text("server_hostname"),
                        "machine_id": each.text("server_uuid"),
                    },
                )
                for each in answer.needed_items("cns")
            ]
        return [TargetGroup(f"{base}/{path}", tuple(targets))]

    def _target(self, machine: str, values: dict[str, str]) -> dict[str, str]:
        # The monitor answers for each machine under a name of its own, on its own port.
        address = f"{machine}.{self.config.dns_suffix}:{self.config.port}"
        labels = {f"{META}triton_{name}": value for name, value in values.items()}
        return {ADDRESS: address, **labels}
