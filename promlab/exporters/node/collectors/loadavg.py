"""loadavg: how many threads ran or waited to run, averaged over 1, 5 and 15 minutes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import OfHost


class Collector(OfHost):
    """Three gauges."""

    def collect(self) -> Iterator[Family]:
        """node_load1, node_load5, node_load15."""
        if self._host.linux:
            loads = [float(word) for word in self._host.proc("loadavg").split()[:3]]
        else:
            loads = list(os.getloadavg())
        for minutes, load in zip((1, 5, 15), loads, strict=True):
            yield gauge(f"node_load{minutes}", f"Load average over {minutes}m.", load)
