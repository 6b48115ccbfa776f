"""What a process of the server is at: stacks of its threads and tasks, samples of them, memory.

A sampler is a thread that looks at all others a hundred times a second. What CPU time each has
used since the last look is put down to where it stands; nothing is slowed down between looks.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import tracemalloc
from collections import defaultdict
from types import CodeType, FrameType
from typing import Any

import psutil

from promlab.server.channel import Handler
from promlab.server.pprof_format import Frame, Stack, StackCount
from promlab.server.process import off_loop

HZ = 100
MAX_S = 3600.0
_MAX_FRAMES = 128
_MAX_SITES = 2000
_LONGS = 2**63 - 1


def _frames(frame: FrameType | None) -> Stack:
    found: list[Frame] = []
    while frame is not None and len(found) < _MAX_FRAMES:
        found.append(_place(frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def _place(code: CodeType, line: int | None) -> Frame:
    return Frame(code.co_qualname, code.co_filename, line or 0)


def thread_stacks(process: str) -> list[StackCount]:
    """Where each thread stands now, but for the one that asks."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    own = threading.get_ident()
    return [
        StackCount(
            _frames(frame), {"process": process, "thread": names.get(ident, str(ident))}, [1]
        )
        for ident, frame in sys._current_frames().items()
        if ident != own
    ]


def task_stacks(process: str) -> list[StackCount]:
    """Where each task of the running event loop waits."""
    found = []
    for task in asyncio.all_tasks():
        stack = tuple(
            _place(frame.f_code, frame.f_lineno) for frame in reversed(task.get_stack(limit=32))
        )
        found.append(StackCount(stack, {"process": process, "task": task.get_name()}, [1]))
    return found


class Sampler:
    """Samples this process for a while; `stop` ends it early."""

    def __init__(self, process: str, *, wall: bool = False) -> None:
        self._process, self._wall = process, wall
        self._over = threading.Event()
        self._counts: dict[tuple[Stack, str], list[int]] = defaultdict(lambda: [0, 0])
        self._used_ns: dict[int, int] = {}

    def stop(self) -> None:
        """End at the next look."""
        self._over.set()

    def run(self, seconds: float) -> list[StackCount]:
        """Samples, and ns of CPU (or of the clock on the wall), of each stack and thread."""
        own, end = threading.get_ident(), time.monotonic() + min(seconds, MAX_S)
        self._used_ns = {ident: _cpu_ns(ident) for ident in sys._current_frames()}
        while time.monotonic() < end and not self._over.wait(1 / HZ):
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != own:
                    self._look(ident, frame, names.get(ident, str(ident)))
        return [
            StackCount(stack, {"process": self._process, "thread": thread}, counts)
            for (stack, thread), counts in self._counts.items()
        ]

    def _look(self, ident: int, frame: FrameType, name: str) -> None:
        spent_ns = 1_000_000_000 // HZ
        if not self._wall:
            used_ns = _cpu_ns(ident)
            spent_ns = used_ns - self._used_ns.get(ident, used_ns)
            self._used_ns[ident] = used_ns
        if spent_ns > 0:
            counts = self._counts[_frames(frame), name]
            counts[0] += 1
            counts[1] += spent_ns


class Profiled:
    """A process that another one may ask for its stacks and samples."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._sampler: Sampler | None = None
        self._running: asyncio.Task[list[StackCount]] | None = None

    def handlers(self) -> dict[str, Handler]:
        """What may be asked for."""
        return {
            "stacks": self._stacks,
            "profile_begin": self._begin,
            "profile_end": self._end,
        }

    async def _stacks(self, _body: Any, _columns: Any) -> list[Any]:
        threads = await asyncio.to_thread(thread_stacks, self._process)
        return plain(threads + task_stacks(self._process))

    async def _begin(self, body: Any, _columns: Any) -> list[Any]:
        """For so many seconds at most, whether somebody comes back for it or not."""
        seconds, wall = body
        if self._sampler is not None:
            self._sampler.stop()
        self._sampler = Sampler(self._process, wall=wall)
        self._running = asyncio.create_task(off_loop(self._sampler.run, float(seconds)))
        return []

    async def _end(self, _body: Any, _columns: Any) -> list[Any]:
        if self._sampler is None or self._running is None:
            return []
        self._sampler.stop()
        counts = await self._running
        self._sampler = self._running = None
        return plain(counts)


def _cpu_ns(ident: int) -> int:
    """CPU time that a thread has used; where the system does not tell, the clock's."""
    if sys.platform == "linux":
        try:
            return time.clock_gettime_ns(time.pthread_getcpuclockid(ident))
        except OSError:  # it has ended meanwhile
            return _LONGS
    return time.monotonic_ns()


def memory(process: str, pid: int) -> list[StackCount]:
    """Resident bytes of a process, by what is mapped; of this one by line, if that is traced."""
    labels = {"process": process}
    if pid == psutil.Process().pid and tracemalloc.is_tracing():
        sites = tracemalloc.take_snapshot().statistics("traceback")[:_MAX_SITES]
        return [
            StackCount(
                tuple(
                    Frame(at.filename, at.filename, at.lineno) for at in reversed(site.traceback)
                ),
                labels,
                [site.count, site.size],
            )
            for site in sites
        ]
    try:
        maps: list[Any] = psutil.Process(pid).memory_maps(grouped=True)
    except (psutil.Error, OSError, AttributeError):
        rss = psutil.Process(pid).memory_info().rss
        return [StackCount((Frame("all", "", 0),), labels, [1, rss])]
    return [
        StackCount((Frame(each.path, each.path, 0),), labels, [1, each.rss])
        for each in maps
        if each.rss
    ]


def plain(counts: list[StackCount]) -> list[Any]:
    """Stacks as they go through the channel."""
    return [[[list(f) for f in c.stack], dict(c.labels), list(c.values)] for c in counts]


def from_plain(counts: list[Any]) -> list[StackCount]:
    """Stacks as they come through the channel."""
    return [
        StackCount(tuple(Frame(*f) for f in stack), labels, values)
        for stack, labels, values in counts
    ]
