"""Targets of the roles endpoints and endpointslice: what stands behind a service."""

from __future__ import annotations

from dataclasses import dataclass, field

from promlab.discovery.answers import Answer
from promlab.discovery.base import ADDRESS, TargetGroup, host_port, label_name
from promlab.discovery.kubernetes.labels import (
    K8S,
    Labels,
    container_labels,
    container_port_labels,
    containers,
    namespaced,
    object_labels,
    pod_labels,
)
from promlab.discovery.kubernetes.roles import Cluster, source_of

SERVICE_NAME = "kubernetes.io/service-name"


@dataclass
class _Pods:
    """Pods that were met, and which of their ports have a target."""

    pods: dict[tuple[str, str], Answer] = field(default_factory=dict)
    ports: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    def described(self, pod: Answer, port: int, protocol: str) -> Labels:
        """Labels of a pod, and of its container that has this port."""
        key = pod.text("metadata", "namespace"), pod.text("metadata", "name")
        self.pods[key] = pod
        self.ports.setdefault(key, set()).add(port)
        labels = pod_labels(pod)
        for container, init in containers(pod):
            for each in container.items("ports"):
                if each.whole("containerPort") == port:
                    labels |= container_labels(container, init)
                    labels |= container_port_labels(each, protocol)
                    break
        return labels

    def others(self) -> list[Labels]:
        """Targets for declared ports of these pods that no endpoint has."""
        return [
            {
                ADDRESS: host_port(pod.text("status", "podIP"), port.whole("containerPort")),
                **container_labels(container, init),
                **container_port_labels(port, port.text("protocol")),
                **pod_labels(pod),
            }
            for key, pod in self.pods.items()
            if pod.text("status", "podIP")
            for container, init in containers(pod)
            for port in container.items("ports")
            if port.whole("containerPort") not in self.ports[key]
        ]


def endpoints(item: Answer, cluster: Cluster) -> TargetGroup:
    """Each address and port of an Endpoints object, and further ports of its pods."""
    meta = item.at("metadata")
    name, namespace = meta.text("name"), meta.text("namespace")
    pods, targets = _Pods(), list[Labels]()
    for subset in item.items("subsets"):
        for port in subset.items("ports"):
            for kind, ready in (("addresses", "true"), ("notReadyAddresses", "false")):
                for address in subset.items(kind):
                    target = _endpoint(address, port, ready)
                    target |= _node(address, cluster)
                    if found := _pod(address, namespace, cluster):
                        number, protocol = port.whole("port"), port.text("protocol")
                        target |= pods.described(found, number, protocol)
                    targets.append(target)
    labels = namespaced(item, "endpoints") | _service(namespace, name, cluster)
    source = source_of("endpoints", namespace, name)
    return TargetGroup(source, (*targets, *pods.others()), labels)


def _endpoint(address: Answer, port: Answer, ready: str) -> Labels:
    ref = address.at("targetRef")
    return {
        ADDRESS: host_port(address.text("ip"), port.whole("port")),
        f"{K8S}endpoint_port_name": port.text("name"),
        f"{K8S}endpoint_port_protocol": port.text("protocol"),
        f"{K8S}endpoint_ready": ready,
        f"{K8S}endpoint_address_target_kind": ref.text("kind"),
        f"{K8S}endpoint_address_target_name": ref.text("name"),
        f"{K8S}endpoint_node_name": address.text("nodeName"),
        f"{K8S}endpoint_hostname": address.text("hostname"),
    }


def endpointslice(item: Answer, cluster: Cluster) -> TargetGroup:
    """Each address and port of an EndpointSlice, and further ports of its pods."""
    meta = item.at("metadata")
    name, namespace = meta.text("name"), meta.text("namespace")
    pods, targets = _Pods(), list[Labels]()
    for port in item.items("ports"):
        for endpoint in item.items("endpoints"):
            for address in endpoint.texts("addresses"):
                target = _slice_target(address, endpoint, port)
                target |= _node(endpoint, cluster)
                if found := _pod(endpoint, namespace, cluster):
                    number, protocol = port.whole("port"), port.text("protocol")
                    target |= pods.described(found, number, protocol)
                targets.append(target)
    labels = namespaced(item, "endpointslice")
    labels[f"{K8S}endpointslice_address_type"] = item.text("addressType")
    labels |= _service(namespace, meta.labels("labels").get(SERVICE_NAME, ""), cluster)
    source = source_of("endpointslice", namespace, name)
    return TargetGroup(source, (*targets, *pods.others()), labels)


def _slice_target(address: str, endpoint: Answer, port: Answer) -> Labels:
    ref, number = endpoint.at("targetRef"), port.whole("port")
    found = {
        ADDRESS: host_port(address, number) if number else address,
        f"{K8S}endpointslice_port_name": port.text("name"),
        f"{K8S}endpointslice_port_protocol": port.text("protocol"),
        f"{K8S}endpointslice_port": str(number) if number else "",
        f"{K8S}endpointslice_port_app_protocol": port.text("appProtocol"),
        f"{K8S}endpointslice_endpoint_hostname": endpoint.text("hostname"),
        f"{K8S}endpointslice_endpoint_node_name": endpoint.text("nodeName"),
        f"{K8S}endpointslice_endpoint_zone": endpoint.text("zone"),
        f"{K8S}endpointslice_address_target_kind": ref.text("kind"),
        f"{K8S}endpointslice_address_target_name": ref.text("name"),
    }
    for condition in ("ready", "serving", "terminating"):
        value = endpoint.shown("conditions", condition)
        found[f"{K8S}endpointslice_endpoint_conditions_{condition}"] = value
    for key, value in endpoint.labels("deprecatedTopology").items():
        safe = label_name(key)
        found[f"{K8S}endpointslice_endpoint_topology_{safe}"] = value
        found[f"{K8S}endpointslice_endpoint_topology_present_{safe}"] = "true"
    return found


def _pod(address: Answer, namespace: str, cluster: Cluster) -> Answer | None:
    ref = address.at("targetRef")
    if ref.text("kind") != "Pod":
        return None
    return cluster.find("pod", ref.text("namespace") or namespace, ref.text("name"))


def _node(address: Answer, cluster: Cluster) -> Labels:
    return cluster.node_labels(_node_name(address))


def _node_name(address: Answer) -> str:
    """The node that an address is on, as it says itself or by what it is of."""
    ref = address.at("targetRef")
    of_node = ref.text("name") if ref.text("kind") == "Node" else ""
    return address.text("nodeName") or of_node


def _service(namespace: str, name: str, cluster: Cluster) -> Labels:
    found = cluster.find("service", namespace, name)
    return object_labels(found, "service") if found else {}


def spoken_of(item: Answer) -> list[tuple[str, str, str]]:
    """Role, namespace and name of all objects that the targets of an object speak of."""
    namespace = item.text("metadata", "namespace")
    found = [("namespace", "", namespace), ("node", "", item.text("spec", "nodeName"))]
    service = item.labels("metadata", "labels").get(SERVICE_NAME, "")
    found.append(("service", namespace, service))
    addresses = item.items("endpoints")
    for subset in item.items("subsets"):
        addresses += subset.items("addresses") + subset.items("notReadyAddresses")
    for address in addresses:
        ref = address.at("targetRef")
        if ref.text("kind") == "Pod":
            found.append(("pod", ref.text("namespace") or namespace, ref.text("name")))
        found.append(("node", "", _node_name(address)))
    return [each for each in found if each[2]]
