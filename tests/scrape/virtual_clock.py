"""A clock that moves only when a test says so."""

from __future__ import annotations

import asyncio


class VirtualClock:
    """`advance` wakes sleepers one by one, and waits until each sleeps again or has ended."""

    def __init__(self, now_ms: float = 1_000_000_000.0) -> None:
        self.now = now_ms
        self._sleepers: dict[asyncio.Task[object], tuple[float, asyncio.Future[None]]] = {}
        self._changed = asyncio.Event()

    def now_ms(self) -> float:
        return self.now

    def elapsed_ms(self) -> float:
        return self.now

    async def sleep_until(self, t_ms: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers[task] = (t_ms, waiting)
        self._changed.set()
        try:
            await waiting
        finally:
            self._sleepers.pop(task, None)

    async def advance(self, by_ms: float) -> None:
        until = self.now + by_ms
        for _ in range(10):  # tasks that were just made reach their first sleep
            await asyncio.sleep(0)
        while True:
            due = [(t, task) for task, (t, _) in self._sleepers.items() if t <= until]
            if not due:
                break
            t_ms, task = min(due, key=lambda pair: pair[0])
            self.now = max(self.now, t_ms)
            _, waiting = self._sleepers.pop(task)
            waiting.set_result(None)
            task.add_done_callback(lambda _: self._changed.set())
            while task not in self._sleepers and not task.done():
                self._changed.clear()
                await self._changed.wait()
        self.now = until
