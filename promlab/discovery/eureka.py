"""Applications of a Eureka server, which answers in XML."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from xml.etree import ElementTree

from promlab.config.mechanisms.registries import Eureka
from promlab.discovery.base import TargetGroup, label_name
from promlab.discovery.simple import Simple, target
from promlab.errors import DiscoveryError

_TEXTS = {
    "id": "instanceId",
    "hostname": "hostName",
    "homepage_url": "homePageUrl",
    "statuspage_url": "statusPageUrl",
    "healthcheck_url": "healthCheckUrl",
    "ip_addr": "ipAddr",
    "vip_address": "vipAddress",
    "secure_vip_address": "secureVipAddress",
    "status": "status",
}


class EurekaDiscovery(Simple[Eureka]):
    """Asks for all applications."""

    mechanism = "eureka"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all instances."""
        url = self.config.server.rstrip("/") + "/apps"
        reply = await self.asker.ask(url, headers={"Accept": "application/xml"})
        root = await asyncio.to_thread(parse_xml, reply.body)
        targets = [
            _target(app.findtext("name", ""), instance)
            for app in root.iter("application")
            for instance in app.iter("instance")
        ]
        return [TargetGroup("eureka", tuple(targets))]


def parse_xml(body: bytes) -> ElementTree.Element:
    """The root of an XML text. Document types, which can make a little text a lot, are refused."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise DiscoveryError("the answer declares a document type, which is refused")
    try:
        return ElementTree.fromstring(body)  # noqa: S314  (nothing is expanded)
    except ElementTree.ParseError as error:
        raise DiscoveryError(f"not valid XML: {error}") from None


def _target(app: str, instance: ElementTree.Element) -> dict[str, str]:
    values = {name: instance.findtext(tag, "") for name, tag in _TEXTS.items()}
    values = {f"app_instance_{name}": text for name, text in values.items()}
    values["app_name"] = app
    values["app_instance_country_id"] = instance.findtext("countryId", "0")
    number = "80"
    for tag, name in (("port", "port"), ("securePort", "secure_port")):
        port = instance.find(tag)
        if port is not None:
            text = (port.text or "").strip()
            if not text.isdigit():
                raise DiscoveryError(f"unexpected answer: {tag} {text[:20]!r} is not a port")
            values[f"app_instance_{name}"] = text
            values[f"app_instance_{name}_enabled"] = port.get("enabled", "false").lower()
            number = text if tag == "port" else number
    center = instance.find("dataCenterInfo")
    if center is not None:
        values["app_instance_datacenterinfo_name"] = center.findtext("name", "")
        values |= _metadata(center, "app_instance_datacenterinfo_metadata_")
    values |= _metadata(instance, "app_instance_metadata_")
    found = target("eureka", instance.findtext("hostName", ""), number, values)
    return found | {"instance": instance.findtext("instanceId", "")}


def _metadata(parent: ElementTree.Element, prefix: str) -> dict[str, str]:
    items = parent.find("metadata")
    return {
        f"{prefix}{label_name(item.tag.rpartition('}')[2])}": item.text or ""
        for item in (items if items is not None else ())
    }
