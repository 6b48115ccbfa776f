"""The process that answers: HTTP API, queries, pages; and evaluates rules.

It maps what the writer publishes, so it shares no lock with scraping and can be killed and
started again at any time. It answers health checks at once, and queries as soon as its
kernels are loaded and the writer has opened the data directory.
`python -m promlab.server.reader`, started by the supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn

from promlab.errors import NotReady, ServerError
from promlab.server import process
from promlab.server.app import App
from promlab.server.channel import ChannelClient
from promlab.server.context import Context
from promlab.server.queries import THREADS, QueryRunner
from promlab.server.self_metrics import ReaderMetrics
from promlab.server.settings import Settings

log = logging.getLogger(__name__)

_RETRY_S = 0.05


class _Server(uvicorn.Server):
    """Leaves signals to this module."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


async def main(settings: Settings, listeners: list[socket.socket]) -> int:
    """The process's life."""
    context = Context(
        settings,
        QueryRunner(settings.max_concurrency),
        ChannelClient(settings.channel_path),
        ReaderMetrics(settings.max_concurrency),
    )
    server = _Server(
        uvicorn.Config(
            App(context),
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=settings.max_connections + 1,
            timeout_keep_alive=max(1, int(settings.read_timeout_s)),
            timeout_graceful_shutdown=5,
            backlog=1024,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    getting_ready = asyncio.create_task(_become_ready(context))
    getting_ready.add_done_callback(lambda task: _ready_or_over(task, server))
    await server.serve(sockets=listeners)
    getting_ready.cancel()
    await asyncio.gather(getting_ready, return_exceptions=True)
    if context.rules is not None:
        await context.rules.stop()
    await context.writer.close()
    return 0


def _ready_or_over(task: asyncio.Task[None], server: _Server) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("Can't get ready for queries", exc_info=task.exception())
        server.should_exit = True


async def _become_ready(context: Context) -> None:
    """Load the kernels, wait for the writer, map its files."""
    await process.off_loop(_load)
    await _writer_is_open(context)
    from promlab.promql.engine import Engine
    from promlab.promql.options import EngineOptions
    from promlab.tsdb.open import open as open_reader

    settings = context.settings
    querier = await asyncio.to_thread(open_reader, settings.data_path)
    options = EngineOptions(
        lookback_ms=settings.lookback_ms,
        timeout_s=settings.query_timeout_s,
        max_samples=settings.max_samples,
        delayed_name_removal="promql-delayed-name-removal" in settings.features,
        features=frozenset(settings.features),
        threads=THREADS,
    )
    engine = Engine(querier, options)
    context.become_ready(querier, engine)
    log.info("Server is ready to receive web requests.")
    # Templates, alerts and notifications take a while to import: queries need none of them.
    await process.off_loop(importlib.import_module, "promlab.server.rules")
    from promlab.server.rules import Rules

    context.begin_rules(Rules(settings, context.writer, querier, engine))
    # What is loaded by now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()


def _load() -> None:
    process.load_kernels(
        ["promlab.promql", "promlab.server", "promlab.model", "promlab.remote", "promlab.tsdb"],
        ["promlab.server.json_kernels", "promlab.promql.engine", "promlab.tsdb.open"],
    )


async def _writer_is_open(context: Context) -> None:
    """Until the data directory is open: replay may take its time."""
    while True:
        try:
            await context.writer.ask("head_stats")
            return
        except (NotReady, ServerError):
            await asyncio.sleep(_RETRY_S)


def _run() -> None:
    settings, fds = process.begin("reader")
    listeners = [socket.socket(fileno=fd) for fd in fds]
    process.run(main(settings, listeners))


if __name__ == "__main__":
    _run()
