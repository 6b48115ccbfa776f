"""Eureka, Marathon, PuppetDB, Consul, Nomad, as their APIs answer."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from case import Case

EUREKA = b"""<applications><versions__delta>1</versions__delta><application><name>SHOP</name>
<instance><instanceId>shop-1</instanceId><hostName>shop.lab</hostName><app>SHOP</app>
<ipAddr>10.0.0.1</ipAddr><status>UP</status><overriddenstatus>UNKNOWN</overriddenstatus>
<port enabled="true">8080</port><securePort enabled="false">443</securePort>
<countryId>1</countryId><dataCenterInfo class="x"><name>MyOwn</name>
<metadata><instance-type>m1</instance-type></metadata></dataCenterInfo>
<metadata class="java.util.HashMap"><zone.name>a</zone.name><empty/></metadata>
<homePageUrl>http://shop.lab/</homePageUrl><statusPageUrl>http://shop.lab/info</statusPageUrl>
<healthCheckUrl>http://shop.lab/health</healthCheckUrl><vipAddress>shop</vipAddress>
<secureVipAddress>shops</secureVipAddress></instance>
<instance><instanceId>shop-2</instanceId><hostName>shop2.lab</hostName></instance>
</application></applications>"""


def xml(_: web.BaseRequest) -> web.Response:
    return web.Response(body=EUREKA, content_type="application/xml")


def task(name: str, *ports: int, **more: Any) -> dict[str, Any]:
    return {"id": name, "host": f"{name}.lab", "ports": list(ports), **more}


MARATHON = {
    "apps": [
        {
            "id": "/host", "labels": {"team.name": "lab"},
            "container": {"docker": {"image": "host:1"}},
            "portDefinitions": [{"port": 10000, "labels": {"metrics-path": "/m"}},
                                {"port": 10001}],
            "requirePorts": False,
            "tasks": [task("h1", 31000, 31001), task("h2", 32000, 32001)],
        },
        {
            "id": "/required", "portDefinitions": [{"port": 10000, "labels": {}}],
            "requirePorts": True, "tasks": [task("r1", 31000)],
        },
        {
            "id": "/mapped", "networks": [{"mode": "container", "name": "net"}],
            "container": {"docker": {"image": "m:1"}, "portMappings": [
                {"containerPort": 80, "hostPort": 0, "labels": {"a": "b"}}]},
            "tasks": [task("m1", 31000, ipAddresses=[{"ipAddress": "10.2.0.1"}])],
        },
        {
            "id": "/bridged", "networks": [{"mode": "container/bridge"}],
            "container": {"docker": {"image": "b:1", "portMappings": [
                {"containerPort": 80, "hostPort": 0}]}},
            "tasks": [task("b1", 31005)],
        },
        {"id": "/plain", "tasks": [task("p1", 31007)]},
        {"id": "/none", "tasks": []},
    ]
}  # fmt: skip

PUPPET = [
    {
        "certname": "one.lab", "resource": "49af83866dc5a1518968b68e58a25319107afe11",
        "type": "Class", "title": "Httpd", "exported": False, "tags": ["class", "httpd"],
        "file": "/etc/manifest.pp", "line": 3, "environment": "prod",
        "parameters": {
            "port": 8080, "ratio": 0.5, "ssl": True, "name": "x", "list": ["a", 1, True],
            "map": {"inner-key": "v", "deep": {"n": 1}}, "nothing": None, "none": [],
        },
    }
]  # fmt: skip


def puppet(request: web.BaseRequest) -> web.Response:
    return web.Response(text=json.dumps(PUPPET), content_type="application/json")


CATALOG = {"web": ["v1", "canary"], "db": [], "consul": []}


def entry(node: str, port: int, *tags: str, **more: Any) -> dict[str, Any]:
    return {
        "Node": {"Node": node, "Datacenter": "dc1", "Address": f"10.0.0.{node[-1]}",
                 "Meta": {"rack-id": "r1"},
                 "TaggedAddresses": {"lan": "10.0.0.1", "wan": "198.51.100.1"}},
        "Service": {"ID": f"web-{node}", "Service": "web", "Tags": list(tags), "Port": port,
                    "Address": "", "Meta": {"version": "1"}, **more},
        "Checks": [{"CheckID": "serfHealth", "Status": "passing"},
                   {"CheckID": "service:web", "Status": "warning"}],
    }  # fmt: skip


def indexed(header: str, value: Any) -> Any:
    return lambda _: web.json_response(value, headers={header: "7"})


WEB = [entry("n1", 80, "v1", "canary"), entry("n2", 81, "v1", Address="192.0.2.9")]
CONSUL = {
    "GET /v1/agent/self": {"Config": {"Datacenter": "dc1"}},
    "GET /v1/catalog/services": indexed("X-Consul-Index", CATALOG),
    "GET /v1/health/service/web": indexed("X-Consul-Index", WEB),
    "GET /v1/health/service/db": indexed("X-Consul-Index", []),
    "GET /v1/health/service/consul": indexed("X-Consul-Index", []),
}
NOMAD = {
    "GET /v1/services": indexed("X-Nomad-Index", [{"Namespace": "default", "Services": [
        {"ServiceName": "web/api", "Tags": ["a"]}, {"ServiceName": "gone", "Tags": []}]}]),
    "GET /v1/service/web/api": indexed("X-Nomad-Index", [
        {"ID": "s-1", "ServiceName": "web/api", "Namespace": "default", "NodeID": "node-1",
         "Datacenter": "dc1", "JobID": "j", "AllocID": "a", "Tags": ["a", "b"],
         "Address": "10.0.0.1", "Port": 23000},
    ]),
    "GET /v1/service/gone": indexed("X-Nomad-Index", []),
}  # fmt: skip

CASES = [
    Case("eureka", "eureka_sd_configs: [{server: 'BASE/eureka'}]", {"GET /eureka/apps": xml}, 2),
    Case("marathon", "marathon_sd_configs: [{servers: ['BASE']}]",
         {"GET /v2/apps/": MARATHON}, 8),
    Case("puppetdb", "puppetdb_sd_configs: [{url: 'BASE', query: 'resources {}', port: 9100, "
         "include_parameters: true}]", {"POST /pdb/query/v4": puppet}, 1),
    Case("consul", "consul_sd_configs: [{server: 'HOST'}]", CONSUL, 2, oracle="vmagent"),
    Case("consul_services", "consul_sd_configs: [{server: 'HOST', services: [web]}]", CONSUL, 2,
         oracle="vmagent"),
    Case("nomad", "nomad_sd_configs: [{server: 'BASE'}]", NOMAD, 1, oracle="vmagent"),
]  # fmt: skip
