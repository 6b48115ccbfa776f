"""Hosters, as their APIs answer; those with one address for all stand behind a proxy."""

from __future__ import annotations

from typing import Any

from case import Case


def droplet(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "name": f"d{number}", "status": "active", "size_slug": "s-1", "vpc_uuid": "v",
        "image": {"slug": "debian-12", "name": "12 x64"}, "region": {"slug": "fra1"},
        "features": ["ipv6", "monitoring"], "tags": ["a", "b"],
        "networks": {
            "v4": [{"ip_address": "10.0.0.1", "type": "private"},
                   {"ip_address": "198.51.100.1", "type": "public"}],
            "v6": [{"ip_address": "2001:db8::1", "type": "public"}],
        },
        **more,
    }  # fmt: skip


BARE = {"tags": [], "features": [], "networks": {"v4": [], "v6": []}}
DIGITALOCEAN = {"GET /v2/droplets": {"droplets": [droplet(1), droplet(2, **BARE)],
                                     "links": {}, "meta": {"total": 2}}}  # fmt: skip

LOCATION = {"id": 1, "name": "fsn1", "network_zone": "eu-central"}
TYPE = {"id": 1, "name": "cx22", "cores": 2, "memory": 4.0, "disk": 40, "cpu_type": "shared"}
IMAGE = {"id": 1, "name": "debian-12", "description": "Debian 12", "os_flavor": "debian",
         "os_version": "12", "type": "system", "status": "available"}  # fmt: skip


def hcloud(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "name": f"s{number}", "status": "running",
        "created": "2024-01-01T00:00:00Z", "server_type": TYPE, "image": IMAGE,
        "public_net": {"ipv4": {"ip": "198.51.100.7", "blocked": False, "dns_ptr": ""},
                       "ipv6": {"ip": "2001:db8:1::/64", "blocked": False, "dns_ptr": []}},
        "private_net": [{"network": 7, "ip": "10.0.0.2", "alias_ips": []}],
        "datacenter": {"id": 1, "name": "fsn1-dc14", "location": LOCATION},
        "labels": {"my-key": "my-value"}, **more,
    }  # fmt: skip


def page(key: str, *items: Any) -> dict[str, Any]:
    about = {"page": 1, "per_page": 50, "previous_page": None, "next_page": None,
             "last_page": 1, "total_entries": len(items)}  # fmt: skip
    return {key: list(items), "meta": {"pagination": about}}


NETWORK = {"id": 7, "name": "my-net", "ip_range": "10.0.0.0/8", "subnets": [], "routes": []}
HCLOUD = {
    "GET /v1/servers": page("servers", hcloud(1), hcloud(2, image=None, labels={}, private_net=[])),
    "GET /v1/networks": page("networks", NETWORK),
}
ROBOT = {"GET /server": [
    {"server": {"server_ip": "198.51.100.9", "server_number": 321, "server_name": "r1",
                "product": "DS 3000", "dc": "NBG1-DC1", "traffic": "5 TB", "status": "ready",
                "cancelled": False, "paid_until": "2030-01-01", "ip": ["198.51.100.9"],
                "subnet": [{"ip": "198.51.100.16", "mask": "28"},
                           {"ip": "2001:db8:111:4221::", "mask": "64"}]}},
    {"server": {"server_ip": "198.51.100.10", "server_number": 421, "server_name": "",
                "product": "X5", "dc": "FSN1-DC10", "status": "in process", "cancelled": True,
                "ip": ["198.51.100.10"], "subnet": None}},
]}  # fmt: skip

VULTR = {"GET /v2/instances": {
    "instances": [
        {"id": "u-1", "os": "Debian", "ram": 1024, "disk": 25, "main_ip": "198.51.100.3",
         "vcpu_count": 1, "region": "ewr", "plan": "vc2", "allowed_bandwidth": 1000,
         "v6_main_ip": "2001:db8::3", "label": "one", "internal_ip": "10.0.0.3", "hostname": "h1",
         "server_status": "ok", "os_id": 244, "features": ["ipv6"], "tags": ["x", "y"]},
        {"id": "u-2", "main_ip": "198.51.100.4", "features": [], "tags": []},
    ],
    "meta": {"total": 2, "links": {"next": "", "prev": ""}},
}}  # fmt: skip

IONOS = {"GET /cloudapi/v6/datacenters/dc-1/servers": {
    "id": "dc-1/servers", "type": "collection", "items": [
        {
            "id": "i-1", "metadata": {"state": "AVAILABLE"},
            "properties": {"name": "one", "type": "ENTERPRISE", "vmState": "RUNNING",
                           "availabilityZone": "ZONE_1", "cpuFamily": "INTEL_XEON",
                           "bootVolume": {"id": "vol-1"}, "bootCdrom": {"id": "cd-1"}},
            "entities": {
                "volumes": {"items": [{"id": "vol-1", "properties": {"image": "img-1"}}]},
                "nics": {"items": [
                    {"properties": {"name": "my nic", "ips": ["198.51.100.5", "10.0.0.5"]}}]},
            },
        },
        {"id": "i-2", "properties": {"name": "no address"}, "entities": {"nics": {"items": []}}},
    ],
}}  # fmt: skip


def linode_list(*items: Any) -> dict[str, Any]:
    return {"data": list(items), "page": 1, "pages": 1, "results": len(items)}


