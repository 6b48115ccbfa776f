"""Brokers and controllers of Amazon's Kafka clusters: one target an endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promlab.config.mechanisms.aws import Msk
from promlab.discovery.aws import AwsDiscovery, targeted
from promlab.discovery.base import label_name
from promlab.transport.aside import at_once

Labels = dict[str, str]


class MskDiscovery(AwsDiscovery):
    """Asks for clusters, and the nodes of each."""

    mechanism = "msk"
    service = "kafka"
    config: Msk

    def targets(self, client: Any) -> list[Labels]:
        """Labels of all endpoints of provisioned clusters."""
        many = self.config.request_concurrency
        if self.config.clusters:
            answers = at_once(
                lambda arn: client.describe_cluster_v2(ClusterArn=arn), self.config.clusters, many
            )
            clusters = [each["ClusterInfo"] for each in answers]
        else:
            pages = client.get_paginator("list_clusters_v2").paginate(
                ClusterTypeFilter="PROVISIONED"
            )
            clusters = [each for page in pages for each in page["ClusterInfoList"]]
        # Serverless ones have no nodes that could be scraped.
        provisioned = [each for each in clusters if each.get("ClusterType") == "PROVISIONED"]
        found = at_once(lambda each: list(self._of(client, each)), provisioned, many)
        return [labels for each in found for labels in each]

    def _of(self, client: Any, cluster: Mapping[str, Any]) -> Iterator[Labels]:
        common = _cluster(cluster)
        monitoring = cluster.get("Provisioned", {}).get("OpenMonitoring", {}).get("Prometheus", {})
        exporter = monitoring.get("NodeExporter", {})
        pages = client.get_paginator("list_nodes").paginate(ClusterArn=cluster["ClusterArn"])
        for page in pages:
            for node in page["NodeInfoList"]:
                kind, values, endpoints = _node(node)
                if kind == "broker" and exporter:
                    values["broker_node_exporter_enabled"] = _flag(exporter.get("EnabledInBroker"))
                for number, endpoint in enumerate(endpoints):
                    place = {f"{kind}_endpoint_index": str(number)}
                    own = {**common, **values, **place}
                    yield targeted("msk", endpoint, self.config.port, own)


def _flag(value: object) -> str:
    return "true" if value else "false"


def _cluster(cluster: Mapping[str, Any]) -> Labels:
    provisioned = cluster.get("Provisioned", {})
    software = provisioned.get("CurrentBrokerSoftwareInfo", {})
    values = {
        "cluster_name": cluster.get("ClusterName", ""),
        "cluster_arn": cluster["ClusterArn"],
        "cluster_state": cluster.get("State", ""),
        "cluster_type": cluster.get("ClusterType", ""),
        "cluster_version": cluster.get("CurrentVersion", ""),
        "cluster_kafka_version": software.get("KafkaVersion", ""),
        "cluster_configuration_arn": software.get("ConfigurationArn", ""),
    }
    if software.get("ConfigurationRevision") is not None:
        values["cluster_configuration_revision"] = str(software["ConfigurationRevision"])
    java = provisioned.get("OpenMonitoring", {}).get("Prometheus", {}).get("JmxExporter")
    if java is not None:
        values["cluster_jmx_exporter_enabled"] = _flag(java.get("EnabledInBroker"))
    for key, value in cluster.get("Tags", {}).items():
        values[f"cluster_tag_{label_name(key)}"] = value
    return values


def _node(node: Mapping[str, Any]) -> tuple[str, Labels, list[str]]:
    """Kind, labels and endpoints of a node."""
    values = {
        "node_arn": node.get("NodeARN", ""),
        "node_added_time": node.get("AddedToClusterTime", ""),
        "node_instance_type": node.get("InstanceType", ""),
    }
    broker = node.get("BrokerNodeInfo")
    if broker is not None:
        values |= {
            "node_type": "BROKER",
            "node_attached_eni": broker.get("AttachedENIId", ""),
            "broker_id": f"{broker.get('BrokerId', 0):.0f}",
            "broker_client_subnet": broker.get("ClientSubnet", ""),
            "broker_client_vpc_ip": broker.get("ClientVpcIpAddress", ""),
        }
        return "broker", values, broker.get("Endpoints", [])
    controller = node.get("ControllerNodeInfo")
    if controller is not None:
        return "controller", {**values, "node_type": "CONTROLLER"}, controller.get("Endpoints", [])
    return "", values, []
