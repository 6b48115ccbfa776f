"""kernel_hung: tasks that the kernel found hung since it started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family, counter
from promlab.exporters.node.host import Flag, Host, NoData


class Collector:
    """One counter."""

    flags: ClassVar[Mapping[str, Flag]] = {}

    def __init__(self, host: Host) -> None:
        self._host = host

    def collect(self) -> Iterator[Family]:
        """node_kernel_hung_tasks_total."""
        try:
            count = int(self._host.proc("sys/kernel/hung_task_detect_count"))
        except FileNotFoundError:
            raise NoData("this kernel does not count hung tasks") from None
        yield counter("node_kernel_hung_tasks_total", "Tasks that were found hung.", count)
