"""entropy: how many random bits the kernel has at hand."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import OfHost

_FOLDER = "sys/kernel/random"


class Collector(OfHost):
    """Two gauges."""

    def collect(self) -> Iterator[Family]:
        """node_entropy_available_bits, node_entropy_pool_size_bits."""
        available = int(self._host.proc(f"{_FOLDER}/entropy_avail"))
        yield gauge("node_entropy_available_bits", "Bits of entropy at hand.", available)
        size = int(self._host.proc(f"{_FOLDER}/poolsize"))
        yield gauge("node_entropy_pool_size_bits", "Bits that the entropy pool holds.", size)
