"""Clouds, as their APIs answer."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from case import Case


def keystone(base: str) -> dict[str, Any]:
    def service(kind: str, path: str = "") -> dict[str, Any]:
        return {"type": kind, "name": kind, "id": kind, "endpoints": [
            {"id": f"{kind}-{region}-{interface}", "interface": interface, "region": region,
             "region_id": region, "url": f"{base if region == 'one' else 'http://0.0.0.0:1'}{path}"}
            for region in ("two", "one") for interface in ("internal", "public")
        ]}  # fmt: skip

    answer = {"token": {
        "methods": ["password"], "expires_at": "2099-01-01T00:00:00.000000Z",
        "issued_at": "2024-01-01T00:00:00.000000Z",
        "user": {"id": "u-1", "name": "me", "domain": {"id": "default", "name": "Default"}},
        "project": {"id": "p-1", "name": "lab", "domain": {"id": "default", "name": "Default"}},
        "catalog": [service("compute", "/compute/v2.1"), service("network"),
                    service("load-balancer", "/lb")],
    }}  # fmt: skip

    def tokens(_: web.BaseRequest) -> web.Response:
        text = json.dumps(answer)
        headers = {"X-Subject-Token": "s3cret-token"}
        return web.Response(text=text, status=201, headers=headers, content_type="application/json")

    return {"POST /v3/auth/tokens": tokens}


def server(number: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "name": f"vm {number}", "status": "ACTIVE", "tenant_id": "p-1",
        "user_id": "u-1", "flavor": {"id": "7", "links": []}, "image": {"id": "img-1"},
        "metadata": {"my-key": "my value"}, "created": "2024-01-01T00:00:00Z",
        "updated": "2024-01-01T00:00:00Z",
        "addresses": {"private": [
            {"addr": "10.0.0.32", "version": 4, "OS-EXT-IPS:type": "fixed"},
            {"addr": "198.51.100.32", "version": 4, "OS-EXT-IPS:type": "floating"},
        ], "six": [{"addr": "2001:db8::32", "version": 6}]},
        **more,
    }  # fmt: skip


def openstack(base: str) -> dict[str, Any]:
    def servers(request: web.BaseRequest) -> dict[str, Any]:
        if request.query.get("marker"):
            return {"servers": [
                server("s-2", image="", metadata={}, addresses={"private": [{"addr": "10.0.0.9"}]},
                       flavor={"original_name": "m1.small"}),
                server("s-3", addresses={}),
            ]}  # fmt: skip
        following = f"{base}/compute/v2.1/servers/detail?marker=s-1"
        return {"servers": [server("s-1")], "servers_links": [{"rel": "next", "href": following}]}

    return {
        **keystone(base),
        "GET /compute/v2.1/servers/detail": servers,
        "GET /compute/v2.1/os-hypervisors/detail": {"hypervisors": [
            {"id": 1, "host_ip": "10.1.0.1", "hypervisor_hostname": "h1", "status": "enabled",
             "state": "up", "hypervisor_type": "QEMU", "hypervisor_version": 2002000,
             "cpu_info": ""},
            {"id": 721, "host_ip": "10.1.0.2", "hypervisor_hostname": "h2", "status": "disabled",
             "state": "down", "hypervisor_type": "QEMU", "hypervisor_version": 2002000,
             "cpu_info": ""},
        ]},
        "GET /v2.0/ports": {"ports": [
            {"id": "port-1", "device_id": "s-1", "tenant_id": "p-1"},
            {"id": "port-2", "device_id": "lb-1", "tenant_id": "p-1"},
        ]},
        "GET /v2.0/floatingips": {"floatingips": [
            {"id": "f-1", "port_id": "port-1", "fixed_ip_address": "10.0.0.32",
             "floating_ip_address": "198.51.100.32", "tenant_id": "p-1"},
            {"id": "f-2", "port_id": "port-2", "fixed_ip_address": "10.0.0.77",
             "floating_ip_address": "198.51.100.77", "tenant_id": "p-1"},
            {"id": "f-3", "port_id": None, "fixed_ip_address": None,
             "floating_ip_address": "198.51.100.99", "tenant_id": "p-1"},
        ]},
        "GET /lb/v2.0/lbaas/loadbalancers": {"loadbalancers": [
            {"id": "lb-1", "name": "front", "operating_status": "ONLINE",
             "provisioning_status": "ACTIVE", "availability_zone": "az1", "vip_port_id": "port-2",
             "vip_address": "10.0.0.77", "provider": "amphora", "project_id": "p-1",
             "tags": ["a", "b"]},
            {"id": "lb-2", "name": "no metrics", "vip_address": "10.0.0.78", "tags": []},
            {"id": "lb-3", "name": "bare", "vip_address": "10.0.0.79", "provider": "ovn",
             "availability_zone": None, "project_id": "p-1", "tags": []},
        ]},
        "GET /lb/v2.0/lbaas/listeners": {"listeners": [
            {"id": "li-1", "protocol": "HTTP", "protocol_port": 80,
             "loadbalancers": [{"id": "lb-1"}, {"id": "lb-2"}]},
            {"id": "li-2", "protocol": "PROMETHEUS", "protocol_port": 9091,
             "loadbalancers": [{"id": "lb-1"}]},
            {"id": "li-3", "protocol": "PROMETHEUS", "protocol_port": 8088,
             "loadbalancers": [{"id": "lb-3"}]},
        ]},
    }  # fmt: skip


KUMA_TYPE = "type.googleapis.com/kuma.observability.v1.MonitoringAssignment"
KUMA = {"POST /v3/discovery:monitoringassignments": {
    "version_info": "v1", "type_url": KUMA_TYPE, "nonce": "n1", "resources": [
        {"@type": KUMA_TYPE, "mesh": "default", "service": "prometheus-server", "targets": [
            {"name": "prometheus-01", "scheme": "http", "address": "10.1.4.32:9090",
             "metrics_path": "/custom-metrics", "labels": {"kuma.io/protocol": "http"}},
            {"name": "prometheus-02", "scheme": "https", "address": "10.1.4.33:9090",
             "metrics_path": "", "labels": {}},
        ], "labels": {"kuma.io/zone": "us-east-1", "team": "infra"}},
        {"@type": KUMA_TYPE, "mesh": "metrics", "service": "grafana", "targets": [], "labels": {}},
    ],
}}  # fmt: skip

OVH: dict[str, Any] = {
    "GET /auth/time": 1_700_000_000,
    "GET /vps": ["abc.vps.ovh.net", "six.vps.ovh.net", "gone.vps.ovh.net"],
    "GET /vps/abc.vps.ovh.net": {
        "name": "abc.vps.ovh.net", "zone": "zone", "displayName": "abc", "cluster": "cluster_test",
        "state": "running", "netbootMode": "local", "memoryLimit": 2048, "offerType": "ssd",
        "vcore": 1, "keymap": None, "monitoringIpBlocks": [], "model": {
            "name": "vps-value-1-2-40", "offer": "VPS abc", "datacenter": ["gra", "sbg"],
            "vcore": 1, "memory": 2048, "disk": 40, "version": "2019v1",
            "maximumAdditionnalIp": 16}},
    "GET /vps/abc.vps.ovh.net/ips": ["198.51.100.1", "2001:db8::1"],
    "GET /vps/six.vps.ovh.net": {"name": "six.vps.ovh.net", "model": {"datacenter": []}},
    "GET /vps/six.vps.ovh.net/ips": ["2001:db8::2"],
    "GET /dedicated/server": ["abcde"],
    "GET /dedicated/server/abcde": {
        "name": "abcde", "state": "test", "commercialRange": "Advance-1 Gen 2", "linkSpeed": 123,
        "rack": "TESTRACK", "noIntervention": False, "os": "debian11_64", "supportLevel": "pro",
        "serverId": 1234, "reverse": "abcde-rev", "datacenter": "gra3", "ip": "198.51.100.3"},
    "GET /dedicated/server/abcde/ips": [
        "198.51.100.3/32", "2001:db8::/64", "2001:db8::3", "2001:db8::4/128", "0.0.0.0"],
}  # fmt: skip

TRITON = {
    "GET /v1/discover": {"containers": [
        {"groups": ["foo", "bar", "baz"], "server_uuid": "44454c4c-5000-104d-8037-b7c04f5a5131",
         "vm_alias": "server01", "vm_brand": "lx", "vm_image_uuid": "7b27a514-89d7-11e6",
         "vm_uuid": "ad466fbf-46a2-4027-9b64-8d3cdb7e9072"},
        {"server_uuid": "a5894692-bd32-4ca1", "vm_alias": "server02", "vm_brand": "kvm",
         "vm_image_uuid": "a5894692", "vm_uuid": "7b27a514-89d7"},
    ]},
    "GET /v1/gz/discover": {"cns": [
        {"server_hostname": "server01", "server_uuid": "44454c4c-5000-104d-8037-b7c04f5a5131"},
    ]},
}  # fmt: skip


def _xml(value: Any) -> str:
    from xmlrpc.client import dumps

    return dumps((value,), methodresponse=True)


def uyuni(request: web.BaseRequest) -> Any:
    from xmlrpc.client import loads

    async def answer() -> web.Response:
        _, method = loads(await request.read())
        found = {
            "auth.login": "s3cret-token",
            "system.listSystemGroupsForSystemsWithEntitlement": [
                {"id": 1000010000, "system_groups": [{"id": 1, "name": "prod"},
                                                     {"id": 2, "name": "web"}]},
                {"id": 1000010001, "system_groups": []},
            ],
            "system.monitoring.listEndpoints": [
                {"system_id": 1000010000, "endpoint_name": "Node Exporter", "port": 9100,
                 "path": "/metrics", "module": "", "exporter_name": "node_exporter",
                 "tls_enabled": False},
                {"system_id": 1000010001, "endpoint_name": "Apache", "port": 9117,
                 "path": "/proxy", "module": "apache_exporter", "exporter_name": "apache_exporter",
                 "tls_enabled": True},
            ],
            "system.getNetworkForSystems": [
                {"system_id": 1000010000, "hostname": "srv-01", "primary_fqdn": "srv-01.lab",
                 "ip": "10.0.0.1"},
                {"system_id": 1000010001, "hostname": "srv-02", "primary_fqdn": "",
                 "ip": "10.0.0.2"},
            ],
        }[str(method)]  # fmt: skip
        return web.Response(text=_xml(found), content_type="text/xml")

    return answer()


def vm(name: str, group: str, nics: list[str], **more: Any) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/sub/resourceGroups/{group}/providers/Microsoft.Compute/{name}",
        "name": name, "type": "Microsoft.Compute/virtualMachines", "location": "westeurope",
        "tags": {"my tag": "v"}, "properties": {
            "storageProfile": {"osDisk": {"osType": "Linux"}},
            "osProfile": {"computerName": f"{name}-host"},
            "hardwareProfile": {"vmSize": "Standard_B1s"},
            "networkProfile": {"networkInterfaces": [{"id": nic} for nic in nics]}},
        **more,
    }  # fmt: skip


def nic(private: str, public: str = "", **more: Any) -> dict[str, Any]:
    own: dict[str, Any] = {"privateIPAddress": private}
    if public:
        own["publicIPAddress"] = {"properties": {"ipAddress": public}}
    return {"name": "n", "properties": {"primary": True, "ipConfigurations": [
        {"properties": own}], **more}}  # fmt: skip


GROUP = "/subscriptions/sub/resourceGroups/lab"
NICS = f"{GROUP}/providers/Microsoft.Network/networkInterfaces"
SETS = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets"
COMPUTE = "/subscriptions/sub/providers/Microsoft.Compute"


def machines(request: web.BaseRequest) -> dict[str, Any]:
    if request.query.get("page"):
        return {
            "value": [
                vm("two", "lab", [f"{NICS}/off"]),
                vm("four", "lab", [f"{NICS}/second", f"{NICS}/six"], tags=None),
            ]
        }
    following = f"https://management.azure.com{COMPUTE}/virtualMachines?page=2&api-version=x"
    return {"value": [vm("one", "lab", [f"{NICS}/one"])], "nextLink": following}


AZURE: dict[str, Any] = {
    "POST /tenant/oauth2/v2.0/token": {
        "token_type": "Bearer", "expires_in": 3599, "access_token": "s3cret-token"},
    # Another client uses an older path.
    "POST /tenant/oauth2/token": {
        "token_type": "Bearer", "expires_in": "3599", "access_token": "s3cret-token"},
    # What Azure's own libraries ask first.
    "GET /tenant/v2.0/.well-known/openid-configuration": {
        "token_endpoint": "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
        "authorization_endpoint": "https://login.microsoftonline.com/tenant/oauth2/v2.0/authorize",
        "issuer": "https://login.microsoftonline.com/tenant/v2.0"},
    f"GET {COMPUTE}/virtualMachines": machines,
    f"GET {COMPUTE}/virtualMachineScaleSets": {"value": [
        {"id": f"{SETS}/set", "name": "set", "location": "westeurope"}]},
    f"GET {SETS}/set/virtualMachines": {"value": [
        vm("set_0", "lab", [f"{SETS}/set/virtualMachines/0/networkInterfaces/n"], instanceId="0",
           type="Microsoft.Compute/virtualMachineScaleSets/virtualMachines")]},
    f"GET {NICS}/one": nic("10.0.0.4", "198.51.100.4"),
    f"GET {NICS}/off": {"name": "off", "properties": {"ipConfigurations": [
        {"properties": {"privateIPAddress": "10.0.0.5"}}]}},
    f"GET {NICS}/second": nic("10.0.0.6", primary=False),
    f"GET {NICS}/six": nic("2001:db8::7"),
    f"GET {SETS}/set/virtualMachines/0/networkInterfaces/n": nic("10.0.1.4"),
}  # fmt: skip

OS = "identity_endpoint: 'BASE/v3', region: one, username: me, password: s3cret, " \
     "domain_name: Default, project_name: lab"  # fmt: skip
OVH_KEYS = "endpoint: 'BASE', application_key: key, application_secret: s3cret, consumer_key: ck"
CASES = [
    Case("openstack", f"openstack_sd_configs: [{{role: instance, {OS}}}]", openstack, 3,
         oracle="vmagent"),
    Case("openstack_hypervisor", f"openstack_sd_configs: [{{role: hypervisor, {OS}}}]", openstack,
         2, oracle="vmagent"),
    Case("openstack_balancer", f"openstack_sd_configs: [{{role: loadbalancer, {OS}}}]", openstack,
         2, oracle=""),
    Case("kuma", "kuma_sd_configs: [{server: 'BASE', client_id: lab}]", KUMA, 2,
         oracle="vmagent"),
    Case("ovh_vps", f"ovhcloud_sd_configs: [{{service: vps, {OVH_KEYS}}}]", OVH, 2),
    Case("ovh_dedicated", f"ovhcloud_sd_configs: [{{service: dedicated_server, {OVH_KEYS}}}]", OVH,
         1),
    Case("triton", "triton_sd_configs: [{account: me, dns_suffix: lab.example, TLS, "
         "groups: [foo, bar]}]", TRITON, 2, tls=True),
    Case("triton_nodes", "triton_sd_configs: [{role: cn, account: me, dns_suffix: lab.example, "
         "TLS}]", TRITON, 1, tls=True),
    Case("uyuni", "uyuni_sd_configs: [{server: 'BASE', username: me, password: s3cret}]",
         {"POST /rpc/api": uyuni}, 2),
    Case("azure", "azure_sd_configs: [{subscription_id: sub, tenant_id: tenant, client_id: c, "
         "client_secret: s3cret, CLOUD}]", AZURE, 3, oracle="vmagent",
         hosts=("login.microsoftonline.com", "management.azure.com")),
]  # fmt: skip
