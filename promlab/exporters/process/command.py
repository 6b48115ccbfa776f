"""`promlab exporter process`: CPU, memory, I/O and files of processes, by group.

A group is a process's name, or what an expression finds in its command line. Counters go on when
a process of the group ends: what each one used is added up as long as it is seen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psutil

from promlab.errors import ConfigError
from promlab.exporters.families import Family, counter, gauge
from promlab.exporters.served import Flags, Served
from promlab.model.matchers import BadRegex, compile_regex

PORT = 9256
_PREFIX = "namedprocess_namegroup_"
FLAGS: Flags = {
    "process.name": ([], "export just processes of this name; repeatable; default: all"),
    "process.match": (
        "",
        "regular expression on command lines; its first group, or else the match, is the name",
    ),
}
_COUNTERS = {
    "cpu_seconds_total": ("CPU time in seconds.", ("mode",)),
    "read_bytes_total": ("Bytes read from storage.", ()),
    "write_bytes_total": ("Bytes written to storage.", ()),
    "context_switches_total": ("Context switches.", ("ctxswitchtype",)),
}


def make(flags: Mapping[str, Any]) -> Served:
    """The exporter by its flags. Raises ConfigError."""
    try:
        pattern = compile_regex(flags["process.match"]) if flags["process.match"] else None
    except BadRegex as error:
        raise ConfigError(str(error), field="--process.match") from None
    exporter = ProcessExporter(frozenset(flags.get("process.name", ())), pattern)
    return Served("Process exporter", lambda _: exporter.collect())


class ProcessExporter:
    """Looks at all processes at each scrape."""

    def __init__(self, names: frozenset[str] = frozenset(), pattern: Any = None) -> None:
        self._names, self._pattern = names, pattern
        self._seen: dict[tuple[int, float], dict[tuple[str, str], float]] = {}
        self._totals: dict[str, dict[tuple[str, str], float]] = {}
        self._lock = threading.Lock()

    def collect(self) -> list[Family]:
        """Families of the groups as they are."""
        with self._lock:
            groups: dict[str, list[dict[str, Any]]] = {}
            seen = {}
            for process in psutil.process_iter():
                group = self._group(process)
                facts = _facts(process) if group else None
                if facts is None:
                    continue
                groups.setdefault(group, []).append(facts)
                key = (process.pid, facts["created"])
                self._add_up(group, self._seen.get(key, {}), facts["used"])
                seen[key] = facts["used"]
            self._seen = seen
            return [*_gauges(groups), *self._counters()]

    def _group(self, process: psutil.Process) -> str:
        try:
            name = process.name()
            if self._names and name not in self._names:
                return ""
            if self._pattern is None:
                return name
            found = self._pattern.search(" ".join(process.cmdline()))
        except psutil.Error:
            return ""
        if found is None:
            return ""
        groups = found.groups()
        return str(groups[0] if groups and groups[0] else found.group(0))

    def _add_up(
        self,
        group: str,
        before: Mapping[tuple[str, str], float],
        used: Mapping[tuple[str, str], float],
    ) -> None:
        totals = self._totals.setdefault(group, {})
        for key, value in used.items():
            totals[key] = totals.get(key, 0.0) + max(0.0, value - before.get(key, 0.0))

    def _counters(self) -> Iterator[Family]:
        for name, (help_, label) in _COUNTERS.items():
            family = counter(_PREFIX + name, help_)
            for group, totals in sorted(self._totals.items()):
                for (metric, value), total in totals.items():
                    if metric == name:
                        more = {label[0]: value} if label else {}
                        family.add(total, {"groupname": group, **more})
            yield family


def _facts(process: psutil.Process) -> dict[str, Any] | None:
    """What a process is and has used; None for one that has ended, or is not ours to see."""
    try:
        with process.oneshot():
            cpu, memory = process.cpu_times(), process.memory_info()
            switches = process.num_ctx_switches()
            used = {
                ("cpu_seconds_total", "user"): cpu.user,
                ("cpu_seconds_total", "system"): cpu.system,
                ("context_switches_total", "voluntary"): float(switches.voluntary),
                ("context_switches_total", "nonvoluntary"): float(switches.involuntary),
            }
            found: dict[str, Any] = {
                "created": process.create_time(),
                "threads": process.num_threads(),
                "resident": memory.rss,
                "virtual": memory.vms,
                "state": process.status(),
                "files": None,
                "used": used,
            }
            try:
                io = process.io_counters()
                used["read_bytes_total", ""] = float(io.read_bytes)
                used["write_bytes_total", ""] = float(io.write_bytes)
                found["files"] = process.num_fds()
            except (psutil.AccessDenied, AttributeError, OSError):
                pass  # another user's, or not on this system
            return found
    except psutil.Error:
        return None


def _gauges(groups: Mapping[str, Iterable[dict[str, Any]]]) -> list[Family]:
    number = gauge(f"{_PREFIX}num_procs", "Processes of the group.")
    memory = gauge(f"{_PREFIX}memory_bytes", "Memory in use.")
    threads = gauge(f"{_PREFIX}num_threads", "Threads.")
    oldest = gauge(f"{_PREFIX}oldest_start_time_seconds", "Start of the oldest process.")
    files = gauge(f"{_PREFIX}open_filedesc", "Open file descriptors.")
    states = gauge(f"{_PREFIX}states", "Processes by state.")
    for group, found in sorted(groups.items()):
        labels, facts = {"groupname": group}, list(found)
        number.add(len(facts), labels)
        for kind in ("resident", "virtual"):
            memory.add(sum(fact[kind] for fact in facts), {**labels, "memtype": kind})
        threads.add(sum(fact["threads"] for fact in facts), labels)
        oldest.add(min(fact["created"] for fact in facts), labels)
        known = [fact["files"] for fact in facts if fact["files"] is not None]
        if known:
            files.add(sum(known), labels)
        for state in sorted({fact["state"] for fact in facts}):
            count = sum(fact["state"] == state for fact in facts)
            states.add(count, {**labels, "state": state})
    return [number, memory, threads, oldest, files, states]
