"""meminfo: every line of /proc/meminfo, in bytes."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import OfHost

_NAME = str.maketrans({"(": "_", ")": None})


class Collector(OfHost):
    """node_memory_*, named like the kernel's fields."""

    def collect(self) -> Iterator[Family]:
        """A gauge a line; lines with the unit kB become bytes."""
        if not self._host.linux:
            yield from portable()
            return
        for line in self._host.proc("meminfo").splitlines():
            key, _, rest = line.partition(":")
            words = rest.split()
            name, value = key.translate(_NAME), int(words[0])
            if words[1:] == ["kB"]:
                name, value = f"{name}_bytes", value * 1024
            yield gauge(f"node_memory_{name}", f"Field {key} of the kernel's meminfo.", value)


def portable() -> Iterator[Family]:
    """What psutil knows on any system, under node_exporter's names for macOS."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    for field in ("total", "free", "active", "inactive", "wired"):
        if hasattr(memory, field):
            yield gauge(f"node_memory_{field}_bytes", f"Memory: {field}.", getattr(memory, field))
    yield gauge("node_memory_swap_total_bytes", "Swap space.", swap.total)
    yield gauge("node_memory_swap_used_bytes", "Swap space in use.", swap.used)
