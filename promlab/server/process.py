"""What writer and reader have in common: how they start, and how they get their kernels."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from promlab import lifeline
from promlab.errors import PromlabError
from promlab.server import settings as settings_module
from promlab.server.settings import Settings
from promlab.server.supervisor import EXIT_CANNOT_START
from promlab.web import log as log_module
from promlab.web.log import facts

log = logging.getLogger(__name__)

T = TypeVar("T")


def begin(component: str) -> tuple[Settings, list[int]]:
    """First thing in a process: its settings (from stdin) and inherited file descriptors."""
    lifeline.watch()
    settings = settings_module.decode(sys.stdin.buffer.read())
    log_module.configure(settings.log_level, settings.log_format, component)
    return settings, [int(fd) for fd in sys.argv[1].split(",")]


def run(main: Coroutine[Any, Any, int]) -> None:
    """Run a process to its end; an error of promlab's own tree ends the whole server."""
    import uvloop

    try:
        code = uvloop.run(main)
    except PromlabError as error:
        log.error("Can't start", extra=facts(err=str(error)))
        sys.stderr.write(f"promlab: error: {error}\n")
        code = EXIT_CANNOT_START
    logging.shutdown()
    sys.exit(code)


def load_kernels(rooms: Iterable[str], modules: Iterable[str]) -> None:
    """Get the kernels of these rooms, compiled in a child process if need be, and import modules.

    Call this from a thread: neither waiting nor importing holds up the event loop.
    """
    from promlab.jit import load, pages

    started = time.monotonic()
    load.prepare(*rooms)
    for name in modules:
        importlib.import_module(name)
    pages.release()
    log.debug("Kernels are ready", extra=facts(seconds=round(time.monotonic() - started, 2)))


async def off_loop(function: Callable[..., T], *args: Any) -> T:
    """The result of a function that runs in a daemon thread: ending does not wait for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if not future.done():
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]  # there is one without an error
            else:
                future.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = function(*args)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, daemon=True, name=function.__name__).start()
    return await future
