"""RDS, ElastiCache and ECS against moto's server; roles of the section for all services."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from cases_aws import ecs
from discovering import discovered
from fake_api import serving

from promlab.config import load_text
from promlab.discovery.aws_databases import _serverless, fields, shown, snake
from promlab.errors import ConfigError
from tests.moto_aws import KEYS, moto_server

REGION = "ap-south-1"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


def client(moto: str, service: str) -> Any:
    return boto3.client(service, region_name=REGION, endpoint_url=moto, **KEYS)  # type: ignore[call-overload]


def section(moto: str, mechanism: str, more: str = "") -> str:
    return (
        f"{mechanism}_sd_configs: [{{region: {REGION}, endpoint: '{moto}', access_key: key, "
        f"secret_key: s3cret{more}}}]"
    )


@pytest.fixture(scope="module")
def database(moto: str) -> dict[str, Any]:
    rds = client(moto, "rds")
    rds.create_db_cluster(
        DBClusterIdentifier="lab", Engine="aurora-postgresql", MasterUsername="me",
        MasterUserPassword="s3cret-password", DatabaseName="shop",
        Tags=[{"Key": "my team", "Value": "x"}],
    )  # fmt: skip
    rds.create_db_instance(
        DBInstanceIdentifier="lab-1", DBClusterIdentifier="lab", Engine="aurora-postgresql",
        DBInstanceClass="db.r5.large", Tags=[{"Key": "role", "Value": "writer"}],
    )  # fmt: skip
    (cluster,) = rds.describe_db_clusters()["DBClusters"]
    (instance,) = rds.describe_db_instances()["DBInstances"]
    return {"cluster": cluster, "instance": instance}


@pytest.mark.parametrize("mechanism", ["rds", "aws"])
async def test_rds(moto: str, database: dict[str, Any], mechanism: str) -> None:
    role = ", role: rds" if mechanism == "aws" else ""
    (found,) = await discovered(section(moto, mechanism, f"{role}, port: 9187"))
    cluster, instance = database["cluster"], database["instance"]
    assert found["__address__"] == f"{instance['Endpoint']['Address']}:9187"
    wanted = {
        "cluster_arn": cluster["DBClusterArn"],
        "cluster_identifier": "lab",
        "cluster_database_name": "shop",
        "cluster_engine": "aurora-postgresql",
        "cluster_status": cluster["Status"],
        "cluster_multi_az": "true" if cluster["MultiAZ"] else "false",
        "cluster_tag_my_team": "x",
        "instance_arn": instance["DBInstanceArn"],
        "instance_class": "db.r5.large",
        "instance_identifier": "lab-1",
        "instance_db_cluster_identifier": "lab",
        "instance_endpoint_address": instance["Endpoint"]["Address"],
        "instance_endpoint_port": str(instance["Endpoint"]["Port"]),
        "instance_instance_create_time": shown(instance["InstanceCreateTime"]),
        "instance_tag_role": "writer",
    }
    for name, value in wanted.items():
        assert found[f"__meta_rds_{name}"] == value, name
    assert "s3cret" not in str(found)


async def test_rds_by_name_and_filter(moto: str, database: dict[str, Any]) -> None:
    arn = database["cluster"]["DBClusterArn"]
    assert len(await discovered(section(moto, "rds", f", clusters: ['{arn}']"))) == 1
    other = ", filters: [{name: engine, values: [mysql]}]"
    assert await discovered(section(moto, "rds", other)) == []


async def test_elasticache(moto: str) -> None:
    cache = client(moto, "elasticache")
    made = cache.create_cache_cluster(
        CacheClusterId="lab", Engine="redis", CacheNodeType="cache.t3.micro", NumCacheNodes=1,
        Tags=[{"Key": "my team", "Value": "x"}],
    )["CacheCluster"]  # fmt: skip
    (cluster,) = cache.describe_cache_clusters(ShowCacheNodeInfo=True)["CacheClusters"]
    found = await discovered(section(moto, "elasticache"))
    assert len(found) == len(cluster.get("CacheNodes", []))
    for labels in found:
        assert labels["__meta_elasticache_cache_cluster_arn"] == made["ARN"]
        assert labels["__meta_elasticache_cache_cluster_cache_cluster_id"] == "lab"
        assert labels["__meta_elasticache_cache_cluster_engine"] == "redis"
        assert labels["__meta_elasticache_cache_cluster_tag_my_team"] == "x"
        assert labels["__meta_elasticache_deployment_option"] == "node"


def test_a_serverless_cache() -> None:
    cache = {
        "ServerlessCacheName": "lab", "ARN": "arn:s", "Status": "available", "Engine": "valkey",
        "CreateTime": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "SnapshotRetentionLimit": 0,
        "Endpoint": {"Address": "lab.cache", "Port": 6379},
        "ReaderEndpoint": {"Address": "lab.cache", "Port": 6380},
        "SecurityGroupIds": ["sg-1", "sg-2"], "SubnetIds": ["subnet-1"],
        "CacheUsageLimits": {"DataStorage": {"Maximum": 5, "Unit": "GB"},
                             "ECPUPerSecond": {"Minimum": 1000}},
    }  # fmt: skip
    found = _serverless(cache, [{"Key": "my key", "Value": "v"}])
    assert found.pop("__address__") == "lab.cache:6379"
    short = "__meta_elasticache_"
    assert found.pop(f"{short}deployment_option") == "serverless"
    prefix = f"{short}serverless_cache_"
    assert {name.removeprefix(prefix): value for name, value in found.items()} == {
        "name": "lab", "arn": "arn:s", "status": "available", "engine": "valkey",
        "create_time": "2024-01-02T03:04:05Z", "snapshot_retention_limit": "0",
        "endpoint_address": "lab.cache", "endpoint_port": "6379",
        "endpoint_reader_address": "lab.cache", "endpoint_reader_port": "6380",
        "security_group_id_0": "sg-1", "security_group_id_1": "sg-2", "subnet_id_0": "subnet-1",
        "cache_usage_limit_data_storage_maximum": "5", "cache_usage_limit_data_storage_unit": "GB",
        "cache_usage_limit_ecpu_per_second_minimum": "1000", "tag_my_key": "v",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("DBClusterArn", "db_cluster_arn"),
        ("MultiAZ", "multi_az"),
        ("IAMDatabaseAuthenticationEnabled", "iam_database_authentication_enabled"),
        ("PerformanceInsightsKMSKeyId", "performance_insights_kms_key_id"),
        ("ServerlessV2PlatformVersion", "serverless_v2_platform_version"),
        ("IOOptimizedNextAllowedModificationTime", "io_optimized_next_allowed_modification_time"),
        ("CACertificateIdentifier", "ca_certificate_identifier"),
        ("HttpEndpointEnabled", "http_endpoint_enabled"),
    ],
)
def test_names_of_fields(field: str, name: str) -> None:
    assert snake(field) == name


def test_fields_that_hold_one_value() -> None:
    item = {"Flag": False, "None": None, "Empty": "", "List": ["x"], "Number": 0}
    assert fields(item, "a_") == {"a_flag": "false", "a_number": "0"}


async def test_ecs_on_machines(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task without an address of its own is at its machine's."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", moto)
    ec2 = client(moto, "ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    (machine,) = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro",
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a b", "Value": "c"}]}],
    )["Instances"]  # fmt: skip
    host = {"containerInstanceArn": "arn:host", "ec2InstanceId": machine["InstanceId"]}

    def answers(request: Any) -> dict[str, Any]:
        action = request.headers["X-Amz-Target"].rpartition(".")[2]
        if action == "DescribeContainerInstances":
            return {"containerInstances": [host]}
        found = ecs(request)
        for task in found.get("tasks", ()):
            if task["taskArn"] == "two":
                task |= {"containerInstanceArn": "arn:host", "launchType": "EC2"}
        return found

    with serving({"POST /": answers}) as api:
        found = await discovered(section(api.base, "ecs"))
    by_task = {labels["__meta_ecs_task_arn"]: labels for labels in found}
    on_machine, own = by_task.pop("two"), next(iter(by_task.values()))
    assert on_machine["__address__"] == f"{machine['PrivateIpAddress']}:80"
    assert on_machine["__meta_ecs_network_mode"] == "bridge"
    assert on_machine["__meta_ecs_ec2_instance_type"] == "t3.micro"
    assert on_machine["__meta_ecs_tag_ec2_a_b"] == "c"
    assert own["__meta_ecs_network_mode"] == "awsvpc"
    assert own["__meta_ecs_tag_cluster_env"] == "prod"
    assert own["__meta_ecs_tag_service_team"] == "x"
    assert own["__meta_ecs_tag_task_my_task"] == "t"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("aws_sd_configs: [{region: x}]", "requires role"),
        ("aws_sd_configs: [{region: x, role: s3}]", "unknown AWS SD role 's3'"),
        ("rds_sd_configs: [{filters: [{name: a}]}]", "filter values cannot be empty"),
        ("ecs_sd_configs: [{request_concurrency: 0}]", "must be positive"),
    ],
)
def test_refused(text: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        load_text(f"scrape_configs: [{{job_name: a, {text}}}]")
