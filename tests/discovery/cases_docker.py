"""Docker and swarm, as their daemons answer."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from case import Case


def versioned(routes: dict[str, Any]) -> dict[str, Any]:
    """The same with the versions in front that clients may put there."""
    ping = {"GET /_ping": b"OK", "HEAD /_ping": lambda _: web.Response(
        headers={"API-Version": "1.44", "Ostype": "linux"}
    )}  # fmt: skip
    found = {**ping, **routes}
    for minor in range(24, 60):
        for key, answer in routes.items():
            method, _, path = key.partition(" ")
            found[f"{method} /v1.{minor}{path}"] = answer
    return found


def network(name: str, **more: Any) -> dict[str, Any]:
    return {"Id": f"net-{name}", "Name": name, "Scope": "local", "Internal": False,
            "Ingress": False, "Labels": {"net.label/x": "1"}, **more}  # fmt: skip


def port(private: int, public: int = 0, kind: str = "tcp") -> dict[str, Any]:
    more = {"IP": "0.0.0.0", "PublicPort": public} if public else {}
    return {"PrivatePort": private, "Type": kind, **more}


def container(name: str, mode: str, networks: Any, ports: Any, **labels: str) -> dict[str, Any]:
    return {
        "Id": f"id-{name}", "Names": [f"/{name}", "/other/alias"], "Image": "image",
        "Labels": labels, "State": "running", "Ports": ports,
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": networks},
    }  # fmt: skip


def attached(name: str, address: str) -> dict[str, Any]:
    return {"NetworkID": f"net-{name}", "IPAddress": address, "EndpointID": "e"}


CONTAINERS = [
    container("web", "front", {"front": attached("front", "172.18.0.2")},
              [port(80, 8080), port(443), port(53, kind="udp")], **{"com.example/a-b": "x"}),
    container("two", "front", {"zz": attached("back", "172.19.0.9"),
                               "front": attached("front", "172.18.0.3")}, [port(9100)]),
    container("bare", "front", {"front": attached("front", "172.18.0.4")}, None),
    container("host", "host", {"host": attached("host", "")}, []),
    container("shares", "container:id-web", {}, [port(9113)]),
    container("chain", "container:id-shares", {}, []),
    container("lost", "container:gone", {}, []),
    container("unnamed", "front", {}, []) | {"Names": []},
]  # fmt: skip
NETWORKS = [network("front"), network("back", Internal=True, Labels=None), network("host")]
DOCKER = versioned({"GET /containers/json": CONTAINERS, "GET /networks": NETWORKS})

SERVICES = [
    {
        "ID": "s1",
        "Spec": {
            "Name": "mesh",
            "Labels": {"com.docker/stack": "lab"},
            "TaskTemplate": {"ContainerSpec": {"Image": "app:1", "Hostname": "app-host"}},
            "Mode": {"Replicated": {"Replicas": 2}},
        },
        "UpdateStatus": {"State": "completed"},
        "Endpoint": {
            "Ports": [
                {"Name": "web", "Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080,
                 "PublishMode": "ingress"},
                {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53},
            ],
            "VirtualIPs": [{"NetworkID": "net-front", "Addr": "10.0.0.3/24"},
                           {"NetworkID": "net-back", "Addr": "10.1.0.3/24"}],
        },
    },
    {
        "ID": "s2",
        "Spec": {"Name": "agent", "Labels": {}, "Mode": {"Global": {}},
                 "TaskTemplate": {"ContainerSpec": {"Image": "agent:1"}}},
        "Endpoint": {"VirtualIPs": [{"NetworkID": "net-back", "Addr": "10.1.0.7/24"}]},
    },
]  # fmt: skip
NODES = [
    {
        "ID": "n1",
        "Spec": {"Role": "manager", "Availability": "active", "Labels": {"rack.id": "r1"}},
        "Description": {"Hostname": "one", "Platform": {"Architecture": "x86_64", "OS": "linux"},
                        "Engine": {"EngineVersion": "27.0"}},
        "Status": {"State": "ready", "Addr": "192.0.2.1"},
        "ManagerStatus": {"Leader": True, "Reachability": "reachable", "Addr": "192.0.2.1:2377"},
    },
    {
        "ID": "n2",
        "Spec": {"Role": "worker", "Availability": "drain"},
        "Description": {"Hostname": "two", "Platform": {"Architecture": "arm64", "OS": "linux"},
                        "Engine": {"EngineVersion": "26.1"}},
        "Status": {"State": "down", "Addr": "192.0.2.2"},
    },
]  # fmt: skip
TASKS = [
    {
        "ID": "t1", "ServiceID": "s1", "NodeID": "n1", "Slot": 1, "DesiredState": "running",
        "Spec": {"ContainerSpec": {"Labels": {"tier": "front"}}},
        "Status": {
            "State": "running", "ContainerStatus": {"ContainerID": "c1"},
            "PortStatus": {"Ports": [{"Protocol": "tcp", "PublishedPort": 9000,
                                      "PublishMode": "host"}]},
        },
        "NetworksAttachments": [{"Network": {"ID": "net-front"}, "Addresses": ["10.0.0.9/24"]}],
    },
    {
        "ID": "t2", "ServiceID": "s2", "NodeID": "n2", "DesiredState": "running",
        "Spec": {}, "Status": {"State": "starting", "PortStatus": {}},
        "NetworksAttachments": [{"Network": {"ID": "net-back"}, "Addresses": ["10.1.0.9/24"]}],
    },
]  # fmt: skip
SWARM = versioned({
    "GET /services": SERVICES, "GET /tasks": TASKS, "GET /nodes": NODES,
    "GET /networks": [network("front", Scope="swarm", Ingress=True), network("back")],
})  # fmt: skip

CASES = [
    Case("docker", "docker_sd_configs: [{host: 'BASE'}]", DOCKER, 7),
    Case("docker_all_networks", "docker_sd_configs: [{host: 'tcp://HOST', port: 9999, "
         "match_first_network: false, host_networking_host: 'dockerhost', "
         "filters: [{name: label, values: [a, b]}]}]", DOCKER, 8),
    Case("docker_socket", "docker_sd_configs: [{host: 'unix://SOCKET'}]", DOCKER, 7, unix=True),
    Case("swarm_services", "dockerswarm_sd_configs: [{host: 'BASE', role: services}]", SWARM, 3),
    Case("swarm_tasks", "dockerswarm_sd_configs: [{host: 'BASE', role: tasks}]", SWARM, 3),
    Case("swarm_nodes", "dockerswarm_sd_configs: [{host: 'BASE', role: nodes, port: 9100}]",
         SWARM, 2),
]  # fmt: skip
