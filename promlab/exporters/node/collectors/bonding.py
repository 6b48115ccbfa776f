"""bonding: network devices that are bundled, and how many of a bundle are up."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import NoData, OfHost


class Collector(OfHost):
    """node_bonding_*{master}."""

    def collect(self) -> Iterator[Family]:
        """Two gauges from /sys/class/net."""
        masters = self._host.sys_word("class/net/bonding_masters")
        if masters is None:
            raise NoData("nothing is bundled")
        slaves = gauge("node_bonding_slaves", "Devices of a bundle.")
        active = gauge("node_bonding_active", "Devices of a bundle that are up.")
        for master in masters.split():
            names = self._host.sys(f"class/net/{master}/bonding/slaves").split()
            slaves.add(len(names), {"master": master})
            up = sum(self._is_up(master, name) for name in names)
            active.add(up, {"master": master})
        yield from (slaves, active)

    def _is_up(self, master: str, slave: str) -> bool:
        words = [
            self._host.sys_word(f"class/net/{master}/{kind}_{slave}/bonding_slave/mii_status")
            for kind in ("lower", "slave")  # as it is called since Linux 3.13, and before
        ]
        return "up" in words
