"""All cases, by mechanism."""

from __future__ import annotations

import cases_aws
import cases_clouds
import cases_docker
import cases_google
import cases_hosters
import cases_kubernetes
import cases_registries
import cases_signed
import cases_zookeeper
from case import Case, MotoCase

HTTP = [{"targets": ["a:1", "b:2"], "labels": {"dc": "x", "empty": ""}}, {"targets": ["[::1]:3"]}]
KEYS = "access_key: key, secret_key: s3cret"


def lightsail(_: object) -> dict[str, object]:
    return {"instances": [
        {"name": "one", "supportCode": "1/i-1", "blueprintId": "debian_12", "bundleId": "nano",
         "location": {"availabilityZone": "eu-west-1a", "regionName": "eu-west-1"},
         "privateIpAddress": "172.26.0.1", "publicIpAddress": "198.51.100.1",
         "ipv6Addresses": ["fd00::1", "fd00::2"], "state": {"code": 16, "name": "running"},
         "tags": [{"key": "team-name", "value": "lab"}]},
    ]}  # fmt: skip


CASES = [
    Case("lightsail", f"lightsail_sd_configs: [{{region: eu-west-1, endpoint: 'BASE', {KEYS}}}]",
         {"POST /": lightsail}, 1),
    Case("http", "http_sd_configs: [{url: 'BASE/sd?a=b'}]", {"GET /sd": HTTP}, 3),
    *cases_docker.CASES,
    *cases_kubernetes.CASES,
    *cases_registries.CASES,
    *cases_hosters.CASES,
    *cases_clouds.CASES,
    *cases_google.CASES,
    *cases_zookeeper.CASES,
    *cases_aws.CASES,
    *cases_signed.CASES,
]  # fmt: skip
EC2 = MotoCase("ec2", f"ec2_sd_configs: [{{region: us-west-2, endpoint: 'BASE', {KEYS}}}]", {}, 2)
