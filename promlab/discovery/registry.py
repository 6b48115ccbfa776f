"""Which class runs which mechanism; a module is imported when a configuration uses it."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from promlab.config.mechanisms.base import Mechanism
from promlab.discovery.base import Discoverer, Surroundings

MECHANISMS = {
    "azure": "azure:AzureDiscovery",
    "consul": "consul:ConsulDiscovery",
    "digitalocean": "hosters:DigitalOceanDiscovery",
    "dns": "dns:DnsDiscovery",
    "docker": "docker:DockerDiscovery",
    "dockerswarm": "dockerswarm:DockerSwarmDiscovery",
    "ec2": "aws:Ec2Discovery",
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
    "nomad": "nomad:NomadDiscovery",
    "openstack": "openstack:OpenStackDiscovery",
    "ovhcloud": "ovhcloud:OvhCloudDiscovery",
    "puppetdb": "puppetdb:PuppetDbDiscovery",
    "scaleway": "hosters:ScalewayDiscovery",
    "triton": "triton:TritonDiscovery",
    "uyuni": "uyuni:UyuniDiscovery",
    "vultr": "hosters:VultrDiscovery",
}


def discoverer(section: Mechanism, around: Surroundings) -> Discoverer:
    """The object that runs a section. Raises ConfigError if its settings can't be used."""
    module, _, name = MECHANISMS[section.mechanism].partition(":")
    made = getattr(import_module(f"promlab.discovery.{module}"), name)(section, around)
    return cast("Discoverer", made)
