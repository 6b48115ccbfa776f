"""`aws_sd_configs`: one section for all of Amazon's services, told apart by their role."""

from __future__ import annotations

from promlab.config.mechanisms.aws import AnyAws
from promlab.discovery.base import Discoverer, Surroundings
from promlab.discovery.registry import discoverer


def of_role(section: AnyAws, around: Surroundings) -> Discoverer:
    """The mechanism of the section's role, with the section's settings."""
    return discoverer(section.of_role(), around)
