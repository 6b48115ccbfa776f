"""Sections of service discovery, one class a mechanism, each read only where it is used.

`SECTIONS` names the module and class of each mechanism that has fields of its own; a module is
imported when a configuration first mentions one of its mechanisms.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import cast

from promlab.config.mechanisms.base import Mechanism

SECTIONS = {
    "aws": "aws:AnyAws",
    "azure": "clouds:Azure",
    "consul": "registries:Consul",
    "digitalocean": "hosters:DigitalOcean",
    "dns": "plain:Dns",
    "docker": "containers:Docker",
    "dockerswarm": "containers:DockerSwarm",
    "ec2": "aws:Ec2",
    "ecs": "aws:Ecs",
    "elasticache": "aws:ElastiCache",
    "eureka": "registries:Eureka",
    "gce": "clouds:Gce",
    "hetzner": "hosters:Hetzner",
    "http": "plain:Http",
    "ionos": "hosters:Ionos",
    "kubernetes": "kubernetes:Kubernetes",
    "kuma": "registries:Kuma",
    "lightsail": "aws:Lightsail",
    "linode": "hosters:Linode",
    "marathon": "registries:Marathon",
    "msk": "aws:Msk",
    "nerve": "zookeeper:Nerve",
    "nomad": "registries:Nomad",
    "oci": "clouds:Oci",
    "openstack": "clouds:OpenStack",
    "outscale": "hosters:Outscale",
    "ovhcloud": "hosters:OvhCloud",
    "puppetdb": "registries:PuppetDB",
    "rds": "aws:Rds",
    "scaleway": "hosters:Scaleway",
    "serverset": "zookeeper:ServerSet",
    "stackit": "hosters:Stackit",
    "triton": "clouds:Triton",
    "uyuni": "registries:Uyuni",
    "vultr": "hosters:Vultr",
}

# What can be run: every mechanism that has a section.
AVAILABLE = frozenset(SECTIONS)


@lru_cache
def section_of(mechanism: str) -> type[Mechanism]:
    """The class of a mechanism's section."""
    module, _, name = SECTIONS[mechanism].partition(":")
    found = getattr(import_module(f"{__name__}.{module}"), name)
    return cast("type[Mechanism]", found)
