"""edac: memory errors that were corrected, and those that were not."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost

_MC = "devices/system/edac/mc"
_KINDS = {"ce": "correctable", "ue": "uncorrectable"}


class Collector(OfHost):
    """node_edac_*{controller,csrow}."""

    def collect(self) -> Iterator[Family]:
        """Counters of each memory controller and its rows."""
        host = self._host
        if not host.linux:
            raise NoData("no memory controllers")
        found = Gathered("node_edac", "Memory")
        for folder in _numbered(host.list_sys(_MC), "mc"):
            controller = {"controller": folder.removeprefix("mc")}
            for short, kind in _KINDS.items():
                count = int(host.sys(f"{_MC}/{folder}/{short}_count"))
                found.counter(f"{kind}_errors_total", count, controller)
                unknown = int(host.sys(f"{_MC}/{folder}/{short}_noinfo_count"))
                row = {"csrow": "unknown"}
                found.counter(f"csrow_{kind}_errors_total", unknown, controller | row)
            for row_folder in _numbered(host.list_sys(f"{_MC}/{folder}"), "csrow"):
                row = {"csrow": row_folder.removeprefix("csrow")}
                for short, kind in _KINDS.items():
                    count = int(host.sys(f"{_MC}/{folder}/{row_folder}/{short}_count"))
                    found.counter(f"csrow_{kind}_errors_total", count, controller | row)
        yield from found


def _numbered(names: list[str], prefix: str) -> Iterator[str]:
    return (n for n in names if n.startswith(prefix) and n.removeprefix(prefix).isdecimal())
