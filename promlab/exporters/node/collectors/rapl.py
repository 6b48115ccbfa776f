"""rapl: energy that processors and memory have used (running average power limit)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import Flag, Host, NoData

_INDEXED = re.compile(r"(.+)-(\d+)")


class Collector:
    """node_rapl_<zone>_joules_total{index,path}."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "enable-zone-label": Flag(False, "one metric for all zones, with a label rapl_zone"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._labelled = bool(host.flag("rapl", "enable-zone-label", False))

    def collect(self) -> Iterator[Family]:
        """A counter for each kind of zone. Only root may read them since Linux 5.10."""
        host = self._host
        if not host.has_sys("class/powercap"):
            raise NoData("no /sys/class/powercap")
        found = Gathered("node_rapl", "Energy used by a zone, in joules")
        seen: dict[str, int] = {}
        for folder in host.list_sys("class/powercap"):
            if not folder.startswith("intel-rapl") or ":" not in folder:
                continue
            path = f"class/powercap/{folder}"
            zone = host.sys(f"{path}/name").strip()
            indexed = _INDEXED.fullmatch(zone)
            # Zones without a number are counted as they come: one for each package.
            index = seen[zone] = seen.get(zone, -1) + 1
            if indexed:
                zone, index = indexed[1], int(indexed[2])
            joules = int(host.sys(f"{path}/energy_uj")) / 1e6
            labels = {"index": str(index), "path": f"{host.sysfs}/{path}"}
            if self._labelled:
                found.counter("joules_total", joules, labels | {"rapl_zone": zone})
            else:
                name = re.sub(r"[^a-zA-Z0-9_]", "_", zone)
                found.counter(f"{name}_joules_total", joules, labels)
        yield from found
