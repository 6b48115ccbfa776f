"""cpufreq: how fast each CPU runs, and may run."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import NoData, OfHost

_FILES = (
    ("cpuinfo_cur_freq", "frequency_hertz", "Frequency."),
    ("cpuinfo_min_freq", "frequency_min_hertz", "Least frequency."),
    ("cpuinfo_max_freq", "frequency_max_hertz", "Highest frequency."),
    ("scaling_cur_freq", "scaling_frequency_hertz", "Frequency that the kernel has chosen."),
    ("scaling_min_freq", "scaling_frequency_min_hertz", "Least frequency that it may choose."),
    ("scaling_max_freq", "scaling_frequency_max_hertz", "Highest frequency that it may choose."),
)


class Collector(OfHost):
    """Gauges from /sys/devices/system/cpu."""

    def collect(self) -> Iterator[Family]:
        """node_cpu_frequency_*, node_cpu_scaling_*."""
        if not self._host.linux:
            raise NoData("Linux alone tells")
        host = self._host
        families = [gauge(f"node_cpu_{name}", help_) for _, name, help_ in _FILES]
        governors = gauge("node_cpu_scaling_governor", "The governor in force.")
        for cpu in host.list_sys("devices/system/cpu"):
            if not cpu.removeprefix("cpu").isdecimal():
                continue
            path, labels = f"devices/system/cpu/{cpu}/cpufreq", {"cpu": cpu.removeprefix("cpu")}
            for family, (file, _, _) in zip(families, _FILES, strict=True):
                try:
                    family.add(int(host.sys(f"{path}/{file}")) * 1000, labels)
                except OSError:
                    continue
            try:
                chosen = host.sys(f"{path}/scaling_governor").strip()
                for governor in host.sys(f"{path}/scaling_available_governors").split():
                    governors.add(float(governor == chosen), {**labels, "governor": governor})
            except OSError:
                continue
        yield from (*families, governors)
