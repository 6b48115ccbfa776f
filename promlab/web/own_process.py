"""What a program says of its own process, under the usual names: CPU, memory, files, network."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector


class Fact(NamedTuple):
    """One metric without labels."""

    name: str
    type: str
    help: str
    value: float


class OwnProcess:
    """CPU, memory, files and network of this process."""

    def __init__(self) -> None:
        self._collector = ProcessCollector(registry=CollectorRegistry())

    def facts(self) -> Iterator[Fact]:
        """The metrics as they are now; fewer where there is no /proc."""
        for metric in self._collector.collect():
            suffix = "_total" if metric.type == "counter" else ""
            for sample in metric.samples:
                name = metric.name + suffix
                yield Fact(name, metric.type, metric.documentation, sample.value)
        with contextlib.suppress(ImportError, OSError, ValueError):
            yield from _more()


def _more() -> Iterator[Fact]:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    most = float(limit) if limit != resource.RLIM_INFINITY else 2.0**64
    help_ = "Maximum amount of virtual memory available in bytes."
    yield Fact("process_virtual_memory_max_bytes", "gauge", help_, most)
    if sys.platform != "linux":
        return
    with open("/proc/self/net/netstat", encoding="ascii") as file:
        lines = [line.split() for line in file if line.startswith("IpExt:")]
    found = dict(zip(*lines, strict=True))
    for name, field, verb in (
        ("receive", "InOctets", "received"),
        ("transmit", "OutOctets", "sent"),
    ):
        help_ = f"Number of bytes {verb} over the network, in the process's network namespace."
        yield Fact(f"process_network_{name}_bytes_total", "counter", help_, float(found[field]))
