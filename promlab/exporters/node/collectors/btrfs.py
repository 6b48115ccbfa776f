"""btrfs: space and commits of Btrfs file systems, from /sys/fs/btrfs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost, key_values

_GROUPS = ("data", "metadata", "system")
_COPIES = {"dup": 2.0, "raid1": 2.0, "raid10": 2.0, "raid1c3": 3.0, "raid1c4": 4.0}
_PARITY = {"raid5": 1, "raid6": 2}
_SECTOR_BYTES = 512
_HELPS = {
    "info": "A file system, with its label.",
    "allocation_ratio": "Bytes on disk for a byte of data.",
    "global_rsv_size_bytes": "Size of the global reserve.",
    "reserved_bytes": "Bytes reserved for a kind of data.",
    "size_bytes": "Bytes allocated for a kind of data.",
    "used_bytes": "Bytes used by a kind of data.",
    "device_size_bytes": "Size of a device of the file system.",
    "commits_total": "Commits since mounting.",
    "commit_seconds_total": "Seconds that commits took.",
    "last_commit_seconds": "Seconds that the last commit took.",
    "max_commit_seconds": "Seconds that the slowest commit took.",
}


class Collector(OfHost):
    """node_btrfs_*{uuid}."""

    def collect(self) -> Iterator[Family]:
        """Gauges of each file system that is mounted."""
        host = self._host
        if not host.linux:
            raise NoData("no Btrfs")
        found = Gathered("node_btrfs", "Btrfs", _HELPS)
        for uuid in host.list_sys("fs/btrfs"):
            path = f"fs/btrfs/{uuid}"
            if not host.has_sys(f"{path}/allocation"):
                continue  # `features` stands beside the file systems
            label = host.sys_word(f"{path}/label") or ""
            found.gauge("info", 1, {"label": label, "uuid": uuid})
            reserve = host.sys_number(f"{path}/allocation/global_rsv_size")
            found.gauge("global_rsv_size_bytes", reserve, {"uuid": uuid})
            devices = host.list_sys(f"{path}/devices")
            for device in devices:
                sectors = host.sys_number(f"{path}/devices/{device}/size")
                if sectors is not None:
                    labels = {"device": device, "uuid": uuid}
                    found.gauge("device_size_bytes", sectors * _SECTOR_BYTES, labels)
            for group in _GROUPS:
                self._group(found, uuid, group, len(devices))
            self._commits(found, uuid)
        yield from found

    def _group(self, found: Gathered, uuid: str, group: str, devices: int) -> None:
        path = f"fs/btrfs/{uuid}/allocation/{group}"
        labels = {"block_group_type": group, "uuid": uuid}
        reserved = self._host.sys_number(f"{path}/bytes_reserved")
        found.gauge("reserved_bytes", reserved, labels)
        for mode in self._host.list_sys(path):
            total = self._host.sys_number(f"{path}/{mode}/total_bytes")
            if total is not None:
                by_mode = labels | {"mode": mode}
                used = self._host.sys_number(f"{path}/{mode}/used_bytes")
                found.gauge("size_bytes", total, by_mode)
                found.gauge("used_bytes", used, by_mode)
                found.gauge("allocation_ratio", _ratio(mode, devices), by_mode)

    def _commits(self, found: Gathered, uuid: str) -> None:
        text = self._host.sys_word(f"fs/btrfs/{uuid}/commit_stats")
        if text is None:  # before Linux 6.1
            return
        told = {name: int(value) for name, value in key_values(text.splitlines()).items()}
        labels = {"uuid": uuid}
        found.counter("commits_total", told["commits"], labels)
        found.counter("commit_seconds_total", told["total_commit_ms"] / 1000, labels)
        found.gauge("last_commit_seconds", told["last_commit_ms"] / 1000, labels)
        found.gauge("max_commit_seconds", told["max_commit_ms"] / 1000, labels)


def _ratio(mode: str, devices: int) -> float:
    parity = _PARITY.get(mode)
    if parity is None:
        return _COPIES.get(mode, 1.0)
    return devices / (devices - parity) if devices != parity else math.inf
