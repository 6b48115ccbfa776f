"""Servers at hosters: DigitalOcean, Hetzner, IONOS, Vultr, Linode, Scaleway."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence

from promlab.config.mechanisms.hosters import (
    DigitalOcean,
    Hetzner,
    Ionos,
    Linode,
    Scaleway,
    Vultr,
)
from promlab.discovery.answers import Answer
from promlab.discovery.base import META, TargetGroup, label_name, listed
from promlab.discovery.simple import MAX_PAGES, Simple, target
from promlab.errors import DiscoveryError
from promlab.transport.secret_files import read_secret

Labels = dict[str, str]


def _listed(values: Sequence[str], separator: str = ",") -> str:
    return listed(values, separator) if values else ""


class DigitalOceanDiscovery(Simple[DigitalOcean]):
    """Droplets."""

    mechanism = "digitalocean"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all droplets that have an IPv4 address."""
        url = "https://api.digitalocean.com/v2/droplets"
        droplets = [item async for item in self.numbered(url, "droplets", 200)]
        targets = [self._target(each) for each in droplets if each.items("networks", "v4")]
        return [TargetGroup("DigitalOcean", tuple(targets))]

    def _target(self, droplet: Answer) -> Labels:
        addresses = {
            f"{network.text('type')}_ip{version}": network.text("ip_address")
            for version in ("v4", "v6")
            for network in reversed(droplet.items("networks", version))
        }
        values = {
            "droplet_id": str(droplet.whole("id")),
            "droplet_name": droplet.text("name"),
            "image": droplet.text("image", "slug"),
            "image_name": droplet.text("image", "name"),
            "private_ipv4": addresses.get("private_ipv4", ""),
            "public_ipv4": addresses.get("public_ipv4", ""),
            "public_ipv6": addresses.get("public_ipv6", ""),
            "region": droplet.text("region", "slug"),
            "size": droplet.text("size_slug"),
            "status": droplet.text("status"),
            "vpc": droplet.text("vpc_uuid"),
            "features": _listed(droplet.texts("features")),
            "tags": _listed(droplet.texts("tags")),
        }
        return target("digitalocean", values["public_ipv4"], self.config.port, values)


