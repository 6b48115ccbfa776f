"""Machines at Amazon: EC2 and Lightsail, and what all its services have in common.

They are asked with boto3 (the extra `aws`).

Everything that boto3 does, loading it included, happens in a thread of its own. Credentials are
those of the section, else those that boto3 finds: environment, profile, instance metadata.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from promlab.config.mechanisms.aws import Aws, Ec2, Lightsail
from promlab.discovery.base import (
    ADDRESS,
    META,
    Surroundings,
    TargetGroup,
    host_port,
    label_name,
    listed,
)
from promlab.discovery.refresh import Refreshing
from promlab.errors import DiscoveryError
from promlab.transport.aside import aside

CONNECT_S, READ_S = 10, 30


class AwsDiscovery(Refreshing):
    """Asks one service of one region."""

    service = ""
    config: Aws

    def __init__(self, config: Aws, around: Surroundings) -> None:
        super().__init__(around, config.refresh_interval_ms / 1000)
        self.config = config
        self._client: Any = None
        self.region = config.region

    async def refresh(self) -> Sequence[TargetGroup]:
        """All machines."""
        return await aside(self._ask, f"{self.mechanism} discovery")

    def _ask(self) -> list[TargetGroup]:
        try:
            import botocore.exceptions
        except ImportError:
            raise DiscoveryError(
                f"{self.mechanism} discovery needs boto3: pip install 'promlab[aws]'"
            ) from None
        try:
            if self._client is None:
                self._client = self.connect(self.service, self.config.endpoint)
            targets = self.targets(self._client)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise DiscoveryError(str(error)) from None
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise DiscoveryError(f"unexpected answer: {error!r}") from None
        return [TargetGroup(self.region, tuple(targets))]

    def connect(self, service: str, endpoint: str = "") -> Any:
        """A client of a service, with the section's credentials and region."""
        import boto3
        from botocore.utils import InstanceMetadataRegionFetcher

        config = self.config
        session = boto3.Session(
            aws_access_key_id=config.access_key or None,
            aws_secret_access_key=config.secret_key.reveal() or None,
            profile_name=config.profile or None,
            region_name=config.region or None,
        )
        self.region = session.region_name or InstanceMetadataRegionFetcher().retrieve_region() or ""
        if not self.region:
            raise DiscoveryError(f"{self.mechanism} discovery needs a region: write region: …")
        if config.role_arn:
            session = _assuming(session, config, self.region)
        return session.client(
            service,
            region_name=self.region,
            endpoint_url=endpoint or None,
            verify=self._verify(),
            config=self._options(),
        )

    def _options(self) -> Any:
        from botocore.config import Config

        tls, proxy = self.config.http.tls_config, self.config.http.proxy.proxy_url
        return Config(
            user_agent_extra=f"promlab/{self.around.version}",
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": 3},
            proxies={"http": proxy, "https": proxy} if proxy else None,
            client_cert=(tls.cert_file, tls.key_file) if tls.cert_file else None,
        )

    def _verify(self) -> bool | str | None:
        tls = self.config.http.tls_config
        return False if tls.insecure_skip_verify else tls.ca_file or None

    @abstractmethod
    def targets(self, client: Any) -> list[dict[str, str]]:
        """Labels of all machines, asked from the service's client."""


def _assuming(session: Any, config: Aws, region: str) -> Any:
    """The session in the role of the section, renewed when it ends."""
    import boto3
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    source = session._session
    more = {"ExternalId": config.external_id} if config.external_id else {}
    fetcher = AssumeRoleCredentialFetcher(
        source.create_client, source.get_credentials(), config.role_arn, extra_args=more
    )
    assumed = botocore.session.get_session()
    assumed._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return boto3.Session(botocore_session=assumed, region_name=region)


