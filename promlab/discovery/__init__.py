"""Where targets come from: one module a mechanism, all behind `base.Discoverer`.

A mechanism publishes target groups; `Discovery` runs the mechanisms of one job and hands on
what they found, together and not too often. Nothing here scrapes or relabels.
"""

from __future__ import annotations

from promlab.discovery.base import Discoverer, DiscoveryStats, Publish, TargetGroup
from promlab.discovery.run import Discovery

__all__ = ["Discoverer", "Discovery", "DiscoveryStats", "Publish", "TargetGroup"]
