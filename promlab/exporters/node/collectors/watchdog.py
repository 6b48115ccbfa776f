"""watchdog: timers that restart the machine unless somebody resets them."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost

_NUMBERS = {
    "access_cs0": "access_cs0",
    "bootstatus": "bootstatus",
    "fw_version": "fw_version",
    "nowayout": "nowayout",
    "pretimeout": "pretimeout_seconds",
    "timeleft": "timeleft_seconds",
    "timeout": "timeout_seconds",
}
_WORDS = ("identity", "options", "pretimeout_governor", "state", "status")


class Collector(OfHost):
    """node_watchdog_*{name} from /sys/class/watchdog."""

    def collect(self) -> Iterator[Family]:
        """A gauge for each number, and what is said in words."""
        host = self._host
        if not host.has_sys("class/watchdog"):
            raise NoData("no /sys/class/watchdog")
        found = Gathered("node_watchdog", "Watchdog")
        for name in host.list_sys("class/watchdog"):
            path = f"class/watchdog/{name}"
            for file, metric in _NUMBERS.items():
                found.gauge(metric, host.sys_number(f"{path}/{file}"), {"name": name})
            words = {word: host.sys_word(f"{path}/{word}") or "" for word in _WORDS}
            found.gauge("info", 1, {"name": name, **words})
        yield from found
