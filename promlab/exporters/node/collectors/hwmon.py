"""hwmon: sensors of chips, boards and disks: temperatures, fans, voltages, powers.

A chip is a folder of /sys/class/hwmon; a sensor's files are called `temp3_input`, `temp3_max`.
What a sensor measures is told by its type alone, so units are tables here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import Flag, Host, NoData, chosen, read

_TYPES = frozenset(
    {
        "beep_enable",
        "cpu",
        "curr",
        "energy",
        "fan",
        "freq",
        "humidity",
        "in",
        "intrusion",
        "power",
        "pwm",
        "temp",
        "update_interval",
        "vrm",
    }
)
_FILE = re.compile(r"([^0-9]+)([0-9]*)(?:_(.+))?")
_SWITCHES = ("fault", "alarm")
_RPM = ("input", "min", "max", "target")
_INTERVALS = ("average_interval", "average_interval_min", "average_interval_max")
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\s*")

Sensor = dict[str, str]


class Collector:
    """node_hwmon_*{chip,sensor}."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "chip-exclude": Flag("", "regular expression of chips to leave out"),
        "chip-include": Flag("", "regular expression of chips to export, and no others"),
        "sensor-exclude": Flag("", "regular expression of `chip;sensor` to leave out"),
        "sensor-include": Flag("", "regular expression of `chip;sensor` to export alone"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._chips = chosen(host, "hwmon", "chip", self.flags)
        self._sensors = chosen(host, "hwmon", "sensor", self.flags)

    def collect(self) -> Iterator[Family]:
        """A family for each type of sensor and each thing told of it."""
        if not self._host.linux or not self._host.has_sys("class/hwmon"):
            raise NoData("no /sys/class/hwmon")
        found = Gathered("node_hwmon", "Hardware monitor")
        for folder in self._host.list_sys("class/hwmon"):
            path = Path(self._host.sysfs, "class/hwmon", folder)
            chip = _chip_name(path)
            if chip not in self._chips:
                continue
            for sensor, told in sorted(_sensors(path).items()):
                if f"{chip};{sensor}" in self._sensors:
                    _export(found, chip, sensor, told)
            name = _word(path / "name")
            if name:
                found.gauge("chip_names", 1, {"chip": chip, "chip_name": _clean(name)})
        yield from found


def _chip_name(path: Path) -> str:
    """A name that stays the same over reboots: that of the device, else what the driver says."""
    if (path / "device").exists():
        kind, name = (_clean(part) for part in (path / "device").resolve().parts[-2:])
        if name:
            return f"{kind}_{name}" if kind else name
    return _clean(_word(path / "name")) or _clean(path.resolve().name)


def _sensors(path: Path) -> dict[str, Sensor]:
    """What is told by property of each sensor; old drivers have them with the device."""
    found: dict[str, Sensor] = {}
    for folder in (path, path / "device"):
        if not folder.is_dir():
            continue
        for file in folder.iterdir():
            parts = _FILE.fullmatch(file.name)
            if parts is None or parts[1] not in _TYPES or file.is_dir():
                continue
            text = _word(file)
            if text:
                sensor = f"{parts[1]}{int(parts[2] or 0)}"
                found.setdefault(sensor, {})[parts[3] or ""] = text
    return found


def _export(found: Gathered, chip: str, sensor: str, told: Sensor) -> None:
    labels = {"chip": chip, "sensor": sensor}
    kind = sensor.rstrip("0123456789")
    if "label" in told:
        found.gauge("sensor_label", 1, labels | {"label": told["label"]})
    for property_, text in sorted(told.items()):
        if property_ == "label" or not _NUMBER.fullmatch(text):
            continue
        value = float(text)
        if kind == "energy":
            found.counter(f"{_name(kind, property_, told)}_joule_total", value / 1e6, labels)
        elif kind == "freq" and property_ == "input":
            if "label" in told:  # nobody knows what the others are the frequencies of
                clock = labels | {"sensor": _clean(told["label"])}
                found.gauge("freq_freq_mhz", value / 1e6, clock)
        else:
            found.gauge(*_measured(kind, property_, told, value), labels)


def _name(kind: str, property_: str, told: Sensor) -> str:
    if property_ == "" or (property_ == "input" and "" not in told):
        return kind
    return f"{kind}_{property_}"


def _measured(kind: str, property_: str, told: Sensor, value: float) -> tuple[str, float]:
    """Name with its unit, and the value in it."""
    name = _name(kind, property_, told)
    match kind:
        case "beep_enable":
            return "beep_enabled", value
        case "vrm":
            return "voltage_regulator_version", value
        case "update_interval":
            return "update_interval_seconds", value / 1000
    if property_ in _SWITCHES:
        return name, value
    if property_ == "beep":
        return f"{name}_enabled", value
    match kind:
        case "in" | "cpu":
            return f"{name}_volts", value / 1000
        case "temp" if property_ != "type":
            return f"{name}_celsius", value / 1000
        case "curr":
            return f"{name}_amps", value / 1000
        case "power" if property_ == "accuracy":
            return name, value / 1e6
        case "power" if property_ in _INTERVALS:
            return f"{name}_seconds", value / 1000
        case "power":
            return f"{name}_watt", value / 1e6
        case "humidity":
            return name, value / 1e6
        case "fan" if property_ in _RPM:
            return f"{name}_rpm", value
    return name, value


def _word(path: Path) -> str:
    """A file's text; sensors that are asleep refuse to be read."""
    try:
        return read(str(path)).strip()
    except OSError:
        return ""


def _clean(text: str) -> str:
    return re.sub(r"[^a-z0-9:_]", "_", text.lower()).strip("_")
