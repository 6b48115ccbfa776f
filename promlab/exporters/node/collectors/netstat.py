"""netstat: counters of the network protocols, from netstat, snmp and snmp6 in /proc/net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from promlab.exporters.families import Family, untyped
from promlab.exporters.node.host import Flag, Host, NoData, search

_FIELDS = (
    "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)"
    "|Icmp6?_(InMsgs|OutMsgs)"
    "|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)"
    "|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    "|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$"
)
_PROTOCOLS_6 = ("Ip6", "Icmp6", "Udp6", "UdpLite6")


class Collector:
    """node_netstat_<protocol>_<counter>."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "fields": Flag(_FIELDS, "regular expression of the fields to export"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._fields = search(host.flag("netstat", "fields", _FIELDS), "--collector.netstat.fields")
        self._wanted: dict[str, bool] = {}

    def collect(self) -> Iterator[Family]:
        """A family a counter that is asked for."""
        found = False
        for name, value in self._counters():
            found = True
            wanted = self._wanted.get(name)
            if wanted is None:
                wanted = self._wanted[name] = self._fields.search(name) is not None
            if wanted:
                yield untyped(
                    f"node_netstat_{name}", f"Network statistic {name.replace('_', ' ')}.", value
                )
        if not found:
            raise NoData("no network statistics in /proc/net")

    def _counters(self) -> Iterator[tuple[str, int]]:
        for file in ("net/netstat", "net/snmp"):
            lines = self._host.proc(file).splitlines()
            # Two lines a protocol: names, then values.
            for names, values in zip(lines[::2], lines[1::2], strict=True):
                protocol, _, rest = names.partition(":")
                numbers = values.partition(":")[2].split()
                for name, number in zip(rest.split(), numbers, strict=True):
                    yield f"{protocol}_{name}", int(number)
        try:
            text = self._host.proc("net/snmp6")
        except FileNotFoundError:  # a machine without IPv6
            return
        for line in text.splitlines():
            name, number = line.split()
            for protocol in _PROTOCOLS_6:
                if name.startswith(protocol):
                    yield f"{protocol}_{name[len(protocol) :]}", int(number)
                    break
