"""softnet: packets that each CPU took from the network, and how that went."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, counter, gauge
from promlab.exporters.node.host import OfHost

_COLUMNS = {
    0: ("processed", "Packets that were processed."),
    1: ("dropped", "Packets that were dropped."),
    2: ("times_squeezed", "How often there was more to do than allowed at a time."),
    8: ("cpu_collision", "Collisions on the lock of a device."),
    9: ("received_rps", "How often a CPU was woken by another one."),
    10: ("flow_limit_count", "How often the limit of a flow was reached."),
}


class Collector(OfHost):
    """Counters from /proc/net/softnet_stat."""

    def collect(self) -> Iterator[Family]:
        """node_softnet_*{cpu}."""
        families = {
            column: counter(f"node_softnet_{name}_total", help_)
            for column, (name, help_) in _COLUMNS.items()
        }
        backlog = gauge("node_softnet_backlog_len", "Packets that wait.")
        for i, line in enumerate(self._host.proc("net/softnet_stat").splitlines()):
            words = [int(word, 16) for word in line.split()]
            # Newer kernels leave out CPUs that are off, and say which one each line is.
            labels = {"cpu": str(words[12] if len(words) > 12 else i)}
            for column, family in families.items():
                if column < len(words):
                    family.add(words[column], labels)
            if len(words) > 11:
                backlog.add(words[11], labels)
        yield from families.values()
        yield backlog
