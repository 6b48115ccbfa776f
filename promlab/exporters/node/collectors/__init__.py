"""Collectors: one module each, named like the collector.

A module has a class `Collector` with `flags`, a constructor that takes the `Host` (both from
`OfHost` where it has no flags), and `collect()`, which yields families. It may raise OSError or
ValueError, or `NoData` where the machine has nothing of the kind: the exporter then reports it
as failed and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import ClassVar, Protocol

from promlab.exporters.families import Family
from promlab.exporters.node.host import Flag, Host

NAMES = (
    "arp",
    "bcache",
    "bcachefs",
    "bonding",
    "btrfs",
    "conntrack",
    "cpu",
    "cpufreq",
    "diskstats",
    "dmi",
    "edac",
    "entropy",
    "fibrechannel",
    "filefd",
    "filesystem",
    "hwmon",
    "infiniband",
    "ipvs",
    "kernel_hung",
    "loadavg",
    "mdadm",
    "meminfo",
    "netclass",
    "netdev",
    "netstat",
    "nfs",
    "nfsd",
    "nvme",
    "os",
    "powersupplyclass",
    "pressure",
    "rapl",
    "schedstat",
    "selinux",
    "sockstat",
    "softnet",
    "stat",
    "tapestats",
    "textfile",
    "thermal_zone",
    "time",
    "timex",
    "udp_queues",
    "uname",
    "vmstat",
    "watchdog",
    "xfs",
    "zfs",
)


# Collectors whose own flags go by another name than theirs.
FLAG_PREFIXES = {"powersupplyclass": "powersupply"}
OFF_BY_DEFAULT: frozenset[str] = frozenset()


class Collector(Protocol):
    """What a collector's class offers."""

    flags: ClassVar[Mapping[str, Flag]]

    def __init__(self, host: Host) -> None: ...

    def collect(self) -> Iterator[Family]:
        """The families as they are now."""


def collector_class(name: str) -> type[Collector]:
    """The class of a collector by its name."""
    found: type[Collector] = import_module(f"{__name__}.{name}").Collector
    return found
