"""arp: how many neighbours the machine knows, by device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import Flag, Host, chosen


class Collector:
    """node_arp_entries{device}."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "device-exclude": Flag("", "regular expression of devices to leave out"),
        "device-include": Flag("", "regular expression of devices to export, and no others"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._devices = chosen(host, "arp", "device", self.flags)

    def collect(self) -> Iterator[Family]:
        """A gauge from /proc/net/arp."""
        counts: dict[str, int] = {}
        for line in self._host.proc("net/arp").splitlines()[1:]:
            device = line.split()[-1]
            if device in self._devices:
                counts[device] = counts.get(device, 0) + 1
        family = gauge("node_arp_entries", "ARP entries, by device.")
        for device, count in counts.items():
            family.add(count, {"device": device})
        yield family
