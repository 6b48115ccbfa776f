"""`Helpers`: threads that run kernels beside the one that asks, each on a CPU of its own.

Kernels run without the GIL, so threads can share their work. Left to itself, Linux wakes a
helper, or the one that waits for the GIL, on the CPU of whoever woke it: a virtual CPU that
has slept for long does not count as idle. The two would share one CPU for as long as a query
takes, and the other one would go on sleeping. Where all CPUs have work, or cannot be chosen,
nothing is: Linux then knows better.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import TypeVar

T = TypeVar("T")


class Helpers:
    """Up to `count` threads, made when they are needed. Safe to use from several threads."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, name, initializer=self._begin)
        self._ids: list[int] = []
        self._cpus = _allowed()
        self._in_use = threading.Lock()

    def run(self, first: Callable[[], T], *others: Callable[[], T]) -> list[T]:
        """What all give: `first` here, the others in threads. Raises what one of them raises.

        None is at work any more when this returns.
        """
        with self._apart():
            running = [self._pool.submit(other) for other in others]
            try:
                mine = first()
            finally:
                for one in running:
                    one.exception()  # waits
        return [mine, *(one.result() for one in running)]

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown()

    def _begin(self) -> None:
        """In each thread at first: whoever made it may have a CPU of its own just then."""
        self._ids.append(threading.get_native_id())
        _allow(0, self._cpus)

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """While this lasts, the caller stays on its CPU, and the helpers are on others.

        Not if somebody else has them already, or other programs have work for all CPUs.
        """
        cpus, here = _allowed(), _here()
        idle = here < cpus and _running() < (os.cpu_count() or 1)
        if not (idle and self._in_use.acquire(blocking=False)):
            yield
            return
        helpers = tuple(self._ids)
        try:
            for helper in helpers:
                _allow(helper, cpus - here)
            _allow(0, here)
            yield
        finally:
            for thread in (0, *helpers):
                _allow(thread, cpus)
            self._in_use.release()


def _allowed() -> set[int]:
    """The CPUs that the calling thread may use; none where there is no choice."""
    if sys.platform != "linux":
        return set()
    with suppress(OSError):
        return os.sched_getaffinity(0)
    return set()


def _allow(thread: int, cpus: set[int]) -> None:
    """Choose the CPUs of a thread (0: the calling one), where that is possible."""
    if sys.platform == "linux" and cpus:
        with suppress(OSError):
            os.sched_setaffinity(thread, cpus)


def _running() -> int:
    """Threads of the whole machine that run, or wait for a CPU; 0 if nobody knows."""
    try:
        return int(os.pread(_load_file(), 100, 0).split()[3].partition(b"/")[0])
    except (OSError, IndexError, ValueError):
        return 0


@cache
def _load_file() -> int:
    return os.open("/proc/loadavg", os.O_RDONLY)


def _here() -> set[int]:
    """The CPU that the calling thread is on."""
    return {_getcpu()()}


@cache
def _getcpu() -> Callable[[], int]:
    try:
        getcpu: Callable[[], int] = ctypes.PyDLL(None).sched_getcpu
    except (AttributeError, OSError):
        return lambda: -1
    return getcpu
