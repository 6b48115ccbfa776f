"""stat: boot time, context switches, forks, interrupts, running and blocked processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import psutil

from promlab.exporters.families import Family, counter, gauge
from promlab.exporters.node.host import Flag, Host, key_values

_BOOT = ("node_boot_time_seconds", "When the machine started, in Unix time.")
_VECTORS = (
    "hi",
    "timer",
    "net_tx",
    "net_rx",
    "block",
    "block_iopoll",
    "tasklet",
    "sched",
    "hrtimer",
    "rcu",
)


class Collector:
    """The lines of /proc/stat that are not about single CPUs."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "softirq": Flag(False, "export softirq calls per vector"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._softirq = bool(host.flag("stat", "softirq", False))

    def collect(self) -> Iterator[Family]:
        """One sample a family."""
        if not self._host.linux:
            yield gauge(*_BOOT, psutil.boot_time())
            return
        stat = key_values(self._host.proc("stat").splitlines())
        yield gauge(*_BOOT, int(stat["btime"]))
        yield counter("node_context_switches_total", "Context switches.", int(stat["ctxt"]))
        yield counter("node_forks_total", "Processes started.", int(stat["processes"]))
        yield counter("node_intr_total", "Interrupts served.", int(stat["intr"].split(None, 1)[0]))
        yield gauge("node_procs_running", "Processes that can run now.", int(stat["procs_running"]))
        yield gauge(
            "node_procs_blocked", "Processes that wait for I/O.", int(stat["procs_blocked"])
        )
        if self._softirq:
            calls = counter("node_softirqs_total", "Softirq calls per vector.")
            for vector, word in zip(_VECTORS, stat["softirq"].split()[1:], strict=False):
                calls.add(int(word), {"vector": vector})
            yield calls
