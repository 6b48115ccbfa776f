"""pressure: time that processes lost waiting for CPU, memory, I/O (pressure stall)."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, counter
from promlab.exporters.node.host import NoData, OfHost

_WAITING = "Seconds in which at least one process waited for {}."
_STALLED = "Seconds in which every process waited for {}."
# What `full` means for a CPU of the whole machine is undefined; interrupts have only `full`.
_KINDS = {"cpu": ("some",), "io": ("some", "full"), "memory": ("some", "full"), "irq": ("full",)}


class Collector(OfHost):
    """node_pressure_*_seconds_total."""

    def collect(self) -> Iterator[Family]:
        """A counter for each resource and each of `some` (waiting) and `full` (stalled)."""
        found = False
        for resource, kinds in _KINDS.items():
            try:
                text = self._host.proc(f"pressure/{resource}")
            except OSError:  # absent, or switched off with psi=0, which reads as an error
                continue
            found = True
            for line in text.splitlines():
                kind, _, rest = line.partition(" ")
                if kind not in kinds:
                    continue
                seconds = int(rest.rpartition("total=")[2]) / 1e6
                word, help_ = ("waiting", _WAITING) if kind == "some" else ("stalled", _STALLED)
                yield counter(
                    f"node_pressure_{resource}_{word}_seconds_total",
                    help_.format(resource),
                    seconds,
                )
        if not found:
            raise NoData("the kernel keeps no pressure stall information")