class HetznerDiscovery(Simple[Hetzner]):
    """Servers of Hetzner's cloud, or of Robot."""

    mechanism = "hetzner"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all servers."""
        role = self.config.role
        targets = await (self._cloud() if role == "hcloud" else self._robot())
        return [TargetGroup("hetzner", tuple(targets), {f"{META}hetzner_role": role})]

    async def _cloud(self) -> list[Labels]:
        base, selector = "https://api.hetzner.cloud/v1", self.config.label_selector
        more = {"label_selector": selector} if selector else {}
        servers = [item async for item in self._pages(f"{base}/servers", "servers", more)]
        networks = [item async for item in self._pages(f"{base}/networks", "networks", {})]
        names = {network.whole("id"): network.text("name") for network in networks}
        return [self._cloud_target(server, names) for server in servers]

    async def _pages(self, url: str, key: str, more: dict[str, str]) -> AsyncIterator[Answer]:
        page = 1
        for _ in range(MAX_PAGES):
            params = {"page": str(page), "per_page": "50", **more}
            answer = await self.asker.json(url, params=params)
            for item in answer.needed_items(key):
                yield item
            page = answer.whole("meta", "pagination", "next_page")
            if not page:
                return
        raise DiscoveryError(f"{url}: the list has more than {MAX_PAGES} pages")

    def _cloud_target(self, server: Answer, names: dict[int, str]) -> Labels:
        public, kind, image = server.at("public_net"), server.at("server_type"), server.at("image")
        center = server.at("datacenter")
        address = public.text("ipv4", "ip")
        values = {
            "server_id": str(server.whole("id")),
            "server_name": server.text("name"),
            "server_status": server.text("status"),
            "public_ipv4": address,
            "public_ipv6_network": public.text("ipv6", "ip"),
            "datacenter": center.text("name"),
            "hcloud_datacenter_location": center.text("location", "name"),
            "hcloud_datacenter_location_network_zone": center.text("location", "network_zone"),
            "hcloud_server_type": kind.text("name"),
            "hcloud_cpu_cores": str(kind.whole("cores")),
            "hcloud_cpu_type": kind.text("cpu_type"),
            "hcloud_memory_size_gb": str(int(kind.number("memory"))),
            "hcloud_disk_size_gb": str(int(kind.number("disk"))),
            "hcloud_image_name": image.text("name"),
            "hcloud_image_description": image.text("description"),
            "hcloud_image_os_version": image.text("os_version"),
            "hcloud_image_os_flavor": image.text("os_flavor"),
        }
        for private in server.items("private_net"):
            if name := names.get(private.whole("network")):
                values[f"hcloud_private_ipv4_{label_name(name)}"] = private.text("ip")
        for key, value in server.labels("labels").items():
            values[f"hcloud_label_{label_name(key)}"] = value
            values[f"hcloud_labelpresent_{label_name(key)}"] = "true"
        return target("hetzner", address, self.config.port, values)

    async def _robot(self) -> list[Labels]:
        found = await self.asker.json("https://robot-ws.your-server.de/server")
        return [self._robot_target(item.at("server")) for item in found.items()]

    def _robot_target(self, server: Answer) -> Labels:
        address = server.text("server_ip")
        values = {
            "server_id": str(server.whole("server_number")),
            "server_name": server.text("server_name"),
            "server_status": server.text("status"),
            "public_ipv4": address,
            "datacenter": server.text("dc").lower(),
            "robot_product": server.text("product"),
            "robot_cancelled": "true" if server.flag("cancelled") else "false",
        }
        for subnet in server.items("subnet"):
            if ":" in subnet.text("ip"):
                values["public_ipv6_network"] = f"{subnet.text('ip')}/{subnet.shown('mask')}"
                break
        return target("hetzner", address, self.config.port, values)


class VultrDiscovery(Simple[Vultr]):
    """Instances of Vultr."""

    mechanism = "vultr"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all instances."""
        targets, cursor = list[Labels](), ""
        for _ in range(MAX_PAGES):
            params = {"per_page": "100", **({"cursor": cursor} if cursor else {})}
            answer = await self.asker.json("https://api.vultr.com/v2/instances", params=params)
            targets += [self._target(item) for item in answer.needed_items("instances")]
            cursor = answer.text("meta", "links", "next")
            if not cursor:
                break
        return [TargetGroup("Vultr", tuple(targets))]

    def _target(self, instance: Answer) -> Labels:
        texts = {
            "instance_id": "id", "instance_label": "label", "instance_os": "os",
            "instance_region": "region", "instance_plan": "plan", "instance_main_ip": "main_ip",
            "instance_internal_ip": "internal_ip", "instance_main_ipv6": "v6_main_ip",
            "instance_hostname": "hostname", "instance_server_status": "server_status",
        }  # fmt: skip
        numbers = {
            "instance_os_id": "os_id", "instance_vcpu_count": "vcpu_count",
            "instance_ram_mb": "ram", "instance_allowed_bandwidth_gb": "allowed_bandwidth",
            "instance_disk_gb": "disk",
        }  # fmt: skip
        values = {name: instance.text(key) for name, key in texts.items()}
        values |= {name: str(instance.whole(key)) for name, key in numbers.items()}
        values["instance_features"] = _listed(instance.texts("features"))
        values["instance_tags"] = _listed(instance.texts("tags"))
        return target("vultr", values["instance_main_ip"], self.config.port, values)


