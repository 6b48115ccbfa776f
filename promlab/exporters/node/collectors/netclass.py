"""netclass: state and settings of each network device, from /sys/class/net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from promlab.exporters.families import Family, counter, gauge
from promlab.exporters.node.host import Flag, Host, NoData, search

# File in /sys/class/net/<device> to name after node_network_; some are hexadecimal.
_FILES = {
    "addr_assign_type": "address_assign_type",
    "carrier": "carrier",
    "carrier_changes": "carrier_changes_total",
    "carrier_down_count": "carrier_down_changes_total",
    "carrier_up_count": "carrier_up_changes_total",
    "dev_id": "device_id",
    "dormant": "dormant",
    "flags": "flags",
    "ifindex": "iface_id",
    "iflink": "iface_link",
    "link_mode": "iface_link_mode",
    "mtu": "mtu_bytes",
    "name_assign_type": "name_assign_type",
    "netdev_group": "net_dev_group",
    "speed": "speed_bytes",
    "tx_queue_len": "transmit_queue_length",
    "type": "protocol_type",
}
_MBIT_BYTES = 1_000_000 // 8
_IFF_UP = 1


class Collector:
    """node_network_*{device}, node_network_info, node_network_up."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "ignored-devices": Flag("^$", "regular expression of devices to leave out"),
        "ignore-invalid-speed": Flag(False, "leave out the speed of devices that have none"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        ignored = host.flag("netclass", "ignored-devices", "^$")
        self._ignored = search(ignored, "--collector.netclass.ignored-devices")
        self._valid_speed = bool(host.flag("netclass", "ignore-invalid-speed", False))

    def collect(self) -> Iterator[Family]:
        """A family a file."""
        if not self._host.linux:
            raise NoData("only Linux has /sys/class/net")
        families = {file: _family(name) for file, name in _FILES.items()}
        up = gauge("node_network_up", "Whether the device is in operation.")
        about = gauge("node_network_info", "What is known of a network device, in labels.")
        devices = sorted(path.name for path in Path(self._host.sysfs, "class/net").iterdir())
        for device in devices:
            if self._ignored.search(device) or self._word(device, "ifindex") is None:
                continue
            labels = {"device": device}
            state = self._word(device, "operstate") or ""
            up.add(1 if state == "up" else 0, labels)
            flags = 0
            for file, family in families.items():
                number = self._number(device, file)
                if number is None or (file == "speed" and number < 0 and self._valid_speed):
                    continue
                flags = number if file == "flags" else flags
                family.add(number * _MBIT_BYTES if file == "speed" else number, labels)
            about.add(1, self._about(device, state, flags))
        yield from families.values()
        yield up
        yield about

    def _about(self, device: str, state: str, flags: int) -> dict[str, str]:
        return {
            "address": self._word(device, "address") or "",
            "adminstate": "up" if flags & _IFF_UP else "down",
            "broadcast": self._word(device, "broadcast") or "",
            "device": device,
            "duplex": self._word(device, "duplex") or "",
            "ifalias": self._word(device, "ifalias") or "",
            "operstate": state,
        }

    def _word(self, device: str, file: str) -> str | None:
        """A file's text; None where the device has no such thing, or refuses to say."""
        try:
            return self._host.sys(f"class/net/{device}/{file}").strip()
        except OSError:
            return None

    def _number(self, device: str, file: str) -> int | None:
        word = self._word(device, file)
        return int(word, 0) if word else None


def _family(name: str) -> Family:
    make = counter if name.endswith("_total") else gauge
    words = name.removesuffix("_total").replace("_", " ")
    return make(f"node_network_{name}", f"Network device: {words}.")
