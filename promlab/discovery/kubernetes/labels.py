"""Labels that objects of Kubernetes bring along."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.discovery.answers import Answer
from promlab.discovery.base import META, label_name

K8S = f"{META}kubernetes_"
Labels = dict[str, str]


def object_labels(item: Answer, role: str, *, name: bool = True) -> Labels:
    """Name, labels and annotations of an object."""
    meta = item.at("metadata")
    found = {f"{K8S}{role}_name": meta.text("name")} if name else {}
    for kind, values in (("label", "labels"), ("annotation", "annotations")):
        for key, value in meta.labels(values).items():
            safe = label_name(key)
            found[f"{K8S}{role}_{kind}_{safe}"] = value
            found[f"{K8S}{role}_{kind}present_{safe}"] = "true"
    return found


def namespaced(item: Answer, role: str) -> Labels:
    """The same, and the namespace."""
    return {f"{K8S}namespace": item.text("metadata", "namespace"), **object_labels(item, role)}


def pod_labels(pod: Answer) -> Labels:
    """What every target of a pod says about it."""
    status = pod.at("status")
    found = {
        f"{K8S}pod_ip": status.text("podIP"),
        f"{K8S}pod_ready": _ready(status),
        f"{K8S}pod_phase": status.text("phase"),
        f"{K8S}pod_node_name": pod.text("spec", "nodeName"),
        f"{K8S}pod_host_ip": status.text("hostIP"),
        f"{K8S}pod_uid": pod.text("metadata", "uid"),
        **object_labels(pod, "pod"),
    }
    for owner in pod.items("metadata", "ownerReferences"):
        if owner.flag("controller"):
            found[f"{K8S}pod_controller_kind"] = owner.text("kind")
            found[f"{K8S}pod_controller_name"] = owner.text("name")
            break
    return found


def _ready(status: Answer) -> str:
    for condition in status.items("conditions"):
        if condition.text("type") == "Ready":
            return condition.text("status").lower()
    return "unknown"


def containers(pod: Answer) -> Iterator[tuple[Answer, str]]:
    """Containers of a pod, and whether each is an init container, as text."""
    spec = pod.at("spec")
    yield from ((each, "false") for each in spec.items("containers"))
    yield from ((each, "true") for each in spec.items("initContainers"))


def container_ids(pod: Answer) -> Labels:
    """Ids of containers by name."""
    status = pod.at("status")
    return {
        each.text("name"): each.text("containerID")
        for kind in ("containerStatuses", "initContainerStatuses")
        for each in status.items(kind)
    }


def container_labels(container: Answer, init: str) -> Labels:
    """What a target says about its container."""
    return {
        f"{K8S}pod_container_name": container.text("name"),
        f"{K8S}pod_container_image": container.text("image"),
        f"{K8S}pod_container_init": init,
    }


def container_port_labels(port: Answer, protocol: str) -> Labels:
    """What a target says about its container's port."""
    return {
        f"{K8S}pod_container_port_name": port.text("name"),
        f"{K8S}pod_container_port_number": str(port.whole("containerPort")),
        f"{K8S}pod_container_port_protocol": protocol,
    }
