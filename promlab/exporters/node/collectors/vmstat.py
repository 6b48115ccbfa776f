"""vmstat: paging, swapping, page faults, kills for want of memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family, untyped
from promlab.exporters.node.host import Flag, Host, search

_FIELDS = "^(oom_kill|pgpg|pswp|pg.*fault).*"


class Collector:
    """node_vmstat_*, named like the kernel's fields."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "fields": Flag(_FIELDS, "regular expression of the fields to export"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._fields = search(host.flag("vmstat", "fields", _FIELDS), "--collector.vmstat.fields")
        self._wanted: dict[str, bool] = {}

    def collect(self) -> Iterator[Family]:
        """A family a line of /proc/vmstat that is asked for."""
        for line in self._host.proc("vmstat").splitlines():
            name, _, value = line.partition(" ")
            wanted = self._wanted.get(name)
            if wanted is None:
                wanted = self._wanted[name] = self._fields.search(name) is not None
            if wanted:
                yield untyped(
                    f"node_vmstat_{name}", f"Field {name} of the kernel's vmstat.", int(value)
                )
