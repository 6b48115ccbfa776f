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
from pathlib import Path
from typing import TYPE_CHECKING

from promlab import __version__
from promlab.errors import NotReady, ServerError, StorageError
from promlab.server import process
from promlab.server.app import App
from promlab.server.channel import ChannelClient
from promlab.server.context import Context
from promlab.server.notifications import RELOAD_FAILED, STARTING, STOPPING
from promlab.server.queries import THREADS, QueryRunner
from promlab.server.self_metrics import ReaderMetrics
from promlab.server.settings import Settings
from promlab.web.guard import Guard
from promlab.web.log import facts
from promlab.web.serving import GuardedServer
from promlab.web.sockets import is_loopback

if TYPE_CHECKING:
    from promlab.config import Config
    from promlab.promql.options import EngineOptions

log = logging.getLogger(__name__)

_RETRY_S = 0.05
_LOOK_S = 1.0
_TELL_S = 5.0


async def main(settings: Settings, listeners: list[socket.socket]) -> int:
    """The process's life."""
    context = Context(
        settings,
        QueryRunner(settings.max_concurrency),
        ChannelClient(settings.channel_path),
        ReaderMetrics(settings.max_concurrency),
        guard=Guard(settings.web_config_file),
    )
    context.notifications.set(STARTING, True)
    server = GuardedServer(
        App(context),
        context.guard,
        max_connections=settings.max_connections,
        read_timeout_s=settings.read_timeout_s,
    )
    _warn_if_open(settings, context.guard)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: _stop(context, server))
    getting_ready = asyncio.create_task(_become_ready(context))
    getting_ready.add_done_callback(lambda task: _ready_or_over(task, server))
    looking = asyncio.create_task(_look_after_writer(context))
    telling = asyncio.create_task(_tell_what_is_sent(context))
    await server.run_on(listeners)
    for task in (getting_ready, looking, telling):
        task.cancel()
    await asyncio.gather(getting_ready, looking, telling, return_exceptions=True)
    await context.following.stop()
    if context.rules is not None:
        await context.rules.stop()
    if context.remote_write is not None:
        await context.remote_write.stop()
    if context.sources is not None:
        await context.sources.stop()
    await context.tracing.stop()
    await context.writer.close()
    return 0


def _stop(context: Context, server: GuardedServer) -> None:
    """Answer what is asked, and nothing more; whoever listens is told first."""
    context.stopping = True
    context.notifications.set(STOPPING, True)
    context.notifications.close()
    server.should_exit = True


def _warn_if_open(settings: Settings, guard: Guard) -> None:
    reachable = [each for each in settings.listen_addresses if not is_loopback(each)]
    if reachable and guard.is_open:
        log.warning(
            "Anybody who reaches this address can read all series and the configuration: "
            "listen on 127.0.0.1, or ask for passwords with --web.config.file",
            extra=facts(addresses=",".join(reachable)),
        )


async def _look_after_writer(context: Context) -> None:
    """Tell everybody when the last reload of the configuration failed."""
    while True:
        try:
            failed = not await context.writer.ask("reload_successful")
            context.notifications.set(RELOAD_FAILED, failed)
        except (NotReady, ServerError):
            pass  # The writer is being started again.
        await asyncio.sleep(_LOOK_S)


async def _tell_what_is_sent(context: Context) -> None:
    """So that an agent's storage keeps no more of it than was asked for."""
    while context.settings.agent:
        await asyncio.sleep(_TELL_S)
        if context.remote_write is not None:
            with contextlib.suppress(NotReady, ServerError):  # The writer is being started again.
                await context.writer.ask("sent", context.remote_write.sent_to_ms)


def _ready_or_over(task: asyncio.Task[None], server: GuardedServer) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("Can't get ready for queries", exc_info=task.exception())
        server.should_exit = True


