"""bcache: disks in front of disks: hits, misses, what is written back, and how fast."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import Flag, Host, NoData

_OF_SET = {
    "average_key_size": ("average_key_size_sectors", 1),
    "btree_cache_size": ("btree_cache_size_bytes", 1),
    "cache_available_percent": ("cache_available_percent", 1),
    "congested": ("congested", 1),
    "root_usage_percent": ("root_usage_percent", 1),
    "tree_depth": ("tree_depth", 1),
    "internal/active_journal_entries": ("active_journal_entries", 1),
    "internal/btree_nodes": ("btree_nodes", 1),
    # The file is named for microseconds and read as nanoseconds, as dashboards expect it.
    "internal/btree_read_average_duration_us": ("btree_read_average_duration_seconds", 1e9),
}
_OF_BACKING = {
    "bypassed": "bypassed_bytes_total",
    "cache_bypass_hits": "cache_bypass_hits_total",
    "cache_bypass_misses": "cache_bypass_misses_total",
    "cache_hits": "cache_hits_total",
    "cache_miss_collisions": "cache_miss_collisions_total",
    "cache_misses": "cache_misses_total",
    "cache_readaheads": "cache_readaheads_total",  # until Linux 5.15
}
_WRITEBACK = {
    "rate": "writeback_rate",
    "target": "dirty_target_bytes",
    "proportional": "writeback_rate_proportional_term",
    "integral": "writeback_rate_integral_term",
    "change": "writeback_change",
}
_SIZE = re.compile(r"(-?\d+)(?:\.(\d))?([kKMGTPEZY]?)(?:/sec)?")
_POWERS = {unit: power for power, unit in enumerate(" KMGTPEZY")}


class Collector:
    """node_bcache_*{uuid} from /sys/fs/bcache."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "priorityStats": Flag(False, "export priority_stats, which are expensive to read"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._priorities = bool(host.flag("bcache", "priorityStats", False))

    def collect(self) -> Iterator[Family]:
        """Sets of caches, the devices behind them, the devices in front."""
        host = self._host
        if not host.linux:
            raise NoData("no bcache")
        found = Gathered("node_bcache", "bcache")
        for uuid in host.list_sys("fs/bcache"):
            path, labels = f"fs/bcache/{uuid}", {"uuid": uuid}
            if "-" not in uuid:
                continue  # files to register devices
            for file, (name, unit) in _OF_SET.items():
                size = self._size(f"{path}/{file}")
                found.gauge(name, None if size is None else size / unit, labels)
            races = self._size(f"{path}/internal/cache_read_races")
            found.counter("cache_read_races_total", races, labels)
            for folder in host.list_sys(path):
                if re.fullmatch(r"bdev\d+", folder):
                    by_backing = labels | {"backing_device": folder}
                    self._backing(found, f"{path}/{folder}", by_backing)
                elif re.fullmatch(r"cache\d+", folder):
                    self._cache(found, f"{path}/{folder}", labels | {"cache_device": folder})
        yield from found

    def _backing(self, found: Gathered, path: str, labels: dict[str, str]) -> None:
        found.gauge("dirty_data_bytes", self._size(f"{path}/dirty_data"), labels)
        for file, name in _OF_BACKING.items():
            found.counter(name, self._size(f"{path}/stats_total/{file}"), labels)
        for line in (self._host.sys_word(f"{path}/writeback_rate_debug") or "").splitlines():
            word, _, value = line.partition(":")
            if word in _WRITEBACK:
                found.gauge(_WRITEBACK[word], size_bytes(value.strip()), labels)

    def _cache(self, found: Gathered, path: str, labels: dict[str, str]) -> None:
        found.gauge("io_errors", self._size(f"{path}/io_errors"), labels)
        for file in ("metadata_written", "written"):
            found.counter(f"{file}_bytes_total", self._size(f"{path}/{file}"), labels)
        if not self._priorities:
            return
        for line in (self._host.sys_word(f"{path}/priority_stats") or "").splitlines():
            word, _, value = line.partition(":")
            if word in ("Unused", "Metadata"):
                percent = float(value.strip().rstrip("%"))
                found.gauge(f"priority_stats_{word.lower()}_percent", percent, labels)

    def _size(self, name: str) -> float | None:
        text = self._host.sys_word(name)
        return None if text is None else size_bytes(text)


def size_bytes(text: str) -> float:
    """Bytes of a size like 12.5k, whose decimal stands for a hundred of the next smaller unit."""
    parts = _SIZE.fullmatch(text)
    if parts is None:
        raise ValueError(f"no size: {text!r}")
    power = _POWERS[parts[3].upper() or " "]
    fraction = int(parts[2] or 0) * 100 * 1024.0 ** (power - 1) if power else 0.0
    return int(parts[1]) * 1024.0**power + fraction
