"""nvme: controllers of NVMe disks and their namespaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost

_INFO = {
    "cntlid": "cntlid",
    "firmware_revision": "firmware_rev",
    "model": "model",
    "serial": "serial",
    "state": "state",
}
_NAMESPACE = re.compile(r"nvme\d+n(\d+)")
_SECTOR_BYTES = 512
_HELPS = {
    "info": "What is known of a controller, in labels.",
    "namespace_info": "How a namespace is reached (asymmetric access), in labels.",
    "namespace_capacity_bytes": "Bytes that a namespace may hold.",
    "namespace_size_bytes": "Bytes of a namespace.",
    "namespace_used_bytes": "Bytes in use, where the disk counts them.",
    "namespace_logical_block_size_bytes": "Bytes of a logical block.",
}


class Collector(OfHost):
    """node_nvme_*{device} from /sys/class/nvme."""

    def collect(self) -> Iterator[Family]:
        """Controllers, and gauges of their namespaces."""
        host = self._host
        if not host.has_sys("class/nvme"):
            raise NoData("no NVMe disk")
        found = Gathered("node_nvme", "NVMe disk", _HELPS)
        for device in host.list_sys("class/nvme"):
            path = f"class/nvme/{device}"
            labels = {"device": device}
            info = {name: host.sys_word(f"{path}/{file}") or "" for name, file in _INFO.items()}
            found.gauge("info", 1, labels | info)
            # Folders like nvme0c1n2 are the same namespace by another path.
            namespaces = {
                match[1]: f"{path}/{name}"
                for name in host.list_sys(path)
                if (match := _NAMESPACE.fullmatch(name))
            }
            for number, folder in namespaces.items():
                self._namespace(found, labels | {"nsid": number}, folder)
        yield from found

    def _namespace(self, found: Gathered, labels: dict[str, str], path: str) -> None:
        host = self._host
        size, used = host.sys_number(f"{path}/size"), host.sys_number(f"{path}/nuse")
        block = host.sys_number(f"{path}/queue/logical_block_size")
        state = host.sys_word(f"{path}/ana_state") or "unknown"
        found.gauge("namespace_info", 1, labels | {"ana_state": state})
        if size is not None:
            found.gauge("namespace_size_bytes", size * _SECTOR_BYTES, labels)
            found.gauge("namespace_capacity_bytes", size * _SECTOR_BYTES, labels)
        if used is not None:
            found.gauge("namespace_used_bytes", used * (block or _SECTOR_BYTES), labels)
        found.gauge("namespace_logical_block_size_bytes", block, labels)
