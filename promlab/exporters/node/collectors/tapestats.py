"""tapestats: what tape drives read and wrote, and how long it took."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import Flag, Host, NoData, search

_COUNTERS = {
    "io_ns": ("io_time_seconds_total", 1e9),
    "other_cnt": ("io_others_total", 1),
    "read_byte_cnt": ("read_bytes_total", 1),
    "read_cnt": ("reads_completed_total", 1),
    "read_ns": ("read_time_seconds_total", 1e9),
    "resid_cnt": ("residual_total", 1),
    "write_byte_cnt": ("written_bytes_total", 1),
    "write_cnt": ("writes_completed_total", 1),
    "write_ns": ("write_time_seconds_total", 1e9),
}
_DRIVE = re.compile(r"st\d+")


class Collector:
    """node_tape_*{device} from /sys/class/scsi_tape."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "ignored-devices": Flag("^$", "regular expression of drives to leave out"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        ignored = host.flag("tapestats", "ignored-devices", "^$")
        self._ignored = search(ignored, "--collector.tapestats.ignored-devices")

    def collect(self) -> Iterator[Family]:
        """Counters, and a gauge of what is under way; of a drive's names only st0 counts."""
        host = self._host
        if not host.has_sys("class/scsi_tape"):
            raise NoData("no tape drive")
        found = Gathered("node_tape", "Tape drive")
        for device in host.list_sys("class/scsi_tape"):
            if not _DRIVE.fullmatch(device) or self._ignored.search(device):
                continue
            path, labels = f"class/scsi_tape/{device}/stats", {"device": device}
            found.gauge("io_now", host.sys_number(f"{path}/in_flight"), labels)
            for file, (name, unit) in _COUNTERS.items():
                number = host.sys_number(f"{path}/{file}")
                found.counter(name, None if number is None else number / unit, labels)
        yield from found
