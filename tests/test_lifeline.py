"""Children end with their parent, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

CHILD = "import promlab.lifeline as l, threading; l.watch(); threading.Event().wait()"
PARENT = f"""
import sys, threading
from promlab.lifeline import spawn
child = spawn([sys.executable, "-c", {CHILD!r}], detach=len(sys.argv) > 1)
print(child.pid, flush=True)
threading.Event().wait()
"""


def start(*arguments: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    return parent, psutil.Process(int(parent.stdout.readline()))


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGTERM])
def test_child_ends_when_its_parent_is_killed(with_signal: signal.Signals) -> None:
    parent, child = start()
    assert child.is_running()
    with parent:
        parent.send_signal(with_signal)
        parent.wait(120)
    child.wait(120)
    assert not child.is_running()


def test_detached_child_goes_on() -> None:
    parent, child = start("detach")
    with parent:
        parent.kill()
        parent.wait(120)
    with pytest.raises(psutil.TimeoutExpired):
        child.wait(0.3)
    child.kill()


def test_process_without_a_lifeline_watches_nothing(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PROMLAB_LIFELINE"}
    code = "import promlab.lifeline as l, threading; l.watch(); print(threading.active_count())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
