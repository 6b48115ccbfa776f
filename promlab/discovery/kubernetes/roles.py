"""Targets of the roles node, service, pod and ingress; `backends` has endpoints and slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from promlab.discovery.answers import Answer
from promlab.discovery.base import ADDRESS, TargetGroup, host_port, label_name
from promlab.discovery.kubernetes.labels import (
    K8S,
    Labels,
    container_ids,
    container_labels,
    container_port_labels,
    containers,
    namespaced,
    object_labels,
    pod_labels,
)

_ADDRESS_ORDER = (
    "InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname",
)  # fmt: skip
PREFIXES = {"service": "svc"}


class Cluster(Protocol):
    """What a role may look up about other objects."""

    def find(self, role: str, namespace: str, name: str) -> Answer | None:
        """An object, if it is known."""

    def node_labels(self, name: str) -> Labels:
        """Labels of a node, if they are to be attached."""


def source_of(role: str, namespace: str, name: str) -> str:
    """The name of an object's target group."""
    parts = (PREFIXES.get(role, role), namespace, name)
    return "/".join(part for part in parts if part)


def node(item: Answer, _cluster: Cluster) -> TargetGroup:
    """The kubelet of a node."""
    name, status = item.text("metadata", "name"), item.at("status")
    by_kind: dict[str, str] = {}
    for address in status.items("addresses"):
        by_kind.setdefault(address.text("type"), address.text("address"))
    labels = {f"{K8S}node_provider_id": item.text("spec", "providerID")}
    labels |= object_labels(item, "node")
    host = next((by_kind[kind] for kind in _ADDRESS_ORDER if kind in by_kind), "")
    if not host:
        return TargetGroup(source_of("node", "", name))
    port = status.whole("daemonEndpoints", "kubeletEndpoint", "Port")
    target = {ADDRESS: host_port(host, port), "instance": name}
    target |= {f"{K8S}node_address_{label_name(kind)}": to for kind, to in by_kind.items()}
    return TargetGroup(source_of("node", "", name), (target,), labels)


def service(item: Answer, _cluster: Cluster) -> TargetGroup:
    """Each port of a service, by the service's name in DNS."""
    meta, spec = item.at("metadata"), item.at("spec")
    name, namespace, kind = meta.text("name"), meta.text("namespace"), spec.text("type")
    common = {f"{K8S}service_type": kind}
    if kind == "ExternalName":
        common[f"{K8S}service_external_name"] = spec.text("externalName")
    else:
        common[f"{K8S}service_cluster_ip"] = spec.text("clusterIP")
    if kind == "LoadBalancer":
        common[f"{K8S}service_loadbalancer_ip"] = spec.text("loadBalancerIP")
    targets = [
        {
            ADDRESS: host_port(f"{name}.{namespace}.svc", port.whole("port")),
            f"{K8S}service_port_name": port.text("name"),
            f"{K8S}service_port_number": str(port.whole("port")),
            f"{K8S}service_port_protocol": port.text("protocol"),
            **common,
        }
        for port in spec.items("ports")
    ]
    source = source_of("service", namespace, name)
    return TargetGroup(source, tuple(targets), namespaced(item, "service"))


def pod(item: Answer, cluster: Cluster) -> TargetGroup:
    """Each declared port of a pod's containers; a container without one is a target too."""
    meta, address = item.at("metadata"), item.text("status", "podIP")
    source = source_of("pod", meta.text("namespace"), meta.text("name"))
    if not address:  # It is being started, or has been evicted.
        return TargetGroup(source)
    ids = container_ids(item)
    targets: list[Labels] = []
    for container, init in containers(item):
        common = container_labels(container, init)
        common[f"{K8S}pod_container_id"] = ids.get(container.text("name"), "")
        ports = container.items("ports")
        targets += [
            {
                ADDRESS: host_port(address, port.whole("containerPort")),
                **common,
                **container_port_labels(port, port.text("protocol")),
            }
            for port in ports
        ]
        if not ports:
            targets.append({ADDRESS: address, **common})
    labels = {f"{K8S}namespace": meta.text("namespace"), **pod_labels(item)}
    labels |= cluster.node_labels(item.text("spec", "nodeName"))
    return TargetGroup(source, tuple(targets), labels)


def ingress(item: Answer, _cluster: Cluster) -> TargetGroup:
    """Each path of an ingress' rules."""
    meta, spec = item.at("metadata"), item.at("spec")
    encrypted = [host for tls in spec.items("tls") for host in tls.texts("hosts")]
    targets = []
    for rule in spec.items("rules"):
        host = rule.text("host")
        scheme = "https" if any(_matches(pattern, host) for pattern in encrypted) else "http"
        paths = [path.text("path") or "/" for path in rule.items("http", "paths")]
        if rule.value_at("http", "paths") is None:
            paths = ["/"]
        targets += [
            {
                ADDRESS: host,
                f"{K8S}ingress_scheme": scheme,
                f"{K8S}ingress_host": host,
                f"{K8S}ingress_path": path,
            }
            for path in paths
        ]
    labels = namespaced(item, "ingress")
    labels[f"{K8S}ingress_class_name"] = spec.text("ingressClassName")
    source = source_of("ingress", meta.text("namespace"), meta.text("name"))
    return TargetGroup(source, tuple(targets), labels)


def _matches(pattern: str, host: str) -> bool:
    """Whether a host is that of a certificate, whose first part may be an asterisk."""
    if pattern == host:
        return True
    first, _, rest = pattern.partition(".")
    head, _, tail = host.partition(".")
    return first == "*" and bool(head) and rest == tail


Build = Callable[[Answer, Cluster], TargetGroup]
