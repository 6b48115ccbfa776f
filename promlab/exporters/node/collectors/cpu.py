"""cpu: seconds that each CPU spent in each mode, since boot.

The kernel's own counters may step back a little (iowait does on a busy machine); a counter
may not, so the largest value seen is kept. A CPU that comes back after it was switched off
starts anew: that shows as idle time far behind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import psutil

from promlab.exporters.families import Family, counter
from promlab.exporters.node.host import Flag, Host, read

_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_GUEST_MODES = ("user", "nice")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_COMES_BACK_S = 3.0
_SECONDS = "Seconds that a CPU spent in a mode."
_GUEST = "Seconds that a CPU spent running guests (virtual machines); part of user and nice."


class Collector:
    """node_cpu_seconds_total, and throttling where the hardware counts it."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "guest": Flag(True, "export node_cpu_guest_seconds_total"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._guest = bool(host.flag("cpu", "guest", True))
        self._last: dict[str, list[float]] = {}

    def collect(self) -> Iterator[Family]:
        """Families of all CPUs."""
        if not self._host.linux:
            yield portable()
            return
        seconds, guests = counter("node_cpu_seconds_total", _SECONDS), None
        if self._guest:
            guests = counter("node_cpu_guest_seconds_total", _GUEST)
        for line in self._host.proc("stat").splitlines():
            if not line.startswith("cpu") or line.startswith("cpu "):
                continue
            words = line.split()
            cpu = words[0][3:]
            times = self._forward(cpu, [int(word) / _TICKS for word in words[1:]])
            for mode, value in zip(_MODES, times, strict=False):
                seconds.add(value, {"cpu": cpu, "mode": mode})
            if guests is not None:
                for mode, value in zip(_GUEST_MODES, times[len(_MODES) :], strict=False):
                    guests.add(value, {"cpu": cpu, "mode": mode})
        yield seconds
        if guests is not None:
            yield guests
        yield from self._throttles()

    def _forward(self, cpu: str, times: list[float]) -> list[float]:
        last = self._last.get(cpu)
        idle = _MODES.index("idle")
        if last is not None and times[idle] > last[idle] - _COMES_BACK_S:
            times = [max(pair) for pair in zip(times, last, strict=True)]
        self._last[cpu] = times
        return times

    def _throttles(self) -> Iterator[Family]:
        cores = counter("node_cpu_core_throttles_total", "Times that a core was throttled.")
        packages = counter(
            "node_cpu_package_throttles_total", "Times that a processor package was throttled."
        )
        seen: set[tuple[str, str]] = set()
        for path in Path(self._host.sysfs, "devices/system/cpu").glob("cpu[0-9]*/thermal_throttle"):
            if not re.fullmatch(r"cpu\d+", path.parent.name):
                continue
            package = read(f"{path.parent}/topology/physical_package_id").strip()
            core = read(f"{path.parent}/topology/core_id").strip()
            if (package, core) not in seen:
                count = int(read(f"{path}/core_throttle_count"))
                cores.add(count, {"core": core, "package": package})
            if (package, "") not in seen:
                packages.add(int(read(f"{path}/package_throttle_count")), {"package": package})
            seen |= {(package, core), (package, "")}
        yield cores
        yield packages


def portable() -> Family:
    """What psutil knows on any system."""
    seconds = counter("node_cpu_seconds_total", _SECONDS)
    for cpu, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode in ("user", "nice", "system", "idle"):
            if hasattr(times, mode):
                seconds.add(getattr(times, mode), {"cpu": str(cpu), "mode": mode})
    return seconds
