"""What a notebook takes: kernel and servers together stay below a gigabyte."""

from __future__ import annotations

import threading
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parent.parent.parent / "notebooks" / "02-metric-types.ipynb"
LIMIT = 1_000_000_000  # what a session on Binder is sure to get
EVERY_S = 0.5


def tree_bytes(pid: int) -> int:
    """Memory of a process and its children; shared pages count once (PSS)."""
    try:
        kernel = psutil.Process(pid)
        family = [kernel, *kernel.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # it has just ended
    return total


def test_kernel_and_servers_fit_into_a_gigabyte() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=60)
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_S):
            kernel = client.km and client.km.provisioner
            if kernel is not None and getattr(kernel, "pid", None):
                seen.append(tree_bytes(kernel.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        client.execute(cwd=str(NOTEBOOK.parent))
    finally:
        done.set()
        watcher.join()
    most = max(seen)
    assert 100_000_000 < most < LIMIT  # a server was really there
    print(f"{most / 1e6:.0f} MB at most")
