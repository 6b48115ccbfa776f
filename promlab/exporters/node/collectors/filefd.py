"""filefd: open file descriptors of the whole machine, and their limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import Flag, Host


class Collector:
    """Two gauges from /proc/sys/fs/file-nr."""

    flags: ClassVar[Mapping[str, Flag]] = {}

    def __init__(self, host: Host) -> None:
        self._host = host

    def collect(self) -> Iterator[Family]:
        """node_filefd_allocated, node_filefd_maximum."""
        allocated, _, maximum = self._host.proc("sys/fs/file-nr").split()
        yield gauge("node_filefd_allocated", "File descriptors in use.", int(allocated))
        yield gauge("node_filefd_maximum", "Most file descriptors there may be.", int(maximum))
