"""Tasks of Amazon's container service: one target a task, at its own or its machine's address."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from promlab.config.mechanisms.aws import Ecs
from promlab.discovery.aws import AwsDiscovery, tags, targeted
from promlab.discovery.base import Surroundings
from promlab.transport.aside import at_once

T = TypeVar("T")
Labels = dict[str, str]
_INTERFACE = "ElasticNetworkInterface"


def batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    return (list(items[start : start + size]) for start in range(0, len(items), size))


@dataclass(frozen=True, slots=True)
class Machines:
    """What tasks run on: EC2's instances by the container's, public addresses by interface."""

    instances: Mapping[str, Mapping[str, Any]]
    public: Mapping[str, str]


class EcsDiscovery(AwsDiscovery):
    """Asks for clusters, their services, and the tasks of each."""

    mechanism = service = "ecs"
    config: Ecs

    def __init__(self, config: Ecs, around: Surroundings) -> None:
        super().__init__(config, around)
        self._ec2: Any = None
        self._connecting = threading.Lock()

    def targets(self, client: Any) -> list[Labels]:
        """Labels of all tasks that have an address."""
        arns = list(self.config.clusters) or _listed(client, "list_clusters", "clusterArns")
        clusters = [
            cluster
            for batch in batches(arns, 100)
            for cluster in client.describe_clusters(clusters=batch, include=["TAGS"])["clusters"]
        ]
        found = at_once(
            lambda cluster: self._of_cluster(client, cluster),
            clusters,
            self.config.request_concurrency,
        )
        return [labels for each in found for labels in each]

    def _of_cluster(self, client: Any, cluster: Mapping[str, Any]) -> list[Labels]:
        arn = cluster["clusterArn"]
        names = _listed(client, "list_services", "serviceArns", cluster=arn)
        services = [
            service
            for batch in batches(names, 10)
            for service in client.describe_services(cluster=arn, services=batch, include=["TAGS"])[
                "services"
            ]
        ]
        return [
            labels for service in services for labels in self._of_service(client, cluster, service)
        ]

    def _of_service(
        self, client: Any, cluster: Mapping[str, Any], service: Mapping[str, Any]
    ) -> Iterator[Labels]:
        arn, name = cluster["clusterArn"], service["serviceName"]
        names = _listed(client, "list_tasks", "taskArns", cluster=arn, serviceName=name)
        tasks = [
            task
            for batch in batches(names, 100)
            for task in client.describe_tasks(cluster=arn, tasks=batch, include=["TAGS"])["tasks"]
        ]
        machines = self._machines(client, arn, tasks)
        common = {
            "cluster": cluster.get("clusterName", ""),
            "cluster_arn": arn,
            "service": name,
            "service_arn": service["serviceArn"],
            "service_status": service.get("status", ""),
            "region": self.region,
            **tags(cluster.get("tags", ()), "tag_cluster_"),
            **tags(service.get("tags", ()), "tag_service_"),
        }
        for task in tasks:
            address, values = _task(task, machines)
            if address:
                yield targeted("ecs", address, self.config.port, {**common, **values})

    def _machines(self, client: Any, cluster: str, tasks: Sequence[Mapping[str, Any]]) -> Machines:
        arns = sorted({task.get("containerInstanceArn", "") for task in tasks} - {""})
        ids = {
            each["containerInstanceArn"]: each["ec2InstanceId"]
            for batch in batches(arns, 100)
            for each in client.describe_container_instances(
                cluster=cluster, containerInstances=batch
            )["containerInstances"]
            if each.get("ec2InstanceId")
        }
        instances: dict[str, Mapping[str, Any]] = {}
        if ids:
            found = self._ec2_client().get_paginator("describe_instances")
            for page in found.paginate(InstanceIds=sorted(set(ids.values()))):
                for reservation in page["Reservations"]:
                    for each in reservation["Instances"]:
                        instances[each["InstanceId"]] = each
        own = (_interface(task).get("networkInterfaceId", "") for task in tasks)
        interfaces = sorted(set(own) - {""})
        public: dict[str, str] = {}
        if interfaces:
            known = self._ec2_client().describe_network_interfaces(NetworkInterfaceIds=interfaces)
            for each in known["NetworkInterfaces"]:
                public[each["NetworkInterfaceId"]] = each.get("Association", {}).get("PublicIp", "")
        by_arn = {arn: instances[number] for arn, number in ids.items() if number in instances}
        return Machines(by_arn, public)

    def _ec2_client(self) -> Any:
        # Clusters are asked about in threads.
        with self._connecting:
            if self._ec2 is None:
                self._ec2 = self.connect("ec2")
            return self._ec2


def _listed(client: Any, operation: str, key: str, **about: str) -> list[str]:
    pages = client.get_paginator(operation).paginate(**about)
    return [arn for page in pages for arn in page[key]]


def _interface(task: Mapping[str, Any]) -> Mapping[str, str]:
    """Details of the network interface that a task has of its own; none if it shares one."""
    for attachment in task.get("attachments", ()):
        if attachment.get("type") == _INTERFACE:
            return {each["name"]: each["value"] for each in attachment.get("details", ())}
    return {}


def _task(task: Mapping[str, Any], machines: Machines) -> tuple[str, Labels]:
    """Address and labels of a task."""
    own = _interface(task)
    machine = machines.instances.get(task.get("containerInstanceArn", ""), {})
    private, public = machine.get("PrivateIpAddress", ""), machine.get("PublicIpAddress", "")
    if own:
        address, subnet = own.get("privateIPv4Address", ""), own.get("subnetId", "")
        seen_as = machines.public.get(own.get("networkInterfaceId", ""), "")
    else:
        address, subnet, seen_as = private, machine.get("SubnetId", ""), public
    values = {
        "task_group": task.get("group", ""),
        "task_arn": task["taskArn"],
        "task_definition": task.get("taskDefinitionArn", ""),
        "ip_address": address,
        "launch_type": task.get("launchType", ""),
        "availability_zone": task.get("availabilityZone", ""),
        "desired_status": task.get("desiredStatus", ""),
        "last_status": task.get("lastStatus", ""),
        "health_status": task.get("healthStatus", ""),
        "network_mode": "awsvpc" if own else "bridge",
        "subnet_id": subnet,
        "container_instance_arn": task.get("containerInstanceArn", ""),
        "ec2_instance_id": machine.get("InstanceId", ""),
        "ec2_instance_type": machine.get("InstanceType", ""),
        "ec2_instance_private_ip": private,
        "ec2_instance_public_ip": public,
        "public_ip": seen_as,
        "platform_family": task.get("platformFamily", ""),
        "platform_version": task.get("platformVersion", ""),
        **tags(task.get("tags", ()), "tag_task_"),
        **tags(machine.get("Tags", ()), "tag_ec2_"),
    }
    return address, values
