"""Amazon's services, as their APIs answer."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from case import Case

KEYS = "access_key: key, secret_key: s3cret"
ARN = "arn:aws:ecs:eu-west-1:123456789012"


def tag(key: str, value: str) -> dict[str, str]:
    return {"key": key, "value": value}


TASK = {
    "taskArn": f"{ARN}:task/lab/1", "taskDefinitionArn": f"{ARN}:task-definition/web:1",
    "group": "service:web", "launchType": "FARGATE", "availabilityZone": "eu-west-1a",
    "desiredStatus": "RUNNING", "lastStatus": "RUNNING", "healthStatus": "HEALTHY",
    "platformFamily": "Linux", "platformVersion": "1.4.0", "tags": [tag("my-task", "t")],
    "attachments": [{"id": "a", "type": "ElasticNetworkInterface", "details": [
        {"name": "subnetId", "value": "subnet-1"},
        {"name": "privateIPv4Address", "value": "10.0.0.1"}]}],
}  # fmt: skip
CLUSTER = {"clusterArn": f"{ARN}:cluster/lab", "clusterName": "lab", "tags": [tag("env", "prod")]}
SERVICE = {"serviceArn": f"{ARN}:service/lab/web", "serviceName": "web", "status": "ACTIVE",
           "clusterArn": CLUSTER["clusterArn"], "tags": [tag("team", "x")]}  # fmt: skip


def ecs(request: web.BaseRequest) -> dict[str, Any]:
    return {
        "ListClusters": {"clusterArns": [CLUSTER["clusterArn"]]},
        "DescribeClusters": {"clusters": [CLUSTER]},
        "ListServices": {"serviceArns": [SERVICE["serviceArn"]]},
        "DescribeServices": {"services": [SERVICE]},
        "ListTasks": {"taskArns": [TASK["taskArn"], "two"]},
        "DescribeTasks": {"tasks": [TASK, {**TASK, "taskArn": "two", "attachments": []}]},
    }[request.headers["X-Amz-Target"].rpartition(".")[2]]


KAFKA = "arn:aws:kafka:eu-west-1:123456789012:cluster/lab/1"
MSK_CLUSTER = {
    "clusterArn": KAFKA, "clusterName": "lab", "state": "ACTIVE", "clusterType": "PROVISIONED",
    "currentVersion": "K1", "tags": {"my-key": "v"}, "provisioned": {
        "currentBrokerSoftwareInfo": {"kafkaVersion": "3.6.0", "configurationArn": "arn:c",
                                      "configurationRevision": 2},
        "openMonitoring": {"prometheus": {"jmxExporter": {"enabledInBroker": True},
                                          "nodeExporter": {"enabledInBroker": False}}}},
}  # fmt: skip
MSK_NODES = {"nodeInfoList": [
    {"nodeARN": "arn:n1", "nodeType": "BROKER", "instanceType": "kafka.m5.large",
     "addedToClusterTime": "2024-01-01T00:00:00Z", "brokerNodeInfo": {
         "attachedENIId": "eni-1", "brokerId": 1.0, "clientSubnet": "subnet-1",
         "clientVpcIpAddress": "10.0.0.1", "endpoints": ["b-1.lab", "b-1-2.lab"]}},
    {"nodeARN": "arn:n2", "controllerNodeInfo": {"endpoints": ["c-1.lab"]}},
    {"nodeARN": "arn:n3", "zookeeperNodeInfo": {"endpoints": ["z-1.lab"]}},
]}  # fmt: skip
SERVERLESS = {"clusterArn": "arn:none", "clusterType": "SERVERLESS", "clusterName": "none"}


def nodes(request: web.BaseRequest) -> Any:
    if request.path.endswith("/nodes"):
        return MSK_NODES
    return {"clusterInfoList": [MSK_CLUSTER, SERVERLESS]}


CASES = [
    Case("ecs", f"ecs_sd_configs: [{{region: eu-west-1, endpoint: 'BASE', {KEYS}}}]",
         {"POST /": ecs}, 1, oracle=""),
    Case("msk", f"msk_sd_configs: [{{region: eu-west-1, endpoint: 'BASE', {KEYS}}}]",
         {"GET *": nodes}, 3, oracle=""),
]  # fmt: skip
