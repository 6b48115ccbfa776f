"""kernel_hung: tasks that the kernel found hung since it started."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, counter
from promlab.exporters.node.host import NoData, OfHost


class Collector(OfHost):
    """One counter."""

    def collect(self) -> Iterator[Family]:
        """node_kernel_hung_tasks_total."""
        try:
            count = int(self._host.proc("sys/kernel/hung_task_detect_count"))
        except FileNotFoundError:
            raise NoData("this kernel does not count hung tasks") from None
        yield counter("node_kernel_hung_tasks_total", "Tasks that were found hung.", count)
