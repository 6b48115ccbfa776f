"""Virtual and dedicated servers of OVHcloud. Each question is signed with a secret and a clock."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from yarl import URL

from promlab.config.mechanisms.hosters import OvhCloud
from promlab.discovery.answers import Answer
from promlab.discovery.base import ADDRESS, META, Surroundings, TargetGroup
from promlab.discovery.simple import Simple
from promlab.errors import DiscoveryError

ENDPOINTS = {
    "ovh-eu": "https://eu.api.ovh.com/1.0",
    "ovh-ca": "https://ca.api.ovh.com/1.0",
    "ovh-us": "https://api.us.ovhcloud.com/1.0",
    "kimsufi-eu": "https://eu.api.kimsufi.com/1.0",
    "kimsufi-ca": "https://ca.api.kimsufi.com/1.0",
    "soyoustart-eu": "https://eu.api.soyoustart.com/1.0",
    "soyoustart-ca": "https://ca.api.soyoustart.com/1.0",
}


class OvhCloudDiscovery(Simple[OvhCloud]):
    """Asks for names first, then for each server."""

    mechanism = "ovhcloud"

    def __init__(self, config: OvhCloud, around: Surroundings) -> None:
        super().__init__(config, around)
        self._base = ENDPOINTS.get(config.endpoint, config.endpoint).rstrip("/")
        # How far the API's clock is ahead of ours; None until it was asked.
        self._ahead_s: int | None = None

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all servers of the service; one whose details can't be had is left out."""
        service = self.config.service
        path = "/vps" if service == "vps" else "/dedicated/server"
        make = _vps if service == "vps" else _dedicated
        targets: list[dict[str, str]] = []
        for name in (await self._get(path)).texts():
            place = f"{path}/{quote(name, safe='')}"
            try:
                details = await self._get(place)
                addresses = (await self._get(f"{place}/ips")).texts()
                targets.append(_target(service, details, addresses, make(details)))
            except DiscoveryError as error:
                self.failed(DiscoveryError(f"{name}: {error}"))
        return [TargetGroup(f"ovhcloud_{service}", tuple(targets))]

    async def _get(self, path: str) -> Answer:
        url = self._base + path
        answer = await self.asker.json(url, headers=await self._signed(url))
        if answer.value is None:
            answer.expected("an answer")
        return answer

    async def _signed(self, url: str) -> dict[str, str]:
        config = self.config
        if self._ahead_s is None:
            clock = await self.asker.json(f"{self._base}/auth/time")
            self._ahead_s = clock.whole() - int(time.time())
        now = str(int(time.time()) + self._ahead_s)
        secrets = (config.application_secret.reveal(), config.consumer_key.reveal())
        text = "+".join((*secrets, "GET", str(URL(url)), "", now))
        # The API wants SHA-1.
        digest = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324
        return {
            "X-Ovh-Application": config.application_key,
            "X-Ovh-Consumer": config.consumer_key.reveal(),
            "X-Ovh-Timestamp": now,
            "X-Ovh-Signature": f"$1${digest}",
            "Accept": "application/json",
        }


def _target(
    service: str, server: Answer, addresses: Sequence[str], values: Mapping[str, str]
) -> dict[str, str]:
    four = six = ""
    for text in addresses:
        try:
            found = ipaddress.ip_interface(text)
        except ValueError:
            raise DiscoveryError(f"unexpected answer: {text[:80]!r} is not an address") from None
        # Blocks are listed too, and no server is at a block; a block of one counts where it is /32.
        block = "/" in text and found.network.prefixlen != 32
        if not block and not found.ip.is_unspecified:
            if found.version == 4:
                four = str(found.ip)
            else:
                six = str(found.ip)
    name = server.text("name")
    prefix = f"{META}ovhcloud_{service}_"
    own = {**values, "name": name, "ipv4": four, "ipv6": six}
    labels = {f"{prefix}{key}": value for key, value in own.items()}
    return {ADDRESS: four or six, "instance": name, **labels}


def _vps(server: Answer) -> dict[str, str]:
    model = server.at("model")
    return {
        "offer": model.text("offer"),
        "datacenter": f"[{' '.join(model.texts('datacenter'))}]",
        "model_vcore": str(model.whole("vcore")),
        "maximum_additional_ip": str(model.whole("maximumAdditionnalIp")),
        "version": model.text("version"),
        "model_name": model.text("name"),
        "disk": str(model.whole("disk")),
        "memory": str(model.whole("memory")),
        "zone": server.text("zone"),
        "display_name": server.text("displayName"),
        "cluster": server.text("cluster"),
        "state": server.text("state"),
        "netboot_mode": server.text("netbootMode"),
        "memory_limit": str(server.whole("memoryLimit")),
        "offer_type": server.text("offerType"),
        "vcore": str(server.whole("vcore")),
    }


def _dedicated(server: Answer) -> dict[str, str]:
    return {
        "state": server.text("state"),
        "commercial_range": server.text("commercialRange"),
        "link_speed": str(server.whole("linkSpeed")),
        "rack": server.text("rack"),
        "no_intervention": "true" if server.flag("noIntervention") else "false",
        "os": server.text("os"),
        "support_level": server.text("supportLevel"),
        "server_id": str(server.whole("serverId")),
        "reverse": server.text("reverse"),
        "datacenter": server.text("datacenter"),
    }
