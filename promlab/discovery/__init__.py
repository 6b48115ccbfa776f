"""Where targets come from: one module a mechanism, all behind `base.Discoverer`.

A mechanism publishes target groups; `Providers` runs each once for all jobs that have the same
section, and `Discovery` hands on what those of one job found, together and not too often.
Nothing here scrapes or relabels.
"""

from __future__ import annotations

from promlab.discovery.base import Discoverer, DiscoveryStats, Publish, TargetGroup
from promlab.discovery.providers import Providers
from promlab.discovery.run import Discovery

__all__ = ["Discoverer", "Discovery", "DiscoveryStats", "Providers", "Publish", "TargetGroup"]
