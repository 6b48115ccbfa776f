"""Databases and caches at Amazon: instances of RDS clusters, nodes of ElastiCache.

Their labels are the fields of the API's answers, in snake case; which of them are labels, and what
a few are called instead, stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from promlab.config.mechanisms.aws import ElastiCache, Rds
from promlab.discovery.aws import AwsDiscovery, tags
from promlab.discovery.base import ADDRESS, META, host_port
from promlab.errors import DiscoveryError
from promlab.transport.aside import at_once

Labels = dict[str, str]
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Fields of RDS that would be called otherwise.
_RDS_NAMES = {
    "db_cluster_arn": "arn", "db_cluster_instance_class": "instance_class",
    "db_cluster_parameter_group": "parameter_group", "db_subnet_group": "subnet_group",
    "db_cluster_resource_id": "resource_id", "db_instance_arn": "arn",
    "db_instance_class": "class", "db_instance_identifier": "identifier",
    "db_instance_status": "status", "db_instance_port": "port", "dbi_resource_id": "resource_id",
}  # fmt: skip
_CACHE_NAMES = {"auth_token_last_modified_date": "auth_token_last_modified"}


def snake(name: str) -> str:
    """`DBClusterArn` as `db_cluster_arn`."""
    return _WORDS.sub("_", name).lower()


def shown(value: object) -> str:
    """A value as text: true, a number, a time in UTC."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def fields(item: Mapping[str, Any], prefix: str, names: Mapping[str, str] | None = None) -> Labels:
    """Labels of all fields that hold one value."""
    found = {}
    for field, value in item.items():
        if isinstance(value, str | int | float | datetime) and value != "":
            name = snake(field)
            found[f"{prefix}{(names or {}).get(name, name)}"] = shown(value)
    return found


def _labelled(mechanism: str, address: str, values: Mapping[str, str]) -> Labels:
    labels = {f"{META}{mechanism}_{name}": value for name, value in values.items()}
    return {**labels, **({ADDRESS: address} if address else {})}


class RdsDiscovery(AwsDiscovery):
    """Asks for clusters, and the instances of each."""

    mechanism = service = "rds"
    config: Rds

    def targets(self, client: Any) -> list[Labels]:
        """Labels of all instances of all clusters."""
        many = self.config.request_concurrency
        if self.config.clusters:
            answers = at_once(
                lambda arn: _pages(client, "describe_db_clusters", DBClusterIdentifier=arn),
                self.config.clusters,
                many,
            )
        else:
            answers = [_pages(client, "describe_db_clusters")]
        clusters = [each for pages in answers for page in pages for each in page["DBClusters"]]
        found = at_once(lambda each: list(self._of(client, each)), clusters, many)
        return [labels for each in found for labels in each]

    def _of(self, client: Any, cluster: Mapping[str, Any]) -> Iterator[Labels]:
        own = {"Name": "db-cluster-id", "Values": [cluster["DBClusterIdentifier"]]}
        more = [{"Name": each.name, "Values": list(each.values)} for each in self.config.filters]
        members = cluster.get("DBClusterMembers", ())
        writers = {each["DBInstanceIdentifier"]: each["IsClusterWriter"] for each in members}
        names = {**_RDS_NAMES, "db_cluster_identifier": "identifier"}
        common = fields(cluster, "cluster_", names)
        common |= tags(cluster.get("TagList", ()), "cluster_tag_")
        for page in _pages(client, "describe_db_instances", Filters=[own, *more]):
            for each in page["DBInstances"]:
                yield self._target(each, common, writers)

    def _target(
        self, instance: Mapping[str, Any], common: Labels, writers: Mapping[str, bool]
    ) -> Labels:
        values = {**common, **fields(instance, "instance_", _RDS_NAMES)}
        for field in ("Endpoint", "ListenerEndpoint"):
            values |= fields(instance.get(field, {}), f"instance_{snake(field)}_")
        group = instance.get("DBSubnetGroup", {}).get("DBSubnetGroupName", "")
        if group:
            values["instance_subnet_group"] = group
        values |= tags(instance.get("TagList", ()), "instance_tag_")
        writer = writers.get(instance.get("DBInstanceIdentifier", ""))
        if writer is not None:
            values["instance_is_cluster_writer"] = shown(writer)
        host = instance.get("Endpoint", {}).get("Address", "")
        return _labelled("rds", host_port(host, self.config.port) if host else "", values)


class ElastiCacheDiscovery(AwsDiscovery):
    """Asks for caches with nodes and for serverless ones, and for the tags of each."""

    mechanism = service = "elasticache"
    config: ElastiCache

    def targets(self, client: Any) -> list[Labels]:
        """Labels of all nodes, and of all serverless caches."""
        serverless, clusters = _split(self.config.clusters)
        every = not self.config.clusters
        found = [
            _serverless(each, self._tags(client, each))
            for page in _asked(
                client, "describe_serverless_caches", "ServerlessCacheName", serverless, every
            )
            for each in page["ServerlessCaches"]
        ]
        # Clusters of one node are told by a question of their own.
        for alone in (False, True):
            more = {"ShowCacheNodeInfo": True, "ShowCacheClustersNotInReplicationGroups": alone}
            operation, name = "describe_cache_clusters", "CacheClusterId"
            for page in _asked(client, operation, name, clusters, every, **more):
                for each in page["CacheClusters"]:
                    found += _nodes(each, self._tags(client, each))
        unique = {tuple(sorted(labels.items())): labels for labels in found}
        return list(unique.values())

    def _tags(self, client: Any, cache: Mapping[str, Any]) -> list[Mapping[str, str]]:
        arn = cache.get("ARN")
        return client.list_tags_for_resource(ResourceName=arn)["TagList"] if arn else []