def linode_ip(address: str, number: int, *, public: bool, kind: str = "ipv4") -> dict[str, Any]:
    return {"address": address, "public": public, "type": kind, "linode_id": number,
            "region": "eu", "rdns": f"{address.replace(':', '-')}.example", "prefix": 24,
            "subnet_mask": "", "gateway": None}  # fmt: skip


LINODE = {
    "GET /v4/account/events": linode_list(),
    "GET /v4/linode/instances": linode_list(
        {"id": 5, "label": "one", "region": "eu-west", "type": "g6", "status": "running",
         "group": "g", "image": "linode/debian12", "hypervisor": "kvm", "tags": ["x", "y"],
         "ipv4": ["198.51.100.1", "198.51.100.2", "192.168.1.1"], "ipv6": "2001:db8::5/128",
         "specs": {"disk": 81920, "memory": 4096, "vcpus": 2, "transfer": 4000, "gpus": 1},
         "backups": {"enabled": True}},
        {"id": 6, "label": "no address", "ipv4": [], "specs": {}, "backups": {"enabled": False}},
    ),
    "GET /v4/networking/ips": linode_list(
        linode_ip("198.51.100.1", 5, public=True), linode_ip("198.51.100.2", 5, public=True),
        linode_ip("192.168.1.1", 5, public=False),
        linode_ip("2001:db8::5", 5, public=True, kind="ipv6"),
    ),
    "GET /v4/networking/ipv6/ranges": linode_list(
        {"range": "2001:db8:9::", "prefix": 64, "region": "eu-west", "route_target": "2001:db8::5"},
    ),
}  # fmt: skip

PROJECT = "11111111-1111-1111-1111-111111111112"
KEYS = f"project_id: {PROJECT}, access_key: SCWXXXXXXXXXXXXXXXXX, secret_key: {PROJECT}"
SCALEWAY: dict[str, Any] = {
    "GET /instance/v1/zones/fr-par-1/servers": {"servers": [
        {
            "id": "sc-1", "name": "one", "state": "running", "commercial_type": "DEV1-S",
            "boot_type": "local", "hostname": "h1", "organization": "o-1", "project": PROJECT,
            "zone": "fr-par-1", "security_group": {"id": "sg", "name": "default"},
            "image": {"id": "im", "name": "Debian", "arch": "x86_64"},
            "location": {"cluster_id": "1", "hypervisor_id": "2", "node_id": "3"},
            "tags": ["a", "b"], "private_ip": "10.0.0.1",
            "public_ip": {"id": "p", "address": "198.51.100.1", "family": "inet"},
            "public_ips": [{"id": "p", "address": "198.51.100.1", "family": "inet"},
                           {"id": "q", "address": "2001:db8::1", "family": "inet6"}],
            "ipv6": None,
        },
        {"id": "sc-2", "name": "public", "state": "running", "zone": "fr-par-1", "tags": [],
         "public_ip": {"id": "p", "address": "198.51.100.2", "family": "inet"},
         "public_ips": [{"id": "p", "address": "198.51.100.2", "family": "inet"}]},
        {"id": "sc-3", "name": "none", "state": "stopped", "zone": "fr-par-1", "tags": []},
    ]},
    "GET /baremetal/v1/zones/fr-par-1/servers": {"total_count": 1, "servers": [
        {"id": "bm-1", "name": "metal", "status": "ready", "offer_id": "of", "offer_name": "EM-1",
         "project_id": PROJECT, "zone": "fr-par-1", "tags": ["x"],
         "install": {"os_id": "os-1"},
         "ips": [{"id": "1", "address": "198.51.100.8", "version": "IPv4"},
                 {"id": "2", "address": "2001:db8::8", "version": "IPv6"}]},
    ]},
    "GET /baremetal/v1/zones/fr-par-1/offers": {"total_count": 1, "offers": [
        {"id": "of", "name": "EM-1"}]},
    "GET /baremetal/v1/zones/fr-par-1/os": {"total_count": 1, "os": [
        {"id": "os-1", "name": "Debian", "version": "12"}]},
}  # fmt: skip


def listed(name: str, section: str, routes: Any, targets: int, host: str) -> Case:
    return Case(name, section, routes, targets, hosts=(host,))


AUTH = "authorization: {credentials: s3cret}, CLOUD"
CASES = [
    listed("digitalocean", f"digitalocean_sd_configs: [{{{AUTH}}}]", DIGITALOCEAN, 1,
           "api.digitalocean.com"),
    listed("hcloud", f"hetzner_sd_configs: [{{role: hcloud, {AUTH}}}]", HCLOUD, 2,
           "api.hetzner.cloud"),
    listed("robot", "hetzner_sd_configs: [{role: robot, basic_auth: {username: u, password: p}, "
           "CLOUD}]", ROBOT, 2, "robot-ws.your-server.de"),
    listed("vultr", f"vultr_sd_configs: [{{{AUTH}}}]", VULTR, 2, "api.vultr.com"),
    listed("ionos", f"ionos_sd_configs: [{{datacenter_id: dc-1, {AUTH}}}]", IONOS, 1,
           "api.ionos.com"),
    listed("linode", f"linode_sd_configs: [{{{AUTH}}}]", LINODE, 1, "api.linode.com"),
    Case("scaleway", f"scaleway_sd_configs: [{{role: instance, api_url: 'BASE', {KEYS}}}]",
         SCALEWAY, 2),
    Case("scaleway_metal", f"scaleway_sd_configs: [{{role: baremetal, api_url: 'BASE', {KEYS}}}]",
         SCALEWAY, 1),
]  # fmt: skip
