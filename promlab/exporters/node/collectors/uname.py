"""uname: what the system calls itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

from promlab.exporters.families import Family, info
from promlab.exporters.node.host import OfHost


class Collector(OfHost):
    """node_uname_info."""

    def collect(self) -> Iterator[Family]:
        """One sample whose labels are the fields of uname(2)."""
        name = os.uname()
        labels = {
            "domainname": self._domain(),
            "machine": name.machine,
            "nodename": name.nodename,
            "release": name.release,
            "sysname": name.sysname,
            "version": name.version,
        }
        yield info("node_uname_info", "What uname(2) says, in labels.", labels)

    def _domain(self) -> str:
        try:
            return self._host.proc("sys/kernel/domainname").strip()
        except OSError:
            return ""