class IonosDiscovery(Simple[Ionos]):
    """Servers of a datacenter of IONOS."""

    mechanism = "ionos"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all servers that have an address."""
        base = "https://api.ionos.com/cloudapi/v6/datacenters"
        url = f"{base}/{self.config.datacenter_id}/servers"
        answer = await self.asker.json(url, params={"depth": "3"})
        found = answer.text("id")
        targets = [
            made for item in answer.needed_items("items") if (made := self._target(item, found))
        ]
        return [TargetGroup(self.config.datacenter_id, tuple(targets))]

    def _target(self, server: Answer, servers_id: str) -> Labels | None:
        properties, entities = server.at("properties"), server.at("entities")
        values = {
            "server_id": server.text("id"),
            "server_name": properties.text("name"),
            "server_type": properties.text("type"),
            "server_state": properties.text("vmState"),
            "server_lifecycle": server.text("metadata", "state"),
            "server_availability_zone": properties.text("availabilityZone"),
            "server_cpu_family": properties.text("cpuFamily"),
            "server_servers_id": servers_id,
            "server_boot_cdrom_id": properties.text("bootCdrom", "id"),
            "server_boot_volume_id": properties.text("bootVolume", "id"),
            "server_boot_image_id": "",
        }
        boot = values["server_boot_volume_id"]
        for volume in entities.items("volumes", "items"):
            if volume.text("id") == boot:
                values["server_boot_image_id"] = volume.text("properties", "image")
        addresses: list[str] = []
        for nic in entities.items("nics", "items"):
            own = nic.texts("properties", "ips")
            name = label_name(nic.text("properties", "name"))
            addresses += own
            values[f"server_nic_ip_{name or 'unnamed'}"] = _listed(own)
        if not addresses:
            return None
        values["server_ip"] = _listed(addresses)
        return target("ionos", addresses[0], self.config.port, values)


class LinodeDiscovery(Simple[Linode]):
    """Instances of Linode."""

    mechanism = "linode"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all instances that have an address."""
        instances, addresses, ranges = await asyncio.gather(
            self._all("/linode/instances"),
            self._all("/networking/ips"),
            self._all("/networking/ipv6/ranges"),
        )
        by_ip = {item.text("address"): item for item in addresses}
        targets = [
            made
            for item in instances
            if item.items("ipv4") and (made := self._target(item, by_ip, addresses, ranges))
        ]
        return [TargetGroup("Linode", tuple(targets))]

    async def _all(self, path: str) -> list[Answer]:
        region = self.config.region
        headers = {"X-Filter": f'{{"region": "{region}"}}'} if region else {}
        found, page, pages = list[Answer](), 1, 1
        while page <= min(pages, MAX_PAGES):
            params = {"page": str(page), "page_size": "500"}
            url = f"https://api.linode.com/v4{path}"
            answer = await self.asker.json(url, params=params, headers=headers)
            found += answer.needed_items("data")
            pages, page = answer.whole("pages"), page + 1
        return found

    def _target(
        self,
        instance: Answer,
        by_ip: dict[str, Answer],
        addresses: list[Answer],
        ranges: list[Answer],
    ) -> Labels:
        number = instance.whole("id")
        values = self._addresses(instance, by_ip)
        specs, mega = instance.at("specs"), 1 << 20
        values |= {
            "instance_id": str(number),
            "instance_label": instance.text("label"),
            "image": instance.text("image"),
            "region": instance.text("region"),
            "type": instance.text("type"),
            "status": instance.text("status"),
            "group": instance.text("group"),
            "hypervisor": instance.text("hypervisor"),
            "gpus": str(specs.whole("gpus")),
            "backups": "enabled" if instance.flag("backups", "enabled") else "disabled",
            "specs_disk_bytes": str(specs.whole("disk") * mega),
            "specs_memory_bytes": str(specs.whole("memory") * mega),
            "specs_vcpus": str(specs.whole("vcpus")),
            "specs_transfer_bytes": str(specs.whole("transfer") * mega),
            "tags": _listed(instance.texts("tags"), self.config.tag_separator),
        }
        extra = values.pop("extra_ips", "")
        if extra:
            values["extra_ips"] = extra
        routed = [
            f"{each.text('range')}/{each.shown('prefix')}"
            for each in ranges
            if each.text("route_target") and each.text("route_target") == values["public_ipv6"]
        ]
        values["ipv6_ranges"] = _listed(routed, self.config.tag_separator)
        return target("linode", values["public_ipv4"], self.config.port, values)

    def _addresses(self, instance: Answer, by_ip: dict[str, Answer]) -> Labels:
        """Addresses and their names; the first public and private ones, all others listed."""
        values = dict.fromkeys(
            ("private_ipv4", "public_ipv4", "public_ipv6", "private_ipv4_rdns",
             "public_ipv4_rdns", "public_ipv6_rdns"), "",
        )  # fmt: skip
        extra: list[str] = []
        for address in instance.texts("ipv4"):
            known = by_ip.get(address)
            public = known.flag("public") if known else not _private(address)
            kind = "public_ipv4" if public else "private_ipv4"
            rdns = known.text("rdns") if known else ""
            if values[kind]:
                extra.append(address)
            else:
                values[kind] = address
                values[f"{kind}_rdns"] = rdns if rdns != "null" else ""
        six = instance.text("ipv6").partition("/")[0]
        if six:
            values["public_ipv6"] = six
            if known := by_ip.get(six):
                values["public_ipv6_rdns"] = known.text("rdns")
        values["extra_ips"] = _listed(extra, self.config.tag_separator)
        return values


def _private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


