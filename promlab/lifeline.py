"""Ending with one's parent, however it ends.

A parent that is killed runs no clean-up. So it holds the writing end of a pipe whose
reading end its child inherits: when the parent is gone the kernel closes the pipe, the child
reads the end of it and terminates itself. Works for SIGKILL, and on every Unix.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ENV = "PROMLAB_LIFELINE"
_GRACE_S = 10.0


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module, with this interpreter.

    Files in the folder that the user happens to be in are not taken for modules: with a
    `numpy.py` of theirs nothing would start. It is different where promlab itself is there.
    """
    at_home = Path.cwd() == Path(__file__).parent.parent
    return [sys.executable, *([] if at_home else ["-P"]), "-m", module, *arguments]


def spawn(command: Sequence[str], *, detach: bool = False, **options: Any) -> subprocess.Popen[Any]:
    """Start a process that ends when this one does; not if `detach`.

    The process must call `watch()`. Options are those of `subprocess.Popen`. Signals of the
    terminal don't reach it: the parent decides when it stops.
    """
    env = dict(options.pop("env", None) or os.environ)
    env.pop(ENV, None)
    options.setdefault("start_new_session", True)
    if detach:
        return subprocess.Popen(command, env=env, **options)
    reading, writing = os.pipe()
    env[ENV] = str(reading)
    fds = (*options.pop("pass_fds", ()), reading)
    try:
        process = subprocess.Popen(command, env=env, pass_fds=fds, **options)
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    # The pipe lives as long as the process object's owner: this interpreter.
    _held[process.pid] = writing
    return process


def release(process: subprocess.Popen[Any]) -> None:
    """Close the lifeline of a process that has ended."""
    writing = _held.pop(process.pid, None)
    if writing is not None:
        os.close(writing)


_held: dict[int, int] = {}


def watch() -> None:
    """Send this process SIGTERM when its parent is gone, and end it if that does not help.

    Does nothing in a process that was started without a lifeline.
    """
    fd = os.environ.pop(ENV, None)
    if fd is None:
        return
    threading.Thread(target=_wait, args=(int(fd),), name="lifeline", daemon=True).start()


def _wait(fd: int) -> None:
    try:
        while os.read(fd, 1):
            pass
    except OSError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_GRACE_S)
    os._exit(1)
