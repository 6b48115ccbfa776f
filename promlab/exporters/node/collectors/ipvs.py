"""ipvs: the kernel's load balancer: connections in all, and of each backend."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

from promlab.errors import ConfigError
from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import Flag, Host, NoData

_LABELS = ("local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark")
_TOTALS = (
    "connections_total",
    "incoming_packets_total",
    "outgoing_packets_total",
    "incoming_bytes_total",
    "outgoing_bytes_total",
)
_OF_BACKEND = ("backend_weight", "backend_connections_active", "backend_connections_inactive")


class Service(NamedTuple):
    """What is balanced: an address and a port, or packets with a firewall's mark."""

    proto: str
    address: str = ""
    port: str = "0"
    mark: str = ""


class Collector:
    """node_ipvs_*."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "backend-labels": Flag(",".join(_LABELS), "labels of backends, the rest is added up"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        text = str(host.flag("ipvs", "backend-labels", ",".join(_LABELS)))
        self._labels = tuple(filter(None, text.split(",")))
        for label in self._labels:
            if label not in _LABELS:
                raise ConfigError(
                    f"no label {label!r} of backends: there are {', '.join(_LABELS)}",
                    field="--collector.ipvs.backend-labels",
                )

    def collect(self) -> Iterator[Family]:
        """Totals, then gauges of backends by the labels that were asked for."""
        try:
            totals = self._host.proc("net/ip_vs_stats").splitlines()[2].split()
            table = self._host.proc("net/ip_vs")
        except FileNotFoundError:
            raise NoData("IPVS is not loaded") from None
        found = Gathered("node_ipvs", "IPVS")
        for name, word in zip(_TOTALS, totals, strict=True):
            found.counter(name, int(word, 16))
        sums: dict[tuple[str, ...], list[int]] = {}
        for labels, numbers in _backends(table):
            key = tuple(labels[label] for label in self._labels)
            known = sums.setdefault(key, [0, 0, 0])
            sums[key] = [a + b for a, b in zip(known, numbers, strict=True)]
        for key, numbers in sums.items():
            by = dict(zip(self._labels, key, strict=True))
            for name, number in zip(_OF_BACKEND, numbers, strict=True):
                found.gauge(name, number, by)
        yield from found


def _backends(table: str) -> Iterator[tuple[dict[str, str], list[int]]]:
    """Labels of each backend, with weight, active and inactive connections."""
    service = Service("")
    for line in table.splitlines()[3:]:
        words = line.split()
        if len(words) >= 2 and words[0] == "FWM":
            service = Service("FWM", mark=words[1])
        elif len(words) >= 2 and words[0] in ("TCP", "UDP", "SCTP"):
            service = Service(words[0], *_address(words[1]))
        elif len(words) >= 6 and words[0] == "->" and words[3].isdecimal():
            address, port = _address(words[1])
            yield (
                {
                    "local_address": service.address,
                    "local_port": service.port,
                    "local_mark": service.mark,
                    "proto": service.proto,
                    "remote_address": address,
                    "remote_port": port,
                },
                [int(word) for word in words[3:6]],
            )


def _address(text: str) -> tuple[str, str]:
    """`0A000001:1F90` or `[2001:…]:0050` as an address and a port."""
    host, _, port = text.rpartition(":")
    if host.startswith("["):
        shown = str(ipaddress.IPv6Address(host.strip("[]")))
    else:
        shown = str(ipaddress.IPv4Address(int(host, 16)))
    return shown, str(int(port, 16))
