"""Instances, hypervisors and load balancers of an OpenStack cloud.

Keystone (version 3) gives a token and says where the other services are; Nova knows machines,
Neutron floating addresses, Octavia load balancers. Where a section names no `identity_endpoint`,
the `OS_*` variables of OpenStack's command line say whom to ask, as whom.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from promlab.config.http_client import HttpClientConfig
from promlab.config.mechanisms.clouds import OpenStack
from promlab.config.secret import Secret
from promlab.discovery.answers import Answer
from promlab.discovery.asking import parsed, same_server
from promlab.discovery.base import Surroundings, TargetGroup, label_name
from promlab.discovery.simple import MAX_PAGES, Simple, target
from promlab.errors import DiscoveryError

Labels = dict[str, str]

_ENVIRONMENT = {
    "identity_endpoint": ("OS_AUTH_URL",),
    "username": ("OS_USERNAME",),
    "userid": ("OS_USERID", "OS_USER_ID"),
    "password": ("OS_PASSWORD",),
    "project_name": ("OS_PROJECT_NAME", "OS_TENANT_NAME"),
    "project_id": ("OS_PROJECT_ID", "OS_TENANT_ID"),
    "domain_name": ("OS_DOMAIN_NAME", "OS_USER_DOMAIN_NAME"),
    "domain_id": ("OS_DOMAIN_ID", "OS_USER_DOMAIN_ID"),
    "application_credential_name": ("OS_APPLICATION_CREDENTIAL_NAME",),
    "application_credential_id": ("OS_APPLICATION_CREDENTIAL_ID",),
    "application_credential_secret": ("OS_APPLICATION_CREDENTIAL_SECRET",),
}


class Access:
    """Who asks, from a section or from the environment."""

    def __init__(self, config: OpenStack) -> None:
        own = bool(config.identity_endpoint)
        found = {
            name: _text(getattr(config, name)) if own else _variable(names)
            for name, names in _ENVIRONMENT.items()
        }
        self._given: Mapping[str, str] = found
        self.endpoint = _versioned(found["identity_endpoint"])

    def body(self) -> dict[str, Any]:
        """What Keystone is asked for: a token for this user, or for this application."""
        given = self._given
        secret = given["application_credential_secret"]
        if secret:
            credential: dict[str, Any] = {"secret": secret}
            if given["application_credential_id"]:
                credential["id"] = given["application_credential_id"]
            else:
                credential["name"] = given["application_credential_name"]
                credential["user"] = self._user()
            methods = ["application_credential"]
            identity = {"methods": methods, "application_credential": credential}
            return {"auth": {"identity": identity}}
        user = {**self._user(), "password": given["password"]}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = self._scope()
        return {"auth": {"identity": identity, **({"scope": scope} if scope else {})}}

    def _domain(self) -> dict[str, str]:
        given = self._given
        if given["domain_id"]:
            return {"id": given["domain_id"]}
        return {"name": given["domain_name"]} if given["domain_name"] else {}

    def _user(self) -> dict[str, Any]:
        given = self._given
        if given["userid"]:
            return {"id": given["userid"]}
        return {"name": given["username"], "domain": self._domain() or {"id": "default"}}

    def _scope(self) -> dict[str, Any]:
        given = self._given
        if given["project_id"]:
            return {"project": {"id": given["project_id"]}}
        if given["project_name"]:
            domain = self._domain() or {"id": "default"}
            return {"project": {"name": given["project_name"], "domain": domain}}
        domain = self._domain()
        return {"domain": domain} if domain else {}


def _text(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _variable(names: Sequence[str]) -> str:
    return next((text for name in names if (text := os.environ.get(name))), "")


def _versioned(endpoint: str) -> str:
    base = endpoint.rstrip("/")
    if not base:
        raise DiscoveryError("no identity_endpoint is configured, and OS_AUTH_URL is not set")
    if base.endswith("/v2.0"):
        raise DiscoveryError("the identity service must be version 3: write …/v3")
    return base if base.endswith("/v3") else f"{base}/v3"


class Session:
    """A token, and where the services of one region are."""

    def __init__(self, discovery: OpenStackDiscovery, token: str, services: Labels) -> None:
        self._asker, self._token, self._services = discovery.asker, token, services

    async def all(
        self, service: str, path: str, key: str, query: Mapping[str, str]
    ) -> list[Answer]:
        """Items of a list of a service, all pages of it."""
        base = self._services.get(service)
        if base is None:
            raise DiscoveryError(f"the cloud has no {service} service in this region")
        url, headers = f"{base}/{path}", {"X-Auth-Token": self._token}
        found: list[Answer] = []
        params: Mapping[str, str] | None = query
        for _ in range(MAX_PAGES):
            answer = await self._asker.json(url, headers=headers, params=params)
            found += answer.needed_items(key)
            links = answer.items(f"{key}_links")
            following = [link.text("href") for link in links if link.text("rel") == "next"]
            if not following or not following[0]:
                return found
            # The next page is on the same server, whatever the answer says: the token goes there.
            url, params = same_server(url, following[0]), None
        raise DiscoveryError(f"{url}: the list has more than {MAX_PAGES} pages")


class OpenStackDiscovery(Simple[OpenStack]):
    """Asks the services that a role needs."""

    mechanism = "openstack"

    def __init__(self, config: OpenStack, around: Surroundings) -> None:
        super().__init__(config, around)
        self._of = {
            "instance": self._instances,
            "hypervisor": self._hypervisors,
            "loadbalancer": self._load_balancers,
        }[config.role]

    def http(self) -> HttpClientConfig:
        """TLS as the section says."""
        return HttpClientConfig(tls_config=self.config.tls_config)

    async def refresh(self) -> Sequence[TargetGroup]:
        """All targets of the role."""
        targets = await self._of(await self._session())
        return [TargetGroup(f"OS_{self.config.region}", tuple(targets))]

    async def _session(self) -> Session:
        access = Access(self.config)
        reply = await self.asker.ask(
            f"{access.endpoint}/auth/tokens",
            method="POST",
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode(access.body()),
        )
        token = reply.headers.get("X-Subject-Token", "")
        if not token:
            raise DiscoveryError(f"{access.endpoint}: the identity service gave no token")
        answer = await parsed(reply, access.endpoint)
        return Session(self, token, dict(self._services(answer.at("token"))))

    def _services(self, token: Answer) -> Iterator[tuple[str, str]]:
        region, availability = self.config.region, self.config.availability
        for service in token.needed_items("catalog"):
            for endpoint in service.items("endpoints"):
                here = (endpoint.text("region_id"), endpoint.text("region"))
                if endpoint.text("interface") == availability and region in here:
                    yield service.text("type"), endpoint.text("url").rstrip("/")

    async def _hypervisors(self, session: Session) -> list[Labels]:
        found = await session.all("compute", "os-hypervisors/detail", "hypervisors", {})
        return [
            target(
                "openstack",
                each.text("host_ip"),
                self.config.port,
                {
                    "hypervisor_id": each.shown("id"),
                    "hypervisor_hostname": each.text("hypervisor_hostname"),
                    "hypervisor_host_ip": each.text("host_ip"),
                    "hypervisor_status": each.text("status"),
                    "hypervisor_state": each.text("state"),
                    "hypervisor_type": each.text("hypervisor_type"),
                },
            )
            for each in found
        ]

    async def _instances(self, session: Session) -> list[Labels]:
        ports = await session.all("network", "v2.0/ports", "ports", {})
        devices = {port.text("id"): port.text("device_id") for port in ports}
        floating = await session.all("network", "v2.0/floatingips", "floatingips", {})
        # Floating address of a machine's own one, by project, machine and that one.
        public: dict[tuple[str, str, str], str] = {}
        for each in floating:
            port, fixed = each.text("port_id"), each.text("fixed_ip_address")
            if port in devices and fixed:
                place = (_project(each), devices[port], fixed)
                public[place] = each.text("floating_ip_address")
        query = {"all_tenants": "true"} if self.config.all_tenants else {}
        servers = await session.all("compute", "servers/detail", "servers", query)
        return [made for server in servers for made in self._of_server(server, public)]

    def _of_server(
        self, server: Answer, public: Mapping[tuple[str, str, str], str]
    ) -> Iterator[Labels]:
        number, project = server.text("id"), server.text("tenant_id")
        flavor = server.at("flavor")
        values = {
            "instance_id": number,
            "instance_status": server.text("status"),
            "instance_name": server.text("name"),
            "instance_flavor": flavor.text("original_name") or flavor.text("id"),
            "project_id": project,
            "user_id": server.text("user_id"),
        }
        # A machine that was started from a volume has "" here.
        if server.value_at("image"):
            values["instance_image"] = server.text("image", "id")
        for key, value in server.labels("metadata").items():
            values[f"tag_{label_name(key)}"] = value
        floating = set(public.values())
        for pool, addresses in server.entries("addresses"):
            for each in addresses.items():
                address = each.text("addr")
                if not address or address in floating:
                    continue
                known = public.get((project, number, address))
                more = {"address_pool": pool, "private_ip": address}
                own = {**values, **more, **({"public_ip": known} if known else {})}
                yield target("openstack", address, self.config.port, own)

    async def _load_balancers(self, session: Session) -> list[Labels]:
        path = "v2.0/lbaas"
        balancers = await session.all("load-balancer", f"{path}/loadbalancers", "loadbalancers", {})
        listeners = await session.all("load-balancer", f"{path}/listeners", "listeners", {})
        floating = await session.all("network", "v2.0/floatingips", "floatingips", {})
        public = {each.text("port_id"): each.text("floating_ip_address") for each in floating}
        # The first listener that speaks PROMETHEUS says on which port the metrics are.
        ports: dict[str, int] = {}
        for listener in listeners:
            if listener.text("protocol") == "PROMETHEUS":
                for balancer in listener.items("loadbalancers"):
                    ports.setdefault(balancer.text("id"), listener.whole("protocol_port"))
        return [
            _balancer(each, ports[each.text("id")], public)
            for each in balancers
            if each.text("id") in ports
        ]


def _project(item: Answer) -> str:
    return item.text("tenant_id") or item.text("project_id")


def _balancer(item: Answer, port: int, public: Mapping[str, str]) -> Labels:
    address = item.text("vip_address")
    values = {
        "loadbalancer_id": item.text("id"),
        "loadbalancer_name": item.text("name"),
        "loadbalancer_operating_status": item.text("operating_status"),
        "loadbalancer_provisioning_status": item.text("provisioning_status"),
        "loadbalancer_availability_zone": item.text("availability_zone"),
        "loadbalancer_vip": address,
        "loadbalancer_provider": item.text("provider"),
        "project_id": item.text("project_id"),
    }
    if tags := item.texts("tags"):
        values["loadbalancer_tags"] = ",".join(tags)
    floating = public.get(item.text("vip_port_id")) if item.text("vip_port_id") else None
    if floating:
        values["loadbalancer_floating_ip"] = floating
    return target("openstack", address, port, values)
