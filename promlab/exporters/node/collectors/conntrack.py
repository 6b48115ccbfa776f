"""conntrack: how many connections netfilter tracks, and how many it may."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import NoData, OfHost

_STATS = {
    "found": "Entries that were looked for and found.",
    "invalid": "Packets that can't be tracked.",
    "ignore": "Packets whose connection was known already.",
    "insert": "Entries that were added.",
    "insert_failed": "Entries that could not be added.",
    "drop": "Packets that were dropped because tracking failed.",
    "early_drop": "Entries that were dropped to make room.",
    "search_restart": "Look-ups that were begun anew because the table was resized.",
}


class Collector(OfHost):
    """Gauges from /proc/sys/net/netfilter and /proc/net/stat."""

    def collect(self) -> Iterator[Family]:
        """node_nf_conntrack_*."""
        try:
            entries = int(self._host.proc("sys/net/netfilter/nf_conntrack_count"))
        except FileNotFoundError:
            raise NoData("netfilter tracks no connections here") from None
        limit = int(self._host.proc("sys/net/netfilter/nf_conntrack_max"))
        yield gauge("node_nf_conntrack_entries", "Connections that are tracked.", entries)
        yield gauge("node_nf_conntrack_entries_limit", "Most that may be tracked.", limit)
        lines = self._host.proc("net/stat/nf_conntrack").splitlines()
        columns = list(zip(*(line.split() for line in lines), strict=True))
        totals = {column[0]: sum(int(word, 16) for word in column[1:]) for column in columns}
        for name, help_ in _STATS.items():
            if name in totals:
                yield gauge(f"node_nf_conntrack_stat_{name}", help_, totals[name])
