"""selinux: whether SELinux is on, and in which mode."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import NoData, OfHost, read

_MODES = {"enforcing": 1, "permissive": 0, "disabled": -1}


class Collector(OfHost):
    """Up to three gauges."""

    def collect(self) -> Iterator[Family]:
        """node_selinux_*."""
        if not self._host.linux:
            raise NoData("Linux alone tells")
        try:
            current = int(self._host.sys("fs/selinux/enforce"))
        except OSError:
            yield gauge("node_selinux_enabled", "Whether SELinux is on.", 0)
            return
        yield gauge("node_selinux_enabled", "Whether SELinux is on.", 1)
        yield gauge("node_selinux_current_mode", "Mode: 1 enforcing, 0 permissive.", current)
        text = read(self._host.under_root("/etc/selinux/config"))
        found = dict(line.split("=", 1) for line in text.splitlines() if line[:1].isalpha())
        mode = _MODES.get(found.get("SELINUX", "").strip(), -1)
        yield gauge("node_selinux_config_mode", "Mode in the configuration.", mode)
