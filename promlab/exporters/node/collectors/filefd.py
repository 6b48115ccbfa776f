"""filefd: open file descriptors of the whole machine, and their limit."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import OfHost


class Collector(OfHost):
    """Two gauges from /proc/sys/fs/file-nr."""

    def collect(self) -> Iterator[Family]:
        """node_filefd_allocated, node_filefd_maximum."""
        allocated, _, maximum = self._host.proc("sys/fs/file-nr").split()
        yield gauge("node_filefd_allocated", "File descriptors in use.", int(allocated))
        yield gauge("node_filefd_maximum", "Most file descriptors there may be.", int(maximum))
