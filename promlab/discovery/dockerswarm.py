"""Services, tasks and nodes of a Docker swarm, asked from one of its managers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from promlab.config.mechanisms.containers import DockerSwarm
from promlab.discovery.answers import Answer
from promlab.discovery.base import ADDRESS, META, Surroundings, TargetGroup, host_port
from promlab.discovery.docker import Daemon, filters_text, prefixed
from promlab.discovery.refresh import Refreshing

_LABELS = f"{META}dockerswarm_"
_ById = Mapping[str, Mapping[str, str]]


class DockerSwarmDiscovery(Refreshing):
    """One role of one swarm."""

    mechanism = "dockerswarm"

    def __init__(self, config: DockerSwarm, around: Surroundings) -> None:
        super().__init__(around, config.refresh_interval_ms / 1000)
        self.config, self.daemon = config, Daemon(config, around)

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all objects of the role."""
        match self.config.role:
            case "services":
                targets = await self._services()
            case "tasks":
                targets = await self._tasks()
            case _:
                targets = await self._nodes()
        return [TargetGroup("DockerSwarm", tuple(targets))]

    async def _asked(self) -> list[Answer]:
        params = filters_text(self.config.filters)
        return (await self.daemon.get(f"/{self.config.role}", **params)).items()

    async def _services(self) -> list[dict[str, str]]:
        services, networks = await asyncio.gather(self._asked(), self.daemon.networks())
        return [target for each in services for target in self._service(each, networks)]

    def _service(self, service: Answer, networks: _ById) -> Iterator[dict[str, str]]:
        spec = service.at("Spec", "TaskTemplate", "ContainerSpec")
        common = {
            **service_labels(service),
            "service_task_container_hostname": spec.text("Hostname"),
            "service_task_container_image": spec.text("Image"),
            "service_updating_status": service.text("UpdateStatus", "State"),
        }
        ports = _tcp(service.items("Endpoint", "Ports"))
        for virtual in service.items("Endpoint", "VirtualIPs"):
            host = _host(virtual.text("Addr"))
            labels = {**common, **networks.get(virtual.text("NetworkID"), {})}
            for port in ports:
                more = {
                    "service_endpoint_port_name": port.text("Name"),
                    "service_endpoint_port_publish_mode": port.text("PublishMode"),
                }
                yield _target(host, port.whole("PublishedPort"), {**labels, **more})
            if not ports:
                yield _target(host, self.config.port, labels)

    async def _tasks(self) -> list[dict[str, str]]:
        tasks, services, nodes, networks = await asyncio.gather(
            self._asked(),
            self.daemon.get("/services"),
            self.daemon.get("/nodes"),
            self.daemon.networks(),
        )
        by_id = {service.text("ID"): service for service in services.items()}
        labels = {node.text("ID"): node_labels(node, brief=True) for node in nodes.items()}
        return [
            target
            for task in tasks
            for target in self._task(
                task,
                by_id.get(task.text("ServiceID"), Answer(None)),
                labels.get(task.text("NodeID"), {}),
                networks,
            )
        ]

    def _task(
        self, task: Answer, service: Answer, node: Mapping[str, str], networks: _ById
    ) -> Iterator[dict[str, str]]:
        status = task.at("Status")
        common = {
            "task_id": task.text("ID"),
            "task_desired_state": task.text("DesiredState"),
            "task_state": status.text("State"),
            "task_slot": str(task.whole("Slot")),
            "task_container_id": status.text("ContainerStatus", "ContainerID"),
            **prefixed("container_label_", task.labels("Spec", "ContainerSpec", "Labels")),
            **(service_labels(service) if service else {}),
            **node,
        }
        for port in _tcp(status.items("PortStatus", "Ports")):
            labels = {**common, "task_port_publish_mode": port.text("PublishMode")}
            yield _target(node.get("node_address", ""), port.whole("PublishedPort"), labels)
        ports = _tcp(service.items("Endpoint", "Ports"))
        for attached in task.items("NetworksAttachments"):
            of_network = networks.get(attached.text("Network", "ID"), {})
            for address in attached.texts("Addresses"):
                labels = {**common, **of_network}
                for port in ports:
                    more = {"task_port_publish_mode": port.text("PublishMode")}
                    yield _target(_host(address), port.whole("PublishedPort"), {**labels, **more})
                if not ports:
                    yield _target(_host(address), self.config.port, labels)

    async def _nodes(self) -> list[dict[str, str]]:
        return [
            _target(node.text("Status", "Addr"), self.config.port, node_labels(node))
            for node in await self._asked()
        ]

    async def close(self) -> None:
        """Close all connections."""
        await self.daemon.close()


def service_labels(service: Answer) -> dict[str, str]:
    """What targets of a service say about it."""
    modes = [name for name, mode in service.entries("Spec", "Mode") if mode]
    known = {"Global": "global", "Replicated": "replicated"}
    return {
        "service_id": service.text("ID"),
        "service_name": service.text("Spec", "Name"),
        "service_mode": next((known[mode] for mode in modes if mode in known), ""),
        **prefixed("service_label_", service.labels("Spec", "Labels")),
    }


def node_labels(node: Answer, *, brief: bool = False) -> dict[str, str]:
    """What targets say about a node; tasks say less about theirs (`brief`)."""
    description, manager = node.at("Description"), node.at("ManagerStatus")
    found = {
        "node_id": node.text("ID"),
        "node_role": node.text("Spec", "Role"),
        "node_availability": node.text("Spec", "Availability"),
        "node_hostname": description.text("Hostname"),
        "node_platform_architecture": description.text("Platform", "Architecture"),
        "node_platform_os": description.text("Platform", "OS"),
        "node_status": node.text("Status", "State"),
        "node_address": node.text("Status", "Addr"),
        **prefixed("node_label_", node.labels("Spec", "Labels")),
    }
    if not brief:
        found["node_engine_version"] = description.text("Engine", "EngineVersion")
    if manager and not brief:
        found |= {
            "node_manager_leader": "true" if manager.flag("Leader") else "false",
            "node_manager_reachability": manager.text("Reachability"),
            "node_manager_address": manager.text("Addr"),
        }
    return found


def _tcp(ports: Sequence[Answer]) -> list[Answer]:
    return [port for port in ports if port.text("Protocol") == "tcp"]


def _host(address: str) -> str:
    return address.partition("/")[0]


def _target(host: str, port: int, labels: Mapping[str, str]) -> dict[str, str]:
    named = {f"{_LABELS}{name}": value for name, value in labels.items()}
    return {ADDRESS: host_port(host, port), **named}