def _pages(client: Any, operation: str, **about: Any) -> list[Mapping[str, Any]]:
    return list(client.get_paginator(operation).paginate(**about))


def _asked(
    client: Any, operation: str, name: str, wanted: Iterable[str], every: bool, **more: Any
) -> Iterator[Mapping[str, Any]]:
    if every:
        yield from _pages(client, operation, **more)
    for each in wanted:
        yield from _pages(client, operation, **{name: each}, **more)


def _split(arns: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names of serverless caches and of clusters, from their ARNs."""
    kinds: dict[str, list[str]] = {"serverlesscache": [], "replicationgroup": [], "cluster": []}
    for arn in arns:
        parts = arn.split(":")
        if len(parts) < 7 or parts[5] not in kinds:
            raise DiscoveryError(f"{arn!r} is not the ARN of a cache")
        kinds[parts[5]].append(parts[6])
    return kinds["serverlesscache"], kinds["replicationgroup"] + kinds["cluster"]


def _numbered(prefix: str, values: Iterable[str]) -> Labels:
    return {f"{prefix}_{number}": value for number, value in enumerate(values)}


def _serverless(cache: Mapping[str, Any], own_tags: list[Mapping[str, str]]) -> Labels:
    prefix = "serverless_cache_"
    names = {"serverless_cache_name": "name"}
    values = {"deployment_option": "serverless", **fields(cache, prefix, names)}
    values |= fields(cache.get("Endpoint", {}), f"{prefix}endpoint_")
    values |= fields(cache.get("ReaderEndpoint", {}), f"{prefix}endpoint_reader_")
    values |= _numbered(f"{prefix}security_group_id", cache.get("SecurityGroupIds", ()))
    values |= _numbered(f"{prefix}subnet_id", cache.get("SubnetIds", ()))
    limits = cache.get("CacheUsageLimits", {})
    values |= fields(limits.get("DataStorage", {}), f"{prefix}cache_usage_limit_data_storage_")
    values |= fields(limits.get("ECPUPerSecond", {}), f"{prefix}cache_usage_limit_ecpu_per_second_")
    values |= tags(own_tags, f"{prefix}tag_")
    return _labelled("elasticache", _endpoint(cache), values)


def _endpoint(item: Mapping[str, Any]) -> str:
    endpoint = item.get("Endpoint", {})
    host, port = endpoint.get("Address"), endpoint.get("Port")
    return host_port(host, port) if host and port is not None else ""


def _nodes(cluster: Mapping[str, Any], own_tags: list[Mapping[str, str]]) -> Iterator[Labels]:
    prefix = "cache_cluster_"
    common = {"deployment_option": "node", **fields(cluster, prefix, _CACHE_NAMES)}
    group = cluster.get("CacheParameterGroup", {}).get("CacheParameterGroupName", "")
    if group:
        common[f"{prefix}cache_parameter_group"] = group
    common |= fields(cluster.get("ConfigurationEndpoint", {}), f"{prefix}configuration_endpoint_")
    common |= fields(cluster.get("NotificationConfiguration", {}), f"{prefix}notification_")
    pending = cluster.get("PendingModifiedValues", {})
    common |= fields(pending, f"{prefix}pending_modified_values_")
    if pending.get("CacheNodeIdsToRemove"):
        removed = ",".join(pending["CacheNodeIdsToRemove"])
        common[f"{prefix}pending_modified_values_cache_node_ids_to_remove"] = removed
    for number, each in enumerate(cluster.get("SecurityGroups", ())):
        place = f"{prefix}security_group_membership"
        if each.get("SecurityGroupId"):
            common[f"{place}_id_{number}"] = each["SecurityGroupId"]
        if each.get("Status"):
            common[f"{place}_status_{number}"] = each["Status"]
    common |= _deliveries(cluster.get("LogDeliveryConfigurations", ()), prefix)
    common |= tags(own_tags, f"{prefix}tag_")
    for node in cluster.get("CacheNodes", ()):
        own = _node(node, f"{prefix}node_")
        yield _labelled("elasticache", _endpoint(node), {**common, **own})


_NODE_NAMES = {
    "cache_node_id": "id",
    "cache_node_status": "status",
    "cache_node_create_time": "create_time",
    "customer_availability_zone": "availability_zone",
}


def _node(node: Mapping[str, Any], prefix: str) -> Labels:
    return fields(node, prefix, _NODE_NAMES) | fields(
        node.get("Endpoint", {}), f"{prefix}endpoint_"
    )


def _deliveries(found: Iterable[Mapping[str, Any]], prefix: str) -> Labels:
    labels: Labels = {}
    for number, each in enumerate(found):
        details = each.get("DestinationDetails", {})
        own = fields(each, "") | fields(details.get("CloudWatchLogsDetails", {}), "")
        own |= fields(details.get("KinesisFirehoseDetails", {}), "")
        place = f"{prefix}log_delivery_configuration_"
        labels |= {f"{place}{name}_{number}": value for name, value in own.items()}
    return labels
