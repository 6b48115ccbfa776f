"""sockstat: sockets in use by protocol, and the memory of their buffers."""

from __future__ import annotations

import os
from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import OfHost

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Collector(OfHost):
    """node_sockstat_<protocol>_<field>."""

    def collect(self) -> Iterator[Family]:
        """A gauge a field; `mem`, which counts pages, also in bytes."""
        yield from self._families(self._host.proc("net/sockstat"))
        try:
            yield from self._families(self._host.proc("net/sockstat6"))
        except FileNotFoundError:  # a machine without IPv6
            return

    def _families(self, text: str) -> Iterator[Family]:
        for line in text.splitlines():
            protocol, _, rest = line.partition(":")
            words = rest.split()
            for field, word in zip(words[::2], words[1::2], strict=True):
                name, value = f"node_sockstat_{protocol}_{field}", int(word)
                yield gauge(name, f"Sockets: {protocol} {field}.", value)
                if field == "mem":
                    yield gauge(
                        f"{name}_bytes",
                        f"Memory of {protocol} socket buffers.",
                        value * _PAGE_BYTES,
                    )
