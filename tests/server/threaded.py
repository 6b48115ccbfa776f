"""An application of this process behind a real port, on an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from promlab.server.app import App
from promlab.server.context import Context
from promlab.web.serving import GuardedServer
from tests.patience import PATIENCE_S


@contextmanager
def threaded(
    make: Callable[[], Context], *, max_connections: int = 64, read_timeout_s: float = 60.0
) -> Iterator[tuple[str, Context]]:
    """`host:port` of the application, which ends with the context."""
    listener = socket.create_server(("127.0.0.1", 0))
    started, box = threading.Event(), {}

    async def serve() -> None:
        context = make()
        server = GuardedServer(
            App(context),
            context.guard,
            max_connections=max_connections,
            read_timeout_s=read_timeout_s,
        )
        box.update(context=context, server=server, loop=asyncio.get_running_loop())
        started.set()
        await server.run_on([listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    started.wait(PATIENCE_S)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", box["context"]
    finally:
        box["loop"].call_soon_threadsafe(setattr, box["server"], "should_exit", True)
        thread.join(PATIENCE_S)
        listener.close()
