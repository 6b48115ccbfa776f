"""A real exporter process."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from promlab import lifeline
from tests.patience import PATIENCE_S


@pytest.fixture
def run_exporter(run_kind: Callable[..., str]) -> Callable[..., str]:
    """Starts `promlab exporter node` on a free port and gives the URL of its metrics."""
    return lambda *flags: run_kind("node", *flags)


@pytest.fixture
def run_kind() -> Iterator[Callable[..., str]]:
    """Starts an exporter on a free port and gives the URL of its metrics."""
    with contextlib.ExitStack() as stack:

        def run(kind: str, *flags: str) -> str:
            command = [sys.executable, "-m", "promlab", "exporter", kind]
            process = lifeline.spawn(
                [*command, "--web.listen-address=127.0.0.1:0", *flags],
                stderr=subprocess.PIPE,
                text=True,
                env=dict(os.environ),
            )
            stack.callback(_end, process)
            assert process.stderr is not None
            for line in process.stderr:
                found = re.search(r"listening on (\S+)", line)
                if found:
                    return found[1]
            raise AssertionError(f"the exporter ended with {process.wait()}")

        yield run


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert process.stderr is not None
    process.stderr.close()
    lifeline.release(process)
