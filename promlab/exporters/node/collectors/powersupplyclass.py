"""powersupplyclass: batteries, mains adapters, USB ports: what they hold and give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import Flag, Host, NoData, search

# Files of whole numbers, and what one of their units is.
_PLAIN = (
    "authentic",
    "calibrate",
    "capacity",
    "capacity_alert_max",
    "capacity_alert_min",
    "cycle_count",
    "online",
    "present",
    "time_to_empty_now",
    "time_to_full_now",
)
_MICRO = (
    "charge_control_limit",
    "charge_control_limit_max",
    "charge_counter",
    "charge_empty",
    "charge_empty_design",
    "charge_full",
    "charge_full_design",
    "charge_now",
    "charge_term_current",
    "constant_charge_current",
    "constant_charge_current_max",
    "constant_charge_voltage",
    "constant_charge_voltage_max",
    "current_boot",
    "current_max",
    "current_now",
    "energy_empty",
    "energy_empty_design",
    "energy_full",
    "energy_full_design",
    "energy_now",
    "input_current_limit",
    "power_now",
    "precharge_current",
    "voltage_boot",
    "voltage_max",
    "voltage_max_design",
    "voltage_min",
    "voltage_min_design",
    "voltage_now",
    "voltage_ocv",
)
_TENTHS = (
    "temp",
    "temp_alert_max",
    "temp_alert_min",
    "temp_ambient",
    "temp_ambient_max",
    "temp_ambient_min",
    "temp_max",
    "temp_min",
)
_NAMES = {
    "charge_now": "charge_ampere",
    "current_now": "current_ampere",
    "cycle_count": "cyclecount",
    "energy_now": "energy_watthour",
    "power_now": "power_watt",
    "time_to_empty_now": "time_to_empty_seconds",
    "time_to_full_now": "time_to_full_seconds",
    "voltage_now": "voltage_volt",
}
_UNITS = {
    **dict.fromkeys(_PLAIN, 1.0),
    **dict.fromkeys(_MICRO, 1e6),
    **dict.fromkeys(_TENTHS, 10.0),
}
_WORDS = (
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
)


class Collector:
    """node_power_supply_*{power_supply} from /sys/class/power_supply."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "ignored-supplies": Flag("^$", "regular expression of supplies to leave out"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        ignored = host.flag("powersupply", "ignored-supplies", "^$")
        self._ignored = search(ignored, "--collector.powersupply.ignored-supplies")

    def collect(self) -> Iterator[Family]:
        """A gauge for each thing that a supply tells."""
        host = self._host
        supplies = host.list_sys("class/power_supply")
        if not host.linux or (not supplies and not host.has_sys("class/power_supply")):
            raise NoData("no /sys/class/power_supply")
        found = Gathered("node_power_supply", "Power supply")
        for supply in supplies:
            if self._ignored.search(supply):
                continue
            path = f"class/power_supply/{supply}"
            labels = {"power_supply": supply}
            for file, unit in _UNITS.items():
                number = host.sys_number(f"{path}/{file}")
                name = f"{file}_celsius" if file in _TENTHS else _NAMES.get(file, file)
                found.gauge(name, None if number is None else number / unit, labels)
            words = {word: host.sys_word(f"{path}/{word}") for word in _WORDS}
            found.gauge("info", 1, labels | {word: text for word, text in words.items() if text})
        yield from found
