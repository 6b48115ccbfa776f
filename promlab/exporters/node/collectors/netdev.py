"""netdev: bytes, packets, errors and drops of each network device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import psutil

from promlab.exporters.families import Family, counter
from promlab.exporters.node.host import Flag, Host, chosen

# The columns of /proc/net/dev, in their order.
_RECEIVE = ("bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast")
_TRANSMIT = ("bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed")
_NAMES = [f"receive_{name}" for name in _RECEIVE] + [f"transmit_{name}" for name in _TRANSMIT]
_PSUTIL = {
    "receive_bytes": "bytes_recv",
    "receive_packets": "packets_recv",
    "receive_errs": "errin",
    "receive_drop": "dropin",
    "transmit_bytes": "bytes_sent",
    "transmit_packets": "packets_sent",
    "transmit_errs": "errout",
    "transmit_drop": "dropout",
}


class Collector:
    """node_network_{receive,transmit}_*_total{device}."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "device-exclude": Flag("", "regular expression of devices to leave out"),
        "device-include": Flag("", "regular expression of devices to export, and no others"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._devices = chosen(host, "netdev", "device", self.flags)

    def collect(self) -> Iterator[Family]:
        """A counter a column."""
        if not self._host.linux:
            yield from self._portable()
            return
        families = [_family(name) for name in _NAMES]
        no_handler = _family("receive_nohandler")
        for line in self._host.proc("net/dev").splitlines()[2:]:
            device, _, rest = line.rpartition(":")
            device = device.strip()
            if device not in self._devices:
                continue
            labels = {"device": device}
            for family, word in zip(families, rest.split(), strict=True):
                family.add(int(word), labels)
            try:
                count = self._host.sys(f"class/net/{device}/statistics/rx_nohandler")
                no_handler.add(int(count), labels)
            except OSError:  # an old kernel, or another namespace's /sys
                continue
        yield from families
        yield no_handler

    def _portable(self) -> Iterator[Family]:
        devices = psutil.net_io_counters(pernic=True)
        for name, field in _PSUTIL.items():
            family = _family(name)
            for device, counters in devices.items():
                if device in self._devices:
                    family.add(getattr(counters, field), {"device": device})
            yield family


def _family(name: str) -> Family:
    direction, _, what = name.partition("_")
    verb = "received" if direction == "receive" else "sent"
    return counter(f"node_network_{name}_total", f"Network device: {what}, {verb}.")
