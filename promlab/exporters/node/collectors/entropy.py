"""entropy: how many random bits the kernel has at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import Flag, Host

_FOLDER = "sys/kernel/random"


class Collector:
    """Two gauges."""

    flags: ClassVar[Mapping[str, Flag]] = {}

    def __init__(self, host: Host) -> None:
        self._host = host

    def collect(self) -> Iterator[Family]:
        """node_entropy_available_bits, node_entropy_pool_size_bits."""
        available = int(self._host.proc(f"{_FOLDER}/entropy_avail"))
        yield gauge("node_entropy_available_bits", "Bits of entropy at hand.", available)
        size = int(self._host.proc(f"{_FOLDER}/poolsize"))
        yield gauge("node_entropy_pool_size_bits", "Bits that the entropy pool holds.", size)
