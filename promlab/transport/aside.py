"""Slow calls beside the event loop, in threads that nobody has to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def aside(call: Callable[[], T], name: str) -> T:
    """What the call returns. If this is cancelled, the call ends by itself, or with the process.

    An executor's threads would be waited for when the server stops; a cloud that does not answer
    must not hold that up.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = call()
        except BaseException as error:
            failure = error
        # If the loop has ended meanwhile, nobody asks any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=work, name=name, daemon=True).start()
    return await done


def at_once(call: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """What a slow call returns for each item, in order, so many asked at the same time.

    It waits for all, and raises what the first one that failed has raised.
    """
    waiting = list(enumerate(items))[::-1]
    found: dict[int, R] = {}
    failures: dict[int, BaseException] = {}

    def work() -> None:
        while not failures:
            try:
                number, item = waiting.pop()
            except IndexError:
                return
            try:
                found[number] = call(item)
            except BaseException as error:
                failures[number] = error

    running = [
        threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(waiting)))
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[min(failures)]
    return [found[number] for number in sorted(found)]
