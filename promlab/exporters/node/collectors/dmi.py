"""dmi: what the firmware says of the machine."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, info
from promlab.exporters.node.host import NoData, OfHost

_LABELS = {"sys_vendor": "system_vendor"}
_NAMES = frozenset(
    f"{part}_{what}"
    for part in ("bios", "board", "chassis", "product")
    for what in ("asset_tag", "date", "family", "name", "release", "serial", "sku", "uuid",
                 "vendor", "version")
) | {"sys_vendor"}  # fmt: skip


class Collector(OfHost):
    """One info metric from /sys/class/dmi/id."""

    def collect(self) -> Iterator[Family]:
        """node_dmi_info."""
        labels = {}
        for name in self._host.list_sys("class/dmi/id"):
            if name in _NAMES:
                try:
                    labels[_LABELS.get(name, name)] = self._host.sys(f"class/dmi/id/{name}").strip()
                except OSError:  # serial numbers are for root alone
                    continue
        if not labels:
            raise NoData("the firmware says nothing")
        yield info("node_dmi_info", "What the firmware says of the machine.", labels)
