"""What writer and reader have in common: how they start, and how they get their kernels."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from promlab import lifeline
from promlab.errors import PromlabError
from promlab.server import log as log_module
from promlab.server import settings as settings_module
from promlab.server.log import facts
from promlab.server.settings import Settings
from promlab.server.supervisor import EXIT_CANNOT_START

log = logging.getLogger(__name__)

T = TypeVar("T")
_WARM = "complete"
_WARMUP = (
    "from promlab import lifeline; lifeline.watch(); "
    "from promlab.cli import main; raise SystemExit(main(['warmup', '--quiet']))"
)


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


def load_kernels(modules: Iterable[str]) -> None:
    """Import modules of kernels; compile all kernels of promlab first, in a child process.

    Only the first of the processes that find the cache cold compiles; the others wait for it
    here. Call this from a thread: neither waiting nor importing holds up the event loop.
    """
    from promlab import jit

    folder = jit.cache_dir()
    if not (folder / _WARM).exists():
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / _WARM).exists():
                _compile()
                (folder / _WARM).touch()
    for name in modules:
        importlib.import_module(name)


def _compile() -> None:
    started = time.monotonic()
    log.info("Compiling kernels: this takes a minute, once")
    process = lifeline.spawn([sys.executable, "-c", _WARMUP], stdin=subprocess.DEVNULL)
    code = process.wait()
    lifeline.release(process)
    took = round(time.monotonic() - started, 1)
    if code:
        # Not fatal: each kernel is then compiled where it is imported.
        log.warning("Compiling kernels failed", extra=facts(exit_code=code))
    log.info("Kernels are ready", extra=facts(seconds=took))


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
