"""schedstat: how long tasks ran on each CPU, and how long they waited for it."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, counter
from promlab.exporters.node.host import NoData, OfHost


class Collector(OfHost):
    """Counters from /proc/schedstat."""

    def collect(self) -> Iterator[Family]:
        """node_schedstat_*{cpu}."""
        try:
            lines = self._host.proc("schedstat").splitlines()
        except FileNotFoundError:
            raise NoData("this kernel keeps no statistics of its scheduler") from None
        running = counter("node_schedstat_running_seconds_total", "Time that tasks ran.")
        waiting = counter("node_schedstat_waiting_seconds_total", "Time that tasks waited.")
        slices = counter("node_schedstat_timeslices_total", "Slices of time that were run.")
        for line in lines:
            words = line.split()
            if words and words[0].startswith("cpu") and len(words) >= 10:
                labels = {"cpu": words[0].removeprefix("cpu")}
                running.add(int(words[7]) / 1e9, labels)
                waiting.add(int(words[8]) / 1e9, labels)
                slices.add(int(words[9]), labels)
        yield from (running, waiting, slices)