async def _become_ready(context: Context) -> None:
    """Load the kernels, wait for the writer, map its files; an agent needs less of it."""
    settings = context.settings
    await process.off_loop(_load, settings.agent)
    if settings.serve_early and not settings.agent:
        await _serve_early(context)
    await _writer_is_open(context)
    if not context.answers_queries:
        await _answer_queries(context)
    context.become_ready()
    log.info("Server is ready to receive web requests.")
    if not settings.agent:
        await _evaluate_rules(context)
    context.following.listeners.append(lambda config: _send_on(context, config))
    context.following.listeners.append(context.tracing.apply)
    context.following.start()
    await context.following.settled()
    # What is loaded by now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()


async def _serve_early(context: Context) -> None:
    """Answer queries from what the server before this one left, until the log is read.

    Its files stay as they are until the writer puts new ones in their place: what is sealed and
    in blocks, and all else too, unless the system has been started again since.
    """
    context.replaying = True
    with contextlib.suppress(StorageError):  # nothing is there yet
        await _answer_queries(context)
        log.info("Answering queries while the log is read")


async def _answer_queries(context: Context) -> None:
    """Map what the writer publishes."""
    from promlab.tsdb.open import open as open_reader

    settings = context.settings
    querier = await asyncio.to_thread(open_reader, settings.data_path)
    if settings.agent:
        context.answer_from(querier, None)
        return
    from promlab.promql.engine import Engine
    from promlab.server.sources import QuerySources

    context.sources = QuerySources(querier, context.runner, settings)
    engine = Engine(querier, _engine_options(settings), context.sources.within)
    context.runner.listed.open(settings.data_path)
    context.answer_from(querier, engine)


async def _evaluate_rules(context: Context) -> None:
    """Templates, alerts and notifications take a while to import: queries need none of them."""
    await process.off_loop(importlib.import_module, "promlab.server.rules")
    from promlab.server.rules import Rules

    querier, (engine, _) = context.stored(), context.evaluator()
    assert context.sources is not None
    context.rules = Rules(context.settings, context.writer, querier, engine, context.tracing)
    context.following.listeners += [context.rules.apply, context.sources.apply]


def _engine_options(settings: Settings) -> EngineOptions:
    from promlab.promql.options import EngineOptions

    return EngineOptions(
        lookback_ms=settings.lookback_ms,
        timeout_s=settings.query_timeout_s,
        max_samples=_max_samples(settings),
        delayed_name_removal="promql-delayed-name-removal" in settings.features,
        start_timestamps="use-start-timestamps" in settings.features,
        features=frozenset(settings.features),
        threads=THREADS,
    )


def _max_samples(settings: Settings) -> int:
    """Samples in memory for one query: a time and a value each."""
    if not settings.max_query_bytes:
        return settings.max_samples
    return max(1, min(settings.max_samples, settings.max_query_bytes // 16))


async def _send_on(context: Context, config: Config) -> None:
    """Remote write, once a configuration asks for it."""
    if context.remote_write is None:
        if not config.remote_write:
            return
        await process.off_loop(importlib.import_module, "promlab.remote.sender")
        from promlab.remote.sender import RemoteWrite

        folder = Path(context.settings.data_path) / "remote_write"

        async def metadata() -> list[tuple[str, str, str, str]]:
            answer = await context.writer.ask("metadata", "")
            found = {each[0]: tuple(each) for target in answer for each in target["metrics"]}
            return list(found.values())

        context.remote_write = RemoteWrite(
            context.stored(),
            folder,
            version=__version__,
            since_ms=context.settings.started_ms,
            metadata=metadata,
        )
    await context.remote_write.apply(config)


def _load(agent: bool) -> None:
    """Kernels and modules; an agent needs none of those that evaluate and print."""
    rooms = ["promlab.model", "promlab.remote", "promlab.tsdb"]
    modules = ["promlab.tsdb.open"]
    if not agent:
        rooms += ["promlab.promql", "promlab.server"]
        modules += ["promlab.server.json_kernels", "promlab.promql.engine"]
    process.load_kernels(rooms, modules)


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
