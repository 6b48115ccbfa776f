"""udp_queues: bytes that wait in the queues of UDP sockets."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import NoData, OfHost


class Collector(OfHost):
    """One gauge from /proc/net/udp and udp6."""

    def collect(self) -> Iterator[Family]:
        """node_udp_queues{ip,queue}."""
        family = gauge("node_udp_queues", "Bytes that the kernel holds for UDP sockets.")
        for ip, name in (("v4", "net/udp"), ("v6", "net/udp6")):
            try:
                lines = self._host.proc(name).splitlines()[1:]
            except FileNotFoundError:  # without IPv6
                continue
            pairs = [line.split()[4].split(":") for line in lines]
            for i, queue in enumerate(("tx", "rx")):
                family.add(sum(int(pair[i], 16) for pair in pairs), {"ip": ip, "queue": queue})
        if not family.samples:
            raise NoData("no UDP here")
        yield family
