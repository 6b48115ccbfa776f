"""diskstats: reads, writes, discards and flushes of each block device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import psutil

from promlab.exporters.families import Family, counter, gauge
from promlab.exporters.node.host import Flag, Host, chosen, read

_SECTOR_BYTES = 512.0  # whatever the device's own sectors are, the kernel counts in these
_MS = 1e-3
# One for each column of /proc/diskstats, in its order: name after node_disk_, factor, help.
_COLUMNS = (
    ("reads_completed_total", 1, "Reads that succeeded."),
    ("reads_merged_total", 1, "Reads that were merged with a neighbour."),
    ("read_bytes_total", _SECTOR_BYTES, "Bytes read."),
    ("read_time_seconds_total", _MS, "Seconds spent on reads, summed over all of them."),
    ("writes_completed_total", 1, "Writes that succeeded."),
    ("writes_merged_total", 1, "Writes that were merged with a neighbour."),
    ("written_bytes_total", _SECTOR_BYTES, "Bytes written."),
    ("write_time_seconds_total", _MS, "Seconds spent on writes, summed over all of them."),
    ("io_now", 1, "Operations in flight now."),
    ("io_time_seconds_total", _MS, "Seconds in which the device had something to do."),
    ("io_time_weighted_seconds_total", _MS, "Seconds of work, times operations in flight."),
    ("discards_completed_total", 1, "Discards that succeeded."),
    ("discards_merged_total", 1, "Discards that were merged with a neighbour."),
    ("discarded_sectors_total", 1, "Sectors discarded."),
    ("discard_time_seconds_total", _MS, "Seconds spent on discards."),
    ("flush_requests_total", 1, "Flushes that succeeded."),
    ("flush_requests_time_seconds_total", _MS, "Seconds spent on flushes."),
)
_UDEV = {
    "model": "ID_MODEL",
    "path": "ID_PATH",
    "revision": "ID_REVISION",
    "serial": "ID_SERIAL_SHORT",
    "wwn": "ID_WWN",
}


class Collector:
    """node_disk_*{device}."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "device-exclude": Flag(
            r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
            "regular expression of devices to leave out",
        ),
        "device-include": Flag("", "regular expression of devices to export, and no others"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._devices = chosen(host, "diskstats", "device", self.flags)

    def collect(self) -> Iterator[Family]:
        """A family a column."""
        if not self._host.linux:
            yield from portable()
            return
        families = [_family(name, help_) for name, _, help_ in _COLUMNS]
        about = gauge("node_disk_info", "What is known of a block device, in labels.")
        for line in self._host.proc("diskstats").splitlines():
            major, minor, device, *words = line.split()
            if device not in self._devices:
                continue
            about.add(1, self._about(device, major, minor))
            labels = {"device": device}
            # Old kernels have fewer columns.
            for family, (_, factor, _), word in zip(families, _COLUMNS, words, strict=False):
                family.add(int(word) * factor, labels)
        yield about
        yield from families

    def _about(self, device: str, major: str, minor: str) -> dict[str, str]:
        udev = self._udev(major, minor)
        labels = {"device": device, "major": major, "minor": minor}
        labels |= {label: udev.get(name, "") for label, name in _UDEV.items()}
        # An NVMe or SCSI disk that udev knows by its long serial number only.
        labels["serial"] = udev.get("SCSI_IDENT_SERIAL", labels["serial"])
        try:
            labels["rotational"] = self._host.sys(f"block/{device}/queue/rotational").strip()
        except OSError:
            labels["rotational"] = "0"
        return dict(sorted(labels.items()))

    def _udev(self, major: str, minor: str) -> dict[str, str]:
        try:
            text = read(f"{self._host.udev}/b{major}:{minor}")
        except OSError:  # no udev, as in a container
            return {}
        lines = (line[2:].partition("=") for line in text.splitlines() if line.startswith("E:"))
        return {name: value for name, _, value in lines}


def _family(name: str, help_: str) -> Family:
    make = counter if name.endswith("_total") else gauge
    return make(f"node_disk_{name}", help_)


def portable() -> Iterator[Family]:
    """What psutil knows on any system."""
    fields = {
        "reads_completed_total": ("read_count", 1.0),
        "read_bytes_total": ("read_bytes", 1.0),
        "read_time_seconds_total": ("read_time", _MS),
        "writes_completed_total": ("write_count", 1.0),
        "written_bytes_total": ("write_bytes", 1.0),
        "write_time_seconds_total": ("write_time", _MS),
    }
    disks = psutil.disk_io_counters(perdisk=True) or {}
    helps = {name: help_ for name, _, help_ in _COLUMNS}
    for name, (field, factor) in fields.items():
        family = _family(name, helps[name])
        for device, counters in disks.items():
            family.add(getattr(counters, field) * factor, {"device": device})
        yield family
