"""One Jupyter Server: its kernels and what they do, sessions, terminals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from promlab.errors import ScrapeError
from promlab.exporters.families import Family, counter, gauge, info
from promlab.exporters.jupyter.api import Api, unix_s

STATES = ("idle", "busy", "starting")


class Kernel(msgspec.Struct):
    """A kernel, as the server knows it."""

    id: str
    name: str = ""
    execution_state: str = "unknown"
    last_activity: datetime | None = None
    connections: int = 0


class _Session(msgspec.Struct):
    path: str = ""
    type: str = ""
    kernel: Kernel | None = None


class _Terminal(msgspec.Struct):
    name: str
    last_activity: datetime | None = None


class _Status(msgspec.Struct):
    started: datetime | None = None
    last_activity: datetime | None = None


class _Version(msgspec.Struct):
    version: str = ""


def families(api: Api, *, processes: bool) -> list[Family]:
    """What a server is doing. Raises ScrapeError if it does not say."""
    status, version = api.get("/api/status", _Status), api.get("/api", _Version)
    kernels = api.get("/api/kernels", list[Kernel])
    sessions = api.get("/api/sessions", list[_Session])
    found = [
        info("jupyter_server_info", "Version of the server.", {"version": version.version}),
        _moment("jupyter_server_start_time_seconds", "When it started.", status.started),
        _moment(
            "jupyter_server_last_activity_timestamp_seconds",
            "When anything was done last.",
            status.last_activity,
        ),
        *_of_kernels(kernels, sessions),
        *_of_terminals(api),
    ]
    return [*found, *_of_processes(kernels)] if processes else found


def _moment(name: str, help_: str, moment: datetime | None) -> Family:
    return gauge(name, help_, None if moment is None else unix_s(moment))


def _of_kernels(kernels: Sequence[Kernel], sessions: Sequence[_Session]) -> list[Family]:
    paths = {s.kernel.id: s.path for s in sessions if s.kernel is not None}
    total = gauge("jupyter_kernels", "Kernels by name and state.")
    described = gauge("jupyter_kernel_info", "A kernel, and the notebook that it serves.")
    state = gauge("jupyter_kernel_state", "1 for the state that a kernel is in.")
    active = gauge("jupyter_kernel_last_activity_timestamp_seconds", "When it did anything last.")
    connected = gauge("jupyter_kernel_connections", "Clients connected to a kernel.")
    for (name, now), n in Counter((k.name, k.execution_state) for k in kernels).items():
        total.add(n, {"kernel_name": name, "state": now})
    for kernel in kernels:
        one = {"kernel_id": kernel.id}
        described.add(1, {**one, "kernel_name": kernel.name, "path": paths.get(kernel.id, "")})
        for known in dict.fromkeys((*STATES, kernel.execution_state)):
            state.add(float(known == kernel.execution_state), {**one, "state": known})
        if kernel.last_activity is not None:
            active.add(unix_s(kernel.last_activity), one)
        connected.add(kernel.connections, one)
    types = gauge("jupyter_sessions", "Sessions by type: notebooks, consoles…")
    for kind, n in Counter(session.type for session in sessions).items():
        types.add(n, {"type": kind})
    return [total, described, state, active, connected, types]


def _of_terminals(api: Api) -> list[Family]:
    try:
        terminals = api.get("/api/terminals", list[_Terminal])
    except ScrapeError as error:
        if "answered 404" in str(error):  # switched off
            return []
        raise
    active = gauge("jupyter_terminal_last_activity_timestamp_seconds", "When it was used last.")
    for terminal in terminals:
        if terminal.last_activity is not None:
            active.add(unix_s(terminal.last_activity), {"terminal": terminal.name})
    return [gauge("jupyter_terminals", "Open terminals.", len(terminals)), active]


def _of_processes(kernels: Sequence[Kernel]) -> list[Family]:
    """CPU and memory of the kernels that run on this machine."""
    import psutil

    cpu = counter("jupyter_kernel_cpu_seconds_total", "CPU time of a kernel, ended children too.")
    memory = gauge("jupyter_kernel_resident_memory_bytes", "Memory of a kernel and its children.")
    threads = gauge("jupyter_kernel_threads", "Threads of a kernel.")
    files = {f"kernel-{kernel.id}.json": kernel for kernel in kernels}
    for process in psutil.process_iter(["cmdline"]) if files else ():
        # Every kernel is started with the path of its connection file.
        line = process.info["cmdline"] or ()
        name = next((n for n in files for word in line if word.endswith(n)), None)
        if name is None:
            continue
        one = {"kernel_id": files[name].id}
        try:
            times, size = process.cpu_times(), process.memory_info().rss
            of_threads = process.num_threads()
            size += sum(_resident(child) for child in process.children(recursive=True))
        except psutil.Error:  # it has just ended, or is somebody else's
            continue
        del files[name]
        ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        cpu.add(times.user + times.system + ended, one)
        memory.add(size, one)
        threads.add(of_threads, one)
    return [cpu, memory, threads]


def _resident(process: object) -> int:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
