"""Every role of Kubernetes."""

from __future__ import annotations

from case import Case
from fake_kubernetes import cluster

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: lab
contexts: [{name: lab, context: {cluster: lab, user: me}}]
clusters: [{name: lab, cluster: {server: 'BASE'}}]
users: [{name: me, user: {token: s3cret-token}}]
"""


def of(role: str, targets: int, more: str = "", name: str = "") -> Case:
    section = f"kubernetes_sd_configs: [{{role: {role}, api_server: 'BASE'{more}}}]"
    return Case(f"kubernetes_{name or role}", section, cluster().routes(), targets)


ATTACH = ", attach_metadata: {node: true}"
CASES = [
    of("node", 3),
    of("service", 6),
    of("pod", 12),
    of("pod", 12, ATTACH + ", namespaces: {names: [default]}", "pod_on_node"),
    of("ingress", 3),
    of("endpoints", 7),
    of("endpoints", 7, ATTACH, "endpoints_on_node"),
    of("endpointslice", 8),
    of("endpointslice", 8, ATTACH, "endpointslice_on_node"),
    Case(
        "kubernetes_kubeconfig",
        "kubernetes_sd_configs: [{role: node, kubeconfig_file: FOLDER/kubeconfig}]",
        cluster().routes(),
        3,
        files={"kubeconfig": KUBECONFIG},
    ),
]
