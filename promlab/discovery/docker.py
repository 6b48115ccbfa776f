"""Containers of a Docker daemon, asked over its socket or over TCP.

A container has one target for each port of each of its networks; without ports, one with the
configured port. Containers that share another's network are found through that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from promlab.config.mechanisms.aws import Filter
from promlab.config.mechanisms.containers import Docker, DockerSwarm
from promlab.discovery.answers import Answer
from promlab.discovery.asking import Asker
from promlab.discovery.base import (
    ADDRESS,
    META,
    Surroundings,
    TargetGroup,
    host_port,
    label_name,
)
from promlab.discovery.refresh import Refreshing

_LABELS = f"{META}docker_"


class Daemon:
    """The HTTP API of a daemon."""

    def __init__(self, config: Docker | DockerSwarm, around: Surroundings) -> None:
        parts = urlsplit(config.host)
        timeout_s = max(1.0, min(config.refresh_interval_ms / 1000, 60.0))
        if parts.scheme == "unix":
            self._base = "http://localhost"
            socket = parts.path or parts.netloc
            self._asker: Asker = around.asker(config.http, timeout_s, unix_socket=socket)
        else:
            scheme = "http" if parts.scheme == "tcp" else parts.scheme
            self._base = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
            self._asker = around.asker(config.http, timeout_s)

    async def get(self, path: str, **params: str) -> Answer:
        """What the daemon says at a path."""
        return await self._asker.json(f"{self._base}{path}", params=params)

    async def networks(self) -> dict[str, dict[str, str]]:
        """Labels of each network by its id."""
        return {
            network.text("Id"): {
                "network_id": network.text("Id"),
                "network_name": network.text("Name"),
                "network_scope": network.text("Scope"),
                "network_internal": network.shown("Internal") or "false",
                "network_ingress": network.shown("Ingress") or "false",
                **prefixed("network_label_", network.labels("Labels")),
            }
            for network in (await self.get("/networks")).items()
        }

    async def close(self) -> None:
        """Close all connections."""
        await self._asker.close()


def filters_text(filters: Sequence[Filter]) -> dict[str, str]:
    """The `filters` parameter, where there are filters."""
    if not filters:
        return {}
    found: dict[str, dict[str, bool]] = {}
    for each in filters:
        found.setdefault(each.name, {}).update(dict.fromkeys(each.values, True))
    return {"filters": msgspec.json.encode(found).decode()}


def prefixed(prefix: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of others, their names made fit for labels."""
    return {f"{prefix}{label_name(name)}": value for name, value in labels.items()}


class DockerDiscovery(Refreshing):
    """Containers of one daemon."""

    mechanism = "docker"

    def __init__(self, config: Docker, around: Surroundings) -> None:
        super().__init__(around, config.refresh_interval_ms / 1000)
        self.config, self.daemon = config, Daemon(config, around)

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all containers that run."""
        params = filters_text(self.config.filters)
        containers = (await self.daemon.get("/containers/json", **params)).items()
        networks = await self.daemon.networks()
        by_id = {container.text("Id"): container for container in containers}
        targets = [
            target
            for container in containers
            if container.items("Names")
            for target in self._targets(container, by_id, networks)
        ]
        return [TargetGroup("Docker", tuple(targets))]

    def _targets(
        self,
        container: Answer,
        by_id: Mapping[str, Answer],
        networks: Mapping[str, Mapping[str, str]],
    ) -> Iterator[dict[str, str]]:
        mode = container.text("HostConfig", "NetworkMode")
        common = {
            "container_id": container.text("Id"),
            "container_name": container.texts("Names")[0],
            "container_network_mode": mode,
            **prefixed("container_label_", container.labels("Labels")),
        }
        for network in self._networks(container, by_id):
            address = network.text("IPAddress")
            labels = {
                **common,
                "network_ip": address,
                **networks.get(network.text("NetworkID"), {}),
            }
            yield from self._ports(container, address, labels, mode)

    def _networks(self, container: Answer, by_id: Mapping[str, Answer]) -> list[Answer]:
        """The networks of a container, or of the one whose network it uses."""
        for _ in by_id:
            _, uses, other = container.text("HostConfig", "NetworkMode").partition("container:")
            if container.value_at("NetworkSettings", "Networks") or not uses or other not in by_id:
                break
            container = by_id[other]
        entries = container.entries("NetworkSettings", "Networks")
        found = {name: network for name, network in entries if network}
        names = sorted(found)
        if self.config.match_first_network and len(names) > 1:
            # The same one each time: the first by name, as daemons sort nothing.
            names = names[:1]
        return [found[name] for name in names]

    def _ports(
        self, container: Answer, address: str, labels: Mapping[str, str], mode: str
    ) -> Iterator[dict[str, str]]:
        added = False
        for port in container.items("Ports"):
            if port.text("Type") != "tcp":
                continue
            added = True
            private = port.whole("PrivatePort")
            more = {"port_private": str(private)}
            if port.whole("PublicPort"):
                more["port_public"] = port.shown("PublicPort")
                more["port_public_ip"] = port.text("IP")
            yield _target(host_port(address, private), {**labels, **more})
        if not added:
            # On the host's network a container has no ports of its own.
            host = self.config.host_networking_host
            yield _target(host if mode == "host" else host_port(address, self.config.port), labels)

    async def close(self) -> None:
        """Close all connections."""
        await self.daemon.close()


def _target(address: str, labels: Mapping[str, str]) -> dict[str, str]:
    return {ADDRESS: address, **{f"{_LABELS}{name}": value for name, value in labels.items()}}
