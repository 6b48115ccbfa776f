"""thermal_zone: temperatures, and how hard fans work, as the kernel knows them."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import NoData, OfHost


class Collector(OfHost):
    """Gauges from /sys/class/thermal."""

    def collect(self) -> Iterator[Family]:
        """node_thermal_zone_temp, node_cooling_device_*."""
        if not self._host.linux:
            raise NoData("Linux alone tells")
        host = self._host
        zones = gauge("node_thermal_zone_temp", "Temperature of a zone in degrees Celsius.")
        current = gauge("node_cooling_device_cur_state", "How hard a device cools.")
        most = gauge("node_cooling_device_max_state", "How hard a device can cool.")
        for folder in host.list_sys("class/thermal"):
            path = f"class/thermal/{folder}"
            kind = folder.rstrip("0123456789")
            number = folder.removeprefix(kind)
            if kind not in ("thermal_zone", "cooling_device"):
                continue
            type_ = host.sys(f"{path}/type").strip()
            try:
                if kind == "thermal_zone":
                    value = int(host.sys(f"{path}/temp")) / 1000
                    zones.add(value, {"zone": number, "type": type_})
                else:
                    labels = {"name": number, "type": type_}
                    current.add(int(host.sys(f"{path}/cur_state")), labels)
                    most.add(int(host.sys(f"{path}/max_state")), labels)
            except OSError:  # a sensor that does not answer now
                continue
        yield from (zones, current, most)
