"""Servers end with the kernel that started them, however it ends, unless detached."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from notebook_server import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of Jupyter's own libraries
]

START = """
import promlab
lab = promlab.start({options})
print(*[child.pid for child in lab._children])
"""
Kernel = tuple[KernelManager, BlockingKernelClient]


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    manager, client = start_new_kernel(kernel_name="python3")
    yield manager, client
    client.stop_channels()
    if manager.is_alive():
        manager.shutdown_kernel(now=True)


def printed(client: BlockingKernelClient, code: str) -> str:
    texts: list[str] = []

    def keep(message: dict) -> None:
        if message["msg_type"] == "stream":
            texts.append(message["content"]["text"])

    reply = client.execute_interactive(code, output_hook=keep, timeout=400)
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(texts)


def start(client: BlockingKernelClient, options: str = "") -> list[psutil.Process]:
    """The processes of a lab, and all that they have started, once the server listens."""
    found = printed(client, START.format(options=options))
    tops = [psutil.Process(int(pid)) for pid in found.split()]
    until(lambda: "Listening" in printed(client, "print(lab.logs())"))
    until(lambda: len(tops[0].children()) >= 1)
    return [*tops, *(child for top in tops for child in top.children(recursive=True))]


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_killed_kernel_takes_its_server_along(kernel: Kernel) -> None:
    manager, client = kernel
    processes = start(client)
    os.kill(manager.provisioner.pid, signal.SIGKILL)
    until(lambda: all(gone(process) for process in processes))


def test_ended_kernel_takes_its_server_along(kernel: Kernel) -> None:
    manager, client = kernel
    processes = start(client)
    manager.shutdown_kernel()
    until(lambda: all(gone(process) for process in processes))


def test_detached_server_outlives_the_kernel(kernel: Kernel) -> None:
    manager, client = kernel
    processes = start(client, "detach=True")
    try:
        os.kill(manager.provisioner.pid, signal.SIGKILL)
        until(lambda: not manager.is_alive())
        # A lifeline would have closed with the kernel: none is watched by these.
        assert all("PROMLAB_LIFELINE" not in process.environ() for process in processes[:2])
        assert not any(gone(process) for process in processes[:2])
    finally:
        for process in processes:
            if not gone(process):
                process.kill()


def test_starting_prints_nothing_and_shows_one_line(kernel: Kernel) -> None:
    _, client = kernel
    seen: list[dict] = []
    client.execute_interactive(
        "import promlab; lab = promlab.start()", output_hook=seen.append, timeout=400
    )
    shown = [m["content"]["data"] for m in seen if m["msg_type"] == "display_data"]
    assert len(shown) == 1
    assert "promlab is starting at http://127.0.0.1:" in shown[0]["text/plain"]
    assert 'role="status"' in shown[0]["text/html"]
    assert not [m for m in seen if m["msg_type"] == "stream"]
