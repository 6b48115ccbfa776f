"""Virtual machines of Azure, those of scale sets included."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from promlab.config.mechanisms.clouds import Azure
from promlab.discovery.answers import Answer
from promlab.discovery.asking import same_server
from promlab.discovery.azure_tokens import cloud_of, login
from promlab.discovery.base import Surroundings, TargetGroup, label_name
from promlab.discovery.simple import MAX_PAGES, Simple, target
from promlab.errors import ConfigError, DiscoveryError

Labels = dict[str, str]
_COMPUTE, _NETWORK, _SET_NETWORK = "2024-07-01", "2024-05-01", "2018-10-01"
_EXPAND = "IPConfigurations/PublicIPAddress"
# How many network interfaces are asked for at the same time.
_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, and the scale set that it is in."""

    answer: Answer
    scale_set: str = ""

    @property
    def interfaces(self) -> list[str]:
        """Identifiers of its network interfaces."""
        found = self.answer.items("properties", "networkProfile", "networkInterfaces")
        return [each.text("id") for each in found]


class AzureDiscovery(Simple[Azure]):
    """Asks for machines and scale sets, then for the addresses of each machine."""

    mechanism = "azure"

    def __init__(self, config: Azure, around: Surroundings) -> None:
        super().__init__(config, around)
        try:
            self._base = cloud_of(config.environment).manager
        except DiscoveryError as error:
            raise ConfigError(str(error)) from None
        self._tokens = login(config, self.asker)
        self._gate = asyncio.Semaphore(_AT_ONCE)
        # Interfaces change rarely, and the API counts questions: each is kept for a while.
        self._known: dict[str, tuple[float, Answer]] = {}

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all machines that run."""
        try:
            targets = await self._targets()
        except DiscoveryError:
            self.around.stats.count("prometheus_sd_azure_failures_total")
            self._tokens.source.forget()
            raise
        return [TargetGroup("azure", tuple(targets))]

    async def _targets(self) -> list[Labels]:
        group = self.config.resource_group
        scope = f"/subscriptions/{quote(self.config.subscription_id, safe='')}"
        if group:
            scope += f"/resourceGroups/{quote(group, safe='')}"
        compute = f"{scope}/providers/Microsoft.Compute"
        machines = [Machine(each) for each in await self._all(f"{compute}/virtualMachines")]
        for each in await self._all(f"{compute}/virtualMachineScaleSets"):
            name, place = each.text("name"), f"{_group_path(each.text('id'))}/providers"
            path = f"{place}/Microsoft.Compute/virtualMachineScaleSets/{quote(name, safe='')}"
            machines += [
                Machine(machine, name) for machine in await self._all(f"{path}/virtualMachines")
            ]
        self._forget_old()
        found = await asyncio.gather(*(self._of(machine) for machine in machines))
        return [labels for labels in found if labels]

    async def _all(self, path: str) -> list[Answer]:
        url, params = f"{self._base}{path}", {"api-version": _COMPUTE}
        items: list[Answer] = []
        for _ in range(MAX_PAGES):
            answer = await self.asker.json(url, params=params, headers=await self._headers())
            items += answer.needed_items("value")
            if not answer.text("nextLink"):
                return items
            url, params = same_server(url, answer.text("nextLink")), {}
        raise DiscoveryError(f"{path}: the list has more than {MAX_PAGES} pages")

    async def _headers(self) -> Labels:
        return {"Authorization": f"Bearer {await self._tokens.token()}"}

    async def _of(self, machine: Machine) -> Labels:
        """Labels of a machine; none if it has been deallocated or has no interface."""
        for name in machine.interfaces:
            interface = await self._interface(name, machine)
            if not interface:
                return {}
            properties = interface.at("properties")
            if not properties:
                continue
            # Interfaces of machines that have been deallocated do not say this.
            if properties.value_at("primary") is None:
                return {}
            if properties.flag("primary"):
                return self._labels(machine, properties)
        return {}

    def _labels(self, machine: Machine, interface: Answer) -> Labels:
        answer, properties = machine.answer, machine.answer.at("properties")
        values = {
            "subscription_id": self.config.subscription_id,
            "tenant_id": self.config.tenant_id,
            "machine_id": answer.text("id"),
            "machine_name": answer.text("name"),
            "machine_computer_name": properties.text("osProfile", "computerName"),
            "machine_os_type": properties.text("storageProfile", "osDisk", "osType"),
            "machine_location": answer.text("location"),
            "machine_resource_group": _parts(answer.text("id")).get("resourcegroups", ""),
            "machine_size": properties.text("hardwareProfile", "vmSize"),
        }
        if machine.scale_set:
            values["machine_scale_set"] = machine.scale_set
        for key, value in answer.labels("tags").items():
            values[f"machine_tag_{label_name(key)}"] = value
        for each in interface.items("ipConfigurations"):
            own = each.at("properties")
            public = own.text("publicIPAddress", "properties", "ipAddress")
            private = own.text("privateIPAddress")
            if public:
                values["machine_public_ip"] = public
            if private:
                values["machine_private_ip"] = private
                return target("azure", private, self.config.port, values)
        raise DiscoveryError(f"machine {answer.text('name')} has no private address")

    async def _interface(self, name: str, machine: Machine) -> Answer:
        kept = self._known.get(name)
        if kept is not None and kept[0] > time.monotonic():
            self.around.stats.count("prometheus_sd_azure_cache_hit_total")
            return kept[1]
        url, version = self._place(name, machine)
        params = {"api-version": version, "$expand": _EXPAND}
        async with self._gate:
            headers = await self._headers()
            reply = await self.asker.ask(url, params=params, headers=headers, accepted=(404,))
        if reply.status == 404:
            return Answer(None)
        answer = Answer.parse(reply.body, url)
        answer.text("name")
        until_s = time.monotonic() + self.interval_s * random.uniform(10, 13)  # noqa: S311
        self._known[name] = (until_s, answer)
        return answer

    def _place(self, name: str, machine: Machine) -> tuple[str, str]:
        group, last = _group_path(name), quote(name.rpartition("/")[2], safe="")
        if not machine.scale_set:
            provider = "Microsoft.Network"
            return f"{self._base}{group}/providers/{provider}/networkInterfaces/{last}", _NETWORK
        number = quote(machine.answer.text("instanceId"), safe="")
        owner = quote(machine.scale_set, safe="")
        sets = f"{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{owner}"
        path = f"{sets}/virtualMachines/{number}/networkInterfaces/{last}"
        return f"{self._base}{path}", _SET_NETWORK

    def _forget_old(self) -> None:
        now_s = time.monotonic()
        self._known = {name: kept for name, kept in self._known.items() if kept[0] > now_s}


def _parts(identifier: str) -> Labels:
    """Kinds and names in an identifier: /subscriptions/S/resourceGroups/G/…"""
    words = identifier.strip("/").split("/")
    return {kind.lower(): name for kind, name in zip(words[::2], words[1::2], strict=False)}


def _group_path(identifier: str) -> str:
    parts = _parts(identifier)
    group, subscription = parts.get("resourcegroups"), parts.get("subscriptions")
    if not group or not subscription:
        raise DiscoveryError(f"unexpected answer: {identifier[:120]!r} is not an identifier")
    return f"/subscriptions/{quote(subscription, safe='')}/resourceGroups/{quote(group, safe='')}"
