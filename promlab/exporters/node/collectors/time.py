"""time: the machine's clock, its zone, and what drives it.

Compared with the scraper's own `timestamp()`, node_time_seconds shows a clock that is off.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import OfHost, read


class Collector(OfHost):
    """node_time_*."""

    def collect(self) -> Iterator[Family]:
        """Clock, zone, clock sources."""
        yield gauge("node_time_seconds", "The machine's clock, in Unix time.", time.time())
        local = time.localtime()
        zone = gauge("node_time_zone_offset_seconds", "Seconds that the time zone is ahead of UTC.")
        zone.add(local.tm_gmtoff, {"time_zone": local.tm_zone})
        yield zone
        yield from self._sources()

    def _sources(self) -> Iterator[Family]:
        available = gauge("node_time_clocksource_available_info", "Clock sources there are.")
        current = gauge("node_time_clocksource_current_info", "The clock source in use.")
        folder = Path(self._host.sysfs, "devices/system/clocksource")
        for path in sorted(folder.glob("clocksource*")):
            device = path.name.removeprefix("clocksource")
            for source in read(f"{path}/available_clocksource").split():
                available.add(1, {"clocksource": source, "device": device})
            source = read(f"{path}/current_clocksource").strip()
            current.add(1, {"clocksource": source, "device": device})
        yield available
        yield current
