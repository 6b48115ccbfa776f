"""What an exporter says of its own process, under the usual names."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from promlab.exporters.families import Family, counter, gauge


class OwnProcess:
    """CPU, memory, files and network of this process."""

    def __init__(self) -> None:
        self._collector = ProcessCollector(registry=CollectorRegistry())

    def families(self) -> Iterator[Family]:
        """The families as they are now; fewer where there is no /proc."""
        for metric in self._collector.collect():
            suffix = "_total" if metric.type == "counter" else ""
            family = Family(metric.name + suffix, metric.type, metric.documentation)
            for sample in metric.samples:
                family.add(sample.value, sample.labels)
            yield family
        with contextlib.suppress(ImportError, OSError, ValueError):
            yield from _more()


def _more() -> Iterator[Family]:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    most = float(limit) if limit != resource.RLIM_INFINITY else 2.0**64
    help_ = "Maximum amount of virtual memory available in bytes."
    yield gauge("process_virtual_memory_max_bytes", help_, most)
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
        yield counter(f"process_network_{name}_bytes_total", help_, float(found[field]))
