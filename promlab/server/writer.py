"""The process that scrapes and stores: nothing else, so that nothing else can delay it.

It opens the data directory, scrapes what the configuration says, commits ten times a second,
and answers the reader's requests on the channel. `python -m promlab.server.writer`, started
by the supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import secrets
import signal
import socket
import time
from typing import TYPE_CHECKING

from promlab import __version__
from promlab.config import Config
from promlab.errors import ConfigError, NotReady, PromlabError
from promlab.server import process
from promlab.server.channel import ChannelServer
from promlab.server.checked_config import Checked, load_checked
from promlab.server.commits import Commits
from promlab.server.config_watch import watch
from promlab.server.profiling import Profiled
from promlab.server.settings import Settings
from promlab.server.writer_requests import WriterRequests
from promlab.server.writer_storage import configure_head, open_head
from promlab.tsdb.progress import Progress
from promlab.web.log import facts

if TYPE_CHECKING:
    from promlab.scrape.manager import ScrapeManager
    from promlab.tsdb.head import Head

log = logging.getLogger(__name__)

_TELL_REPLAY_S = 2.0


class Writer:
    """Owns the head and the scrape manager; lives on one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # References are this process's own: whoever keeps some must know when they end.
        self.id = secrets.token_hex(8)
        self.head: Head | None = None
        self.manager: ScrapeManager | None = None
        self.loaded: Checked | None = None
        self.loads = 0
        self.progress = Progress()
        self._begun: asyncio.Future[ScrapeManager] = asyncio.get_running_loop().create_future()
        self._reload_lock = asyncio.Lock()
        self.commits = Commits()
        self._tasks: list[asyncio.Task[None]] = []
        self.reload_successful = False
        self.reloaded_s = 0.0

    async def start(self) -> None:
        """Open the data directory, then start scraping."""
        try:
            loaded = await asyncio.to_thread(self._load_first)
            head = await self._opened()
            configure_head(head, loaded, self.settings)
            self._load_done(loaded)
            self._tasks.append(asyncio.create_task(self.commits.run(head)))
            self._begun.set_result(await self._begin_scraping(head, loaded.config))
        finally:
            self._begun.cancel()
        if self.settings.config_reload_interval_s:
            every_s = self.settings.config_reload_interval_s
            watching = watch(self.settings.config_file, self._config, self.reload, every_s)
            self._tasks.append(asyncio.create_task(watching))
        # What is loaded by now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        log.info("Scraping", extra=facts(jobs=len(loaded.config.jobs)))

    def _load_first(self) -> Checked:
        if not self.settings.rules_checked:
            return load_checked(self.settings)
        return load_checked(self.settings, lambda _: None)

    async def _opened(self) -> Head:
        """The head, once it is open; how far that is gets told every now and then."""
        telling = asyncio.create_task(self._tell_progress())
        try:
            self.head = await process.off_loop(open_head, self.settings, self.progress)
        finally:
            telling.cancel()
        return self.head

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_TELL_REPLAY_S)
            at, percent = self.progress.stage, int(100 * self.progress.share)
            log.info("Opening the data directory", extra=facts(at=at, percent=percent))

    async def _begin_scraping(self, head: Head, config: Config) -> ScrapeManager:
        """Queries are answered by now: the HTTP clients that scraping takes are loaded last."""
        await process.off_loop(importlib.import_module, "promlab.scrape.manager")
        from promlab.scrape.manager import ScrapeManager

        self.manager = ScrapeManager(
            head,
            version=__version__,
            commit_every_s=None,
            features=frozenset(self.settings.features),
        )
        await self.manager.apply(config)
        return self.manager

    async def stop(self) -> None:
        """Stop scraping, commit, close the head."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.manager is not None:
            await self.manager.stop()
        if self.head is not None:
            await asyncio.to_thread(self.head.close)

    async def reload(self) -> None:
        """Read the configuration again and apply it. Raises ConfigError; the old one stays."""
        async with self._reload_lock:
            try:
                loaded = await asyncio.to_thread(load_checked, self.settings)
                await (await self.scraping()).apply(loaded.config)
                configure_head(self.storage(), loaded, self.settings)
            except PromlabError as error:
                self.reload_successful = False
                log.error("Reloading the configuration failed", extra=facts(err=str(error)))
                raise
            self._load_done(loaded)
            log.info("Reloaded the configuration", extra=facts(file=self.settings.config_file))

    def _load_done(self, loaded: Checked) -> None:
        self.loaded = loaded
        self.loads += 1
        self.reload_successful, self.reloaded_s = True, time.time()

    def _config(self) -> Config:
        assert self.loaded is not None
        return self.loaded.config

    def storage(self) -> Head:
        """The head. Raises NotReady while it is being opened."""
        if self.head is None:
            raise NotReady("the data directory is not open yet")
        return self.head

    async def scraping(self) -> ScrapeManager:
        """What scrapes: that begins a moment after the data directory is open. Raises NotReady."""
        self.storage()
        return await asyncio.shield(self._begun)


async def main(settings: Settings, listener: socket.socket) -> int:
    """The process's life. Raises what keeps it from starting."""
    writer = Writer(settings)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(_reload_quietly(writer))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    handlers = WriterRequests(writer).handlers() | Profiled("writer").handlers()
    server = ChannelServer(handlers)
    await server.start(listener)
    starting = asyncio.create_task(writer.start())
    stop_asked = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([starting, stop_asked], return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            await starting
        await stop_asked
    finally:
        # A start that is not done is dropped, as if this process had been killed: a head that
        # is being opened needs no closing.
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await server.stop()
        await writer.stop()
    return 0


async def _reload_quietly(writer: Writer) -> None:
    with contextlib.suppress(ConfigError, NotReady):
        await writer.reload()


if __name__ == "__main__":
    own_settings, fds = process.begin("writer")
    process.run(main(own_settings, socket.socket(fileno=fds[0])))