class ScalewayDiscovery(Simple[Scaleway]):
    """Instances or bare metal servers of Scaleway."""

    mechanism = "scaleway"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all servers."""
        role = self.config.role
        targets = await (self._instances() if role == "instance" else self._baremetal())
        return [TargetGroup("scaleway", tuple(targets))]

    async def _all(self, path: str, key: str = "servers", **filters: str) -> list[Answer]:
        config = self.config
        token = config.secret_key.reveal()
        if config.secret_key_file:
            token = await asyncio.to_thread(read_secret, config.secret_key_file)
        if config.name_filter and key == "servers":
            filters["name"] = config.name_filter
        if config.tags_filter and key == "servers":
            filters["tags"] = ",".join(config.tags_filter)
        found: list[Answer] = []
        url = f"{config.api_url.rstrip('/')}{path}"
        for page in range(1, MAX_PAGES + 1):
            params = {"page": str(page), "per_page": "50", "page_size": "50", **filters}
            answer = await self.asker.json(url, params=params, headers={"X-Auth-Token": token})
            items = answer.needed_items(key)
            found += items
            if len(items) < 50:
                break
        return found

    async def _instances(self) -> list[Labels]:
        config = self.config
        path = f"/instance/v1/zones/{config.zone}/servers"
        found = [self._instance(each) for each in await self._all(path, project=config.project_id)]
        return [each for each in found if each]

    def _instance(self, server: Answer) -> Labels:
        image, place = server.at("image"), server.at("location")
        values = {
            "id": server.text("id"), "name": server.text("name"),
            "status": server.text("state"), "type": server.text("commercial_type"),
            "boot_type": server.text("boot_type"), "hostname": server.text("hostname"),
            "organization_id": server.text("organization"),
            "project_id": server.text("project"), "zone": server.text("zone"),
            "security_group_id": server.text("security_group", "id"),
            "security_group_name": server.text("security_group", "name"),
            "image_id": image.text("id"), "image_name": image.text("name"),
            "image_arch": image.text("arch"),
            "location_cluster_id": place.text("cluster_id"),
            "location_hypervisor_id": place.text("hypervisor_id"),
            "location_node_id": place.text("node_id"),
            "region": server.text("zone").rpartition("-")[0],
            "tags": _listed(server.texts("tags")),
            "private_ipv4": server.text("private_ip"),
        }  # fmt: skip
        values["public_ipv4"] = server.text("public_ip", "address")
        values["public_ipv6"] = server.text("ipv6", "address")
        public = server.items("public_ips")
        four = [ip.text("address") for ip in public if ip.text("family") == "inet"]
        six = [ip.text("address") for ip in public if ip.text("family") == "inet6"]
        values["public_ipv4_addresses"], values["public_ipv6_addresses"] = (
            _listed(four),
            _listed(six),
        )
        known = [values[name] for name in ("private_ipv4", "public_ipv4", "public_ipv6")]
        host = next(filter(None, [*known, *four, *six]), "")
        named = {f"instance_{name}": value for name, value in values.items()}
        return target("scaleway", host, self.config.port, named) if host else {}

    async def _baremetal(self) -> list[Labels]:
        config = self.config
        base = f"/baremetal/v1/zones/{config.zone}"
        servers, offers, systems = await asyncio.gather(
            self._all(f"{base}/servers", project_id=config.project_id),
            self._all(f"{base}/offers", "offers"),
            self._all(f"{base}/os", "os"),
        )
        names = {offer.text("id"): offer.text("name") for offer in offers}
        by_id = {system.text("id"): system for system in systems}
        return [made for each in servers if (made := self._metal(each, names, by_id))]

    def _metal(self, server: Answer, offers: Labels, systems: dict[str, Answer]) -> Labels:
        addresses = {ip.text("version").lower(): ip.text("address") for ip in server.items("ips")}
        system = systems.get(server.text("install", "os_id"), Answer(None))
        values: Labels = {
            "id": server.text("id"), "name": server.text("name"),
            "status": server.text("status"),
            "type": offers.get(server.text("offer_id"), server.text("offer_name")),
            "project_id": server.text("project_id"), "zone": server.text("zone"),
            "public_ipv4": addresses.get("ipv4", ""), "public_ipv6": addresses.get("ipv6", ""),
            "os_name": system.text("name"), "os_version": system.text("version"),
            "tags": _listed(server.texts("tags")),
        }  # fmt: skip
        host = values["public_ipv4"] or values["public_ipv6"]
        named = {f"baremetal_{name}": value for name, value in values.items()}
        return target("scaleway", host, self.config.port, named) if host else {}