class Ec2Discovery(AwsDiscovery):
    """Instances of EC2 that have a private address."""

    mechanism = service = "ec2"
    config: Ec2

    def __init__(self, config: Ec2, around: Surroundings) -> None:
        super().__init__(config, around)
        self._zones: dict[str, str] | None = None

    def targets(self, client: Any) -> list[dict[str, str]]:
        """Labels of all instances."""
        if self._zones is None:
            self._zones = self._zone_ids(client)
        filters = [{"Name": each.name, "Values": list(each.values)} for each in self.config.filters]
        pages = client.get_paginator("describe_instances").paginate(Filters=filters)
        return [
            self._labels(instance, reservation.get("OwnerId", ""))
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation.get("Instances", ())
            if instance.get("PrivateIpAddress")
        ]

    def _zone_ids(self, client: Any) -> dict[str, str] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            zones = client.describe_availability_zones()["AvailabilityZones"]
        except (BotoCoreError, ClientError) as error:
            # Who may list instances need not be allowed to list zones.
            self.failed(DiscoveryError(f"zone ids can't be had: {error}"))
            return None
        return {zone["ZoneName"]: zone.get("ZoneId", "") for zone in zones}

    def _labels(self, instance: Mapping[str, Any], owner: str) -> dict[str, str]:
        zone = instance.get("Placement", {}).get("AvailabilityZone", "")
        public = instance.get("PublicIpAddress", "")
        private = instance["PrivateIpAddress"]
        values = {
            "instance_id": instance["InstanceId"],
            "region": self.region,
            "owner_id": owner,
            "private_ip": private,
            "private_dns_name": instance.get("PrivateDnsName", ""),
            "platform": instance.get("Platform", ""),
            "public_ip": public,
            "public_dns_name": instance.get("PublicDnsName", "") if public else "",
            "ami": instance.get("ImageId", ""),
            "availability_zone": zone,
            "availability_zone_id": (self._zones or {}).get(zone, ""),
            "instance_state": instance.get("State", {}).get("Name", ""),
            "instance_type": instance.get("InstanceType", ""),
            "instance_lifecycle": instance.get("InstanceLifecycle", ""),
            "architecture": instance.get("Architecture", ""),
            **_network(instance),
            **tags(instance.get("Tags", ())),
        }
        return targeted("ec2", private, self.config.port, values)


def _network(instance: Mapping[str, Any]) -> dict[str, str]:
    """Subnets and IPv6 addresses of an instance in a VPC."""
    if not instance.get("VpcId"):
        return {}
    interfaces = [each for each in instance.get("NetworkInterfaces", ()) if each.get("SubnetId")]
    subnets = list(dict.fromkeys(each["SubnetId"] for each in interfaces))
    addresses: list[str] = []
    primary: list[str] = []
    for interface in interfaces:
        for address in interface.get("Ipv6Addresses", ()):
            addresses.append(address["Ipv6Address"])
            if address.get("IsPrimaryIpv6"):
                # One place per device: those without a primary address stay empty.
                device = min(int(interface["Attachment"]["DeviceIndex"]), 255)
                primary += [""] * (device + 1 - len(primary))
                primary[device] = address["Ipv6Address"]
    return {
        "vpc_id": instance["VpcId"],
        "primary_subnet_id": instance.get("SubnetId", ""),
        "subnet_id": listed(subnets),
        "ipv6_addresses": listed(addresses) if addresses else "",
        "primary_ipv6_addresses": listed(primary) if primary else "",
    }


class LightsailDiscovery(AwsDiscovery):
    """Instances of Lightsail that have a private address."""

    mechanism = service = "lightsail"
    config: Lightsail

    def targets(self, client: Any) -> list[dict[str, str]]:
        """Labels of all instances."""
        pages = client.get_paginator("get_instances").paginate()
        return [
            self._labels(instance)
            for page in pages
            for instance in page["instances"]
            if instance.get("privateIpAddress")
        ]

    def _labels(self, instance: Mapping[str, Any]) -> dict[str, str]:
        private = instance["privateIpAddress"]
        addresses = instance.get("ipv6Addresses", ())
        values = {
            "availability_zone": instance.get("location", {}).get("availabilityZone", ""),
            "blueprint_id": instance.get("blueprintId", ""),
            "bundle_id": instance.get("bundleId", ""),
            "instance_name": instance.get("name", ""),
            "instance_state": instance.get("state", {}).get("name", ""),
            "instance_support_code": instance.get("supportCode", ""),
            "ipv6_addresses": listed(addresses) if addresses else "",
            "private_ip": private,
            "public_ip": instance.get("publicIpAddress", ""),
            "region": self.region,
            **tags(instance.get("tags", ())),
        }
        return targeted("lightsail", private, self.config.port, values)


def tags(found: Sequence[Mapping[str, str]], prefix: str = "tag_") -> dict[str, str]:
    """Labels of tags; some services write `Key`, some `key`."""
    pairs = [
        (tag.get("Key") or tag.get("key"), tag.get("Value") or tag.get("value")) for tag in found
    ]
    return {f"{prefix}{label_name(key)}": value or "" for key, value in pairs if key}


def targeted(mechanism: str, host: str, port: int, values: Mapping[str, str]) -> dict[str, str]:
    """A target with the labels of a mechanism, empty ones left out."""
    labels = {f"{META}{mechanism}_{name}": value for name, value in values.items() if value}
    return {ADDRESS: host_port(host, port), **labels}
