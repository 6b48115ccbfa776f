"""Which class runs which mechanism; a module is imported when a configuration uses it."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from promlab.config.mechanisms.base import Mechanism
from promlab.discovery.base import Discoverer, Surroundings

MECHANISMS = {
    "aws": "aws_roles:of_role",
    "azure": "azure:AzureDiscovery",
    "consul": "consul:ConsulDiscovery",
    "digitalocean": "hosters:DigitalOceanDiscovery",
    "dns": "dns:DnsDiscovery",
    "docker": "docker:DockerDiscovery",
    "dockerswarm": "dockerswarm:DockerSwarmDiscovery",
    "ec2": "aws:Ec2Discovery",
    "ecs": "aws_ecs:EcsDiscovery",
    "elasticache": "aws_databases:ElastiCacheDiscovery",
    "eureka": "eureka:EurekaDiscovery",
    "gce": "gce:GceDiscovery",
    "hetzner": "hosters:HetznerDiscovery",
    "http": "http:HttpDiscovery",
    "ionos": "hosters:IonosDiscovery",
    "kubernetes": "kubernetes:KubernetesDiscovery",
    "kuma": "kuma:KumaDiscovery",
    "lightsail": "aws:LightsailDiscovery",
    "linode": "hosters:LinodeDiscovery",
    "marathon": "marathon:MarathonDiscovery",
    "msk": "aws_msk:MskDiscovery",
    "nerve": "zookeeper:ZooKeeperDiscovery",
    "nomad": "nomad:NomadDiscovery",
    "oci": "oci:OciDiscovery",
    "openstack": "openstack:OpenStackDiscovery",
    "outscale": "outscale:OutscaleDiscovery",
    "ovhcloud": "ovhcloud:OvhCloudDiscovery",
    "puppetdb": "puppetdb:PuppetDbDiscovery",
    "rds": "aws_databases:RdsDiscovery",
    "scaleway": "hosters:ScalewayDiscovery",
    "serverset": "zookeeper:ZooKeeperDiscovery",
    "stackit": "stackit:StackitDiscovery",
    "triton": "triton:TritonDiscovery",
    "uyuni": "uyuni:UyuniDiscovery",
    "vultr": "hosters:VultrDiscovery",
}


def discoverer(section: Mechanism, around: Surroundings) -> Discoverer:
    """The object that runs a section. Raises ConfigError if its settings can't be used."""
    module, _, name = MECHANISMS[section.mechanism].partition(":")
    made = getattr(import_module(f"promlab.discovery.{module}"), name)(section, around)
    return cast("Discoverer", made)
