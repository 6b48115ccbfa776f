"""`promlab exporter node`: flags and make. The flags are node_exporter's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promlab.exporters.node.collectors import FLAG_PREFIXES, NAMES, OFF_BY_DEFAULT, collector_class
from promlab.exporters.node.exporter import NodeExporter
from promlab.exporters.node.host import Host
from promlab.exporters.served import Flags, Served

PORT = 9100


def _flags() -> Flags:
    found: dict[str, tuple[Any, str]] = {
        "web.disable-exporter-metrics": (False, "leave out the exporter's own metrics"),
        "path.procfs": ("/proc", "where the host's /proc is mounted"),
        "path.sysfs": ("/sys", "where the host's /sys is mounted"),
        "path.rootfs": ("/", "where the host's root file system is mounted"),
        "path.udev.data": ("/run/udev/data", "where udev keeps what it knows of devices"),
        "collector.disable-defaults": (False, "switch off all that is not asked for"),
    }
    for name in NAMES:
        state = "off" if name in OFF_BY_DEFAULT else "on"
        found[f"collector.{name}"] = (None, f"the {name} collector ({state})")
        prefix = FLAG_PREFIXES.get(name, name)
        for flag, (default, what) in collector_class(name).flags.items():
            found[f"collector.{prefix}.{flag}"] = (default, what)
    return found


FLAGS = _flags()


def make(flags: Mapping[str, Any]) -> Served:
    """The exporter by its flags. Raises ConfigError."""
    host = Host(
        procfs=flags["path.procfs"].rstrip("/"),
        sysfs=flags["path.sysfs"].rstrip("/"),
        rootfs=flags["path.rootfs"],
        udev=flags["path.udev.data"].rstrip("/"),
        flags=flags,
    )
    own = not flags["web.disable-exporter-metrics"]
    return Served("Node exporter", NodeExporter(host, enabled(flags), own_metrics=own).collect)


def enabled(flags: Mapping[str, Any]) -> list[str]:
    """Names of the collectors that the flags switch on."""
    by_default = not flags["collector.disable-defaults"]
    return [
        name
        for name in NAMES
        if flags.get(f"collector.{name}", by_default and name not in OFF_BY_DEFAULT)
    ]
