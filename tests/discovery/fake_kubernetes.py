"""An API server of Kubernetes: lists in pages, watches with versions, bookmarks, and 410."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

Object = dict[str, Any]
GROUPS = {
    "nodes": "/api/v1", "namespaces": "/api/v1", "pods": "/api/v1", "services": "/api/v1",
    "endpoints": "/api/v1", "endpointslices": "/apis/discovery.k8s.io/v1",
    "ingresses": "/apis/networking.k8s.io/v1",
}  # fmt: skip
KINDS = {
    "nodes": "Node", "namespaces": "Namespace", "pods": "Pod", "services": "Service",
    "endpoints": "Endpoints", "endpointslices": "EndpointSlice", "ingresses": "Ingress",
}  # fmt: skip


class FakeKubernetes:
    """Objects by plural; `routes()` is what a FakeApi serves."""

    def __init__(self, **objects: list[Object]) -> None:
        self.version = 1000
        self.forgotten = 0  # Watches from before this version are told 410.
        self.page = 2
        self.log: list[tuple[int, str, str, Object]] = []
        self.objects: dict[str, dict[tuple[str, str], Object]] = {plural: {} for plural in GROUPS}
        self.requests: list[web.BaseRequest] = []
        self.watches = 0
        for plural, items in objects.items():
            for item in items:
                self.put(plural, item)

    def put(self, plural: str, item: Object) -> None:
        """Add an object or put it in place of the one with its name."""
        meta = item["metadata"]
        key = meta.get("namespace", ""), meta["name"]
        kind = "MODIFIED" if key in self.objects[plural] else "ADDED"
        self.version += 1
        item = {**item, "metadata": {**meta, "resourceVersion": str(self.version)}}
        self.objects[plural][key] = item
        self.log.append((self.version, plural, kind, item))

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        self.version += 1
        item = self.objects[plural].pop((namespace, name))
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
        self.log.append((self.version, plural, "DELETED", item))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse | Object:
        self.requests.append(request)
        parts = request.path.strip("/").split("/")
        plural = parts[-1]
        namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts[:-1] else ""
        if plural not in GROUPS or not request.path.startswith(GROUPS[plural]):
            return web.Response(status=404)
        query = request.query
        if query.get("watch") in ("true", "1"):
            return await self._watch(request, plural, namespace)
        found = [
            item for (space, _), item in sorted(self.objects[plural].items())
            if not namespace or space == namespace
        ]  # fmt: skip
        start = int(query.get("continue") or 0)
        size = self.page if "limit" in query else len(found) or 1
        meta: Object = {"resourceVersion": str(self.version)}
        if start + size < len(found):
            meta["continue"] = str(start + size)
        api = GROUPS[plural].removeprefix("/apis/").removeprefix("/api/")
        head = {"kind": KINDS[plural] + "List", "apiVersion": api, "metadata": meta}
        return {**head, "items": found[start : start + size]}

    async def _watch(
        self, request: web.BaseRequest, plural: str, namespace: str
    ) -> web.StreamResponse:
        self.watches += 1
        seen = int(request.query.get("resourceVersion") or 0)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        api = GROUPS[plural].removeprefix("/apis/").removeprefix("/api/")
        head = {"kind": KINDS[plural], "apiVersion": api}

        async def say(kind: str, item: Object) -> None:
            await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")

        if seen < self.forgotten:
            await say("ERROR", {"kind": "Status", "code": 410, "message": "too old"})
            return response
        end: Object = {"resourceVersion": str(self.version), "creationTimestamp": None}
        if request.query.get("sendInitialEvents") == "true":
            for (space, _), item in self.objects[plural].items():
                if not namespace or space == namespace:
                    await say("ADDED", {**head, **item})
            seen, end["annotations"] = self.version, {"k8s.io/initial-events-end": "true"}
        await say("BOOKMARK", {**head, "metadata": end})
        while request.transport is not None and not request.transport.is_closing():
            if seen < self.forgotten:
                break
            for version, of, kind, item in list(self.log):
                in_it = not namespace or item["metadata"].get("namespace") == namespace
                if version > seen and of == plural and in_it:
                    await say(kind, {**head, **item})
            seen = max(seen, self.version)
            await asyncio.sleep(0.02)
        return response

    def routes(self) -> dict[str, Any]:
        return {"GET *": self.handle}


def meta(name: str, namespace: str = "", **more: Any) -> Object:
    found = {"name": name, "uid": f"uid-{name}", **more}
    return {**found, "namespace": namespace} if namespace else found


def node(name: str, address: str, **labels: str) -> Object:
    return {
        "metadata": meta(name, labels={"kubernetes.io/hostname": name, **labels}),
        "spec": {"providerID": f"lab:///{name}"},
        "status": {
            "addresses": [
                {"type": "Hostname", "address": name},
                {"type": "InternalIP", "address": address},
                {"type": "InternalIP", "address": "203.0.113.1"},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    }


def pod(name: str, address: str, on: str = "n1", ready: str = "True", **labels: str) -> Object:
    return {
        "metadata": meta(
            name, "default", labels={"app": "web", **labels}, annotations={"note/x-y": "1"},
            ownerReferences=[{"apiVersion": "apps/v1", "controller": True, "kind": "ReplicaSet",
                              "name": "web-1", "uid": "u"}],
        ),
        "spec": {
            "nodeName": on,
            "containers": [
                {"name": "web", "image": "web:1", "ports": [
                    {"name": "http", "containerPort": 8080, "protocol": "TCP"},
                    {"name": "admin", "containerPort": 9090, "protocol": "TCP"}]},
                {"name": "side", "image": "side:1"},
            ],
            "initContainers": [{"name": "setup", "image": "setup:1", "ports": [
                {"name": "init", "containerPort": 7000, "protocol": "UDP"}]}],
        },
        "status": {
            "phase": "Running", "podIP": address, "hostIP": "192.0.2.1",
            "conditions": [{"type": "Initialized", "status": "True"},
                           {"type": "Ready", "status": ready}],
            "containerStatuses": [{"name": "web", "containerID": f"docker://{name}", "ready": True,
                                   "restartCount": 0, "image": "web:1", "imageID": ""}],
        },
    }  # fmt: skip


def service(name: str, **spec: Any) -> Object:
    return {
        "metadata": meta(name, "default", labels={"svc": name}),
        "spec": {"clusterIP": "10.96.0.1", "type": "ClusterIP", "ports": [
            {"name": "http", "port": 80, "protocol": "TCP"},
            {"name": "dns", "port": 53, "protocol": "UDP"}], **spec},
    }  # fmt: skip


def ref(name: str, kind: str = "Pod") -> Object:
    return {"kind": kind, "name": name, "namespace": "default"}


ENDPOINTS = {
    "metadata": meta("web", "default", labels={"svc": "web"}),
    "subsets": [
        {
            "addresses": [
                {"ip": "10.0.0.1", "nodeName": "n1", "targetRef": ref("web-a")},
                {"ip": "10.0.0.77", "hostname": "outside"},
            ],
            "notReadyAddresses": [{"ip": "10.0.0.2", "nodeName": "n2", "targetRef": ref("web-b")}],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }
    ],
}
SLICE = {
    "metadata": meta("web-x1", "default", labels={"kubernetes.io/service-name": "web"}),
    "addressType": "IPv4",
    "endpoints": [
        {
            "addresses": ["10.0.0.1", "10.0.1.1"], "nodeName": "n1", "zone": "z1",
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": ref("web-a"),
        },
        {
            "addresses": ["10.0.0.2"], "hostname": "b", "conditions": {"ready": False},
            "targetRef": ref("web-b"), "deprecatedTopology": {"topology.kubernetes.io/zone": "z2"},
        },
        {"addresses": ["10.0.0.9"], "targetRef": ref("n2", "Node")},
    ],
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "h2c"}],
}  # fmt: skip
INGRESS = {
    "metadata": meta("edge", "default", labels={"edge": "1"}),
    "spec": {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["*.lab.example", "exact.example"]}],
        "rules": [
            {"host": "a.lab.example", "http": {"paths": [
                {"path": "/x", "pathType": "Prefix", "backend": {}},
                {"pathType": "Prefix", "backend": {}}]}},
            {"host": "a.b.lab.example"},
            {"host": "exact.example", "http": {"paths": []}},
        ],
    },
}  # fmt: skip


def cluster() -> FakeKubernetes:
    """A small cluster with one of everything."""
    return FakeKubernetes(
        nodes=[node("n1", "192.0.2.1", zone="z1"), node("n2", "192.0.2.2"), node("n3", "fd00::3")],
        namespaces=[{"metadata": meta("default", labels={"team": "lab"})}],
        pods=[
            pod("web-a", "10.0.0.1"), pod("web-b", "10.0.0.2", on="n2", ready="False"),
            pod("pending", ""), pod("six", "fd00::9"),
        ],
        services=[
            service("web"), service("out", type="ExternalName", externalName="out.example"),
            service("lb", type="LoadBalancer", loadBalancerIP="198.51.100.7"),
        ],
        endpoints=[ENDPOINTS],
        endpointslices=[SLICE],
        ingresses=[INGRESS],
    )  # fmt: skip
