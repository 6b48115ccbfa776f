"""EC2 against moto's server, Lightsail against answers of our own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from aiohttp import web
from discovering import discovered, discovering
from fake_api import serving

from tests.moto_aws import KEYS, moto_server


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def instances(moto: str) -> list[dict[str, Any]]:
    ec2: Any = boto3.client("ec2", region_name="eu-west-1", endpoint_url=moto, **KEYS)
    image = ec2.describe_images()["Images"][0]["ImageId"]

    def run(**tags: str) -> None:
        spec = [{"Key": key, "Value": value} for key, value in tags.items()]
        ec2.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro",
            TagSpecifications=[{"ResourceType": "instance", "Tags": spec}],
        )  # fmt: skip

    run(**{"environment": "prod", "aws:odd name": "x"})
    run(environment="test")
    reservations = ec2.describe_instances()["Reservations"]
    return [{**i, "OwnerId": r["OwnerId"]} for r in reservations for i in r["Instances"]]


def section(moto: str, more: str = "", secret: str = "s3cret") -> str:
    return (
        f"ec2_sd_configs: [{{region: eu-west-1, endpoint: '{moto}', access_key: key, "
        f"secret_key: {secret}, port: 9100{more}}}]"
    )


async def test_labels_of_an_instance(moto: str, instances: list[dict[str, Any]]) -> None:
    (found,) = await discovered(
        section(moto, ", filters: [{name: 'tag:environment', values: [prod]}]")
    )
    (instance,) = [i for i in instances if {"Key": "environment", "Value": "prod"} in i["Tags"]]
    zone = instance["Placement"]["AvailabilityZone"]
    assert found.pop("__meta_ec2_availability_zone_id")
    assert found == {
        "__address__": f"{instance['PrivateIpAddress']}:9100",
        "__meta_ec2_ami": instance["ImageId"],
        "__meta_ec2_architecture": "x86_64",
        "__meta_ec2_availability_zone": zone,
        "__meta_ec2_instance_id": instance["InstanceId"],
        "__meta_ec2_instance_state": "running",
        "__meta_ec2_instance_type": "t3.micro",
        "__meta_ec2_owner_id": instance["OwnerId"],
        "__meta_ec2_platform": instance["Platform"],
        "__meta_ec2_primary_subnet_id": instance["SubnetId"],
        "__meta_ec2_private_dns_name": instance["PrivateDnsName"],
        "__meta_ec2_private_ip": instance["PrivateIpAddress"],
        "__meta_ec2_public_dns_name": instance["PublicDnsName"],
        "__meta_ec2_public_ip": instance["PublicIpAddress"],
        "__meta_ec2_region": "eu-west-1",
        "__meta_ec2_subnet_id": f",{instance['SubnetId']},",
        "__meta_ec2_tag_aws_odd_name": "x",
        "__meta_ec2_tag_environment": "prod",
        "__meta_ec2_vpc_id": instance["VpcId"],
    }


async def test_a_role_is_assumed(
    moto: str, instances: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto)
    role = ", role_arn: 'arn:aws:iam::123456789012:role/reader'"
    assert len(await discovered(section(moto, role))) == len(instances)


async def test_new_instances_are_found_and_a_cloud_that_fails_keeps_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ExitStack() as cloud:
        url = cloud.enter_context(moto_server())
        ec2: Any = boto3.client("ec2", region_name="eu-west-1", endpoint_url=url, **KEYS)
        async with discovering(section(url, ", refresh_interval: 100ms")) as watched:
            before = await watched.next()
            image = ec2.describe_images()["Images"][0]["ImageId"]
            ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)
            after = await watched.next()
            assert len(after) == len(before) + 1
            cloud.close()
            await watched.failed("ec2")
            assert watched.updates.empty()
    assert "keeps what it had" in caplog.text
    assert "s3cret" not in caplog.text


def lightsail(request: web.BaseRequest) -> dict[str, Any]:
    assert request.headers["X-Amz-Target"].endswith("GetInstances")
    return {
        "instances": [
            {
                "name": "one",
                "supportCode": "1/i-1",
                "location": {"availabilityZone": "eu-west-1a", "regionName": "eu-west-1"},
                "blueprintId": "debian_12",
                "bundleId": "nano_3_0",
                "privateIpAddress": "172.26.0.1",
                "publicIpAddress": "198.51.100.1",
                "ipv6Addresses": ["fd00::1"],
                "state": {"code": 16, "name": "running"},
                "tags": [{"key": "team-name", "value": "lab"}, {"key": "bare"}],
            },
            {"name": "two"},
        ]
    }


async def test_lightsail() -> None:
    with serving({"POST /": lightsail}) as api:
        assert await discovered(
            f"lightsail_sd_configs: [{{region: eu-west-1, endpoint: '{api.base}', "
            "access_key: key, secret_key: s3cret}]"
        ) == [
            {
                "__address__": "172.26.0.1:80",
                "__meta_lightsail_availability_zone": "eu-west-1a",
                "__meta_lightsail_blueprint_id": "debian_12",
                "__meta_lightsail_bundle_id": "nano_3_0",
                "__meta_lightsail_instance_name": "one",
                "__meta_lightsail_instance_state": "running",
                "__meta_lightsail_instance_support_code": "1/i-1",
                "__meta_lightsail_ipv6_addresses": ",fd00::1,",
                "__meta_lightsail_private_ip": "172.26.0.1",
                "__meta_lightsail_public_ip": "198.51.100.1",
                "__meta_lightsail_region": "eu-west-1",
                "__meta_lightsail_tag_team_name": "lab",
            }
        ]


def test_nothing_of_it_is_loaded_before_it_is_used() -> None:
    code = (
        "import sys; from promlab.config import load_text; from promlab.discovery import *;"
        "load_text('scrape_configs: [{job_name: a, ec2_sd_configs: [{region: x}]}]');"
        "assert not {'boto3', 'botocore', 'dns'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
