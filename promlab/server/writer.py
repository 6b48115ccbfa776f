"""The process that scrapes and stores: nothing else, so that nothing else can delay it.

It opens the data directory, scrapes what the configuration says, commits ten times a second,
and answers the reader's requests on the channel. `python -m promlab.server.writer`, started
by the supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promlab import __version__
from promlab.config.config import matching_files
from promlab.config.storage import RetentionConfig
from promlab.errors import ConfigError, NotReady, PromlabError, ServerError, StorageError
from promlab.model.quantiles import Window
from promlab.model.storage import Refs
from promlab.server import process, writer_views
from promlab.server.channel import ChannelServer, Columns, Handler, WithColumns
from promlab.server.checked_config import Checked, load_checked
from promlab.server.lab_files import LabFiles
from promlab.server.sample_frames import frame_exemplars
from promlab.server.settings import Settings
from promlab.server.write_columns import labels_from, sample_extras
from promlab.web.log import facts

if TYPE_CHECKING:
    from promlab.scrape.manager import ScrapeManager
    from promlab.tsdb.blocks.keeper import Policies
    from promlab.tsdb.head import Head

log = logging.getLogger(__name__)

COMMIT_S = 0.1
_GATHER_S = 0.005
_TELL_EVERY_S = 30.0
_TELL_REPLAY_S = 2.0
EXEMPLARS = "exemplar-storage"


class Writer:
    """Owns the head and the scrape manager; lives on one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # References are this process's own: whoever keeps some must know when they end.
        self.id = secrets.token_hex(8)
        self._head: Head | None = None
        self._manager: ScrapeManager | None = None
        self._loaded: Checked | None = None
        self._loads = 0
        self._replayed = 0.0
        self._told_s = time.monotonic()
        self._reload_lock = asyncio.Lock()
        self._lab = LabFiles(settings.data_path, self.reload)
        self._lab_lock = asyncio.Lock()
        self._committed: asyncio.Future[None] | None = None
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.reload_successful = False
        self.reloaded_s = 0.0
        self.commit_failures = 0
        self._failing_since_s = 0.0  # when this was last told
        self.commit_s = Window()

    async def start(self) -> None:
        """Open the data directory and start scraping."""
        loaded = await asyncio.to_thread(load_checked, self._settings)
        head = self._head = await process.off_loop(_open_head, self._settings, self._progress)
        from promlab.scrape.manager import ScrapeManager

        self._manager = ScrapeManager(
            head,
            version=__version__,
            commit_every_s=None,
            features=frozenset(self._settings.features),
        )
        await self._manager.apply(loaded.config)
        self._configure_head(loaded)
        self._load_done(loaded)
        self._tasks = [asyncio.create_task(self._commit_for_ever())]
        if self._settings.config_reload_interval_s:
            self._tasks.append(asyncio.create_task(self._watch_config()))
        # What is loaded by now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        log.info("Scraping", extra=facts(jobs=len(loaded.config.jobs)))

    def _progress(self, what: str, share: float) -> None:
        """How far opening the data directory is; called from the thread that opens it."""
        self._replayed = share
        if share < 1 and time.monotonic() - self._told_s > _TELL_REPLAY_S:
            self._told_s = time.monotonic()
            log.info("Opening the data directory", extra=facts(at=what, percent=int(100 * share)))

    async def stop(self) -> None:
        """Stop scraping, commit, close the head."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._manager is not None:
            await self._manager.stop()
        if self._head is not None:
            await asyncio.to_thread(self._head.close)

    def handlers(self) -> dict[str, Handler]:
        """What the reader may ask for."""
        return {
            "write": self._write,
            "refs": self._refs,
            "record": self._record,
            "targets": self._targets,
            "scrape_pools": self._scrape_pools,
            "metadata": self._metadata,
            "head_stats": self._head_stats,
            "metrics": self._metrics,
            "config": self._show_config,
            "config_text": self._config_text,
            "reload": self._reload_asked,
            "reload_successful": self._reload_successful,
            "replay": self._replay_progress,
            "blocks": self._blocks,
            "delete_series": self._delete_series,
            "clean_tombstones": self._clean_tombstones,
            "snapshot": self._snapshot,
            "lab_listing": self._lab_listing,
            "lab_put": self._lab_put,
            "lab_remove": self._lab_remove,
        }

    async def reload(self) -> None:
        """Read the configuration again and apply it. Raises ConfigError; the old one stays."""
        async with self._reload_lock:
            try:
                loaded = await asyncio.to_thread(load_checked, self._settings)
                await self._scraping().apply(loaded.config)
                self._configure_head(loaded)
            except PromlabError as error:
                self.reload_successful = False
                log.error("Reloading the configuration failed", extra=facts(err=str(error)))
                raise
            self._load_done(loaded)
            log.info("Reloaded the configuration", extra=facts(file=self._settings.config_file))

    def _configure_head(self, loaded: Checked) -> None:
        """What of the storage the configuration says, and a reload may change."""
        storage = loaded.config.storage
        keeps = "exemplar-storage" in self._settings.features
        self._storage().configure(
            late_window_s=storage.tsdb.out_of_order_time_window_ms / 1000,
            max_exemplars=max(0, storage.exemplars.max_exemplars) if keeps else 0,
        )
        self._storage().limit(*_retention(self._settings, storage.tsdb.retention))
        keeper = self._storage().blocks
        if keeper is not None and self._settings.policies_file:
            keeper.policies = _policies(self._settings.policies_file)

    def _load_done(self, loaded: Checked) -> None:
        self._loaded = loaded
        self._loads += 1
        self.reload_successful, self.reloaded_s = True, time.time()

    async def _watch_config(self) -> None:
        before = await asyncio.to_thread(self._files_changed)
        while True:
            await asyncio.sleep(self._settings.config_reload_interval_s)
            now = await asyncio.to_thread(self._files_changed)
            if now != before:
                before = now
                log.info("Files of the configuration have changed")
                with contextlib.suppress(PromlabError):
                    await self.reload()

    def _files_changed(self) -> dict[str, bytes]:
        """A digest of each file of the configuration, rules and imported jobs too."""
        patterns: list[str] = []
        if self._loaded is not None:
            config = self._loaded.config
            patterns += [*config.rule_files, *config.scrape_config_files]
        files = [file for pattern in patterns for file in matching_files(pattern)]
        return {file: _digest(Path(file)) for file in (self._settings.config_file, *files)}

    # --- committing -----------------------------------------------------------------------

    async def _commit_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), COMMIT_S)
                await asyncio.sleep(_GATHER_S)  # what others write meanwhile is committed too
            self._wanted.clear()
            waiting, self._committed = self._committed, None
            started = time.perf_counter()
            try:
                self._storage().commit()
                self.commit_s.add(time.perf_counter() - started)
            except StorageError as error:
                self.commit_failures += 1
                self._tell_of_failure(error)
                if waiting is not None:
                    waiting.set_exception(error)
                    waiting.exception()  # Nobody may be waiting any more.
            else:
                if self._failing_since_s:
                    self._failing_since_s = 0.0
                    log.info("Storing samples works again")
                if waiting is not None:
                    waiting.set_result(None)

    def _tell_of_failure(self, error: StorageError) -> None:
        """Once when it begins, and every so often while it lasts."""
        now = time.monotonic()
        if not self._failing_since_s or now - self._failing_since_s > _TELL_EVERY_S:
            self._failing_since_s = now
            log.error("Storing samples failed", extra=facts(err=str(error)))

    async def _commit(self) -> None:
        """Returns after the next commit. Raises StorageError if it fails."""
        if self._committed is None:
            self._committed = asyncio.get_running_loop().create_future()
            self._wanted.set()
        await asyncio.shield(self._committed)

    # --- requests -------------------------------------------------------------------------

    def _storage(self) -> Head:
        if self._head is None:
            raise NotReady("the data directory is not open yet")
        return self._head

    def _scraping(self) -> ScrapeManager:
        if self._manager is None:
            raise NotReady("scraping has not begun yet")
        return self._manager

    async def _write(self, body: Any, columns: Columns) -> Any:
        head = self._storage()
        if body["writer"] != self.id:
            return {"writer": self.id}
        from promlab.server.writer_appends import write

        done = write(head, body, columns)
        await self._commit()
        done.body["writer"] = self.id
        return done

    async def _refs(self, body: Any, columns: Columns) -> Any:
        refs = _registered(self._storage(), body, columns)
        return WithColumns({"writer": self.id}, {"refs": np.asarray(refs, np.uint64)})

    async def _record(self, body: Any, columns: Columns) -> Any:
        """Samples with their labels; committed at once, for the next rule may build on them."""
        head = self._storage()
        refs = _registered(head, body, columns)
        extras = sample_extras(body, columns)
        outcome = head.append_loose(refs, columns["t_ms"], columns["values"], extras)
        exemplars = frame_exemplars(body, columns, refs)
        if exemplars is not None and EXEMPLARS in self._settings.features:
            head.append_exemplars(exemplars)
        head.commit()
        return outcome._asdict()

    async def _targets(self, _body: Any, _columns: Columns) -> Any:
        return writer_views.targets(self._scraping())

    async def _scrape_pools(self, _body: Any, _columns: Columns) -> Any:
        return self._scraping().pools

    async def _metadata(self, body: Any, _columns: Columns) -> Any:
        return writer_views.metadata(self._scraping(), body or "")

    async def _head_stats(self, _body: Any, _columns: Columns) -> Any:
        return writer_views.head_stats(self._storage())

    async def _metrics(self, _body: Any, _columns: Columns) -> Any:
        return {
            "pid": os.getpid(),
            "text": writer_views.metrics(self, self._head, self._manager),
            "discovery": writer_views.discovery(self._manager),
        }

    async def _show_config(self, _body: Any, _columns: Columns) -> Any:
        return {
            "yaml": self._loaded.config.to_yaml() if self._loaded else "",
            "reload_successful": self.reload_successful,
            "reloaded_s": self.reloaded_s,
        }

    async def _config_text(self, known: Any, _columns: Columns) -> Any:
        """The configuration as it was read, unless it is the one that is known."""
        if self._loaded is None:
            raise NotReady("the configuration is not loaded yet")
        version = f"{self.id}.{self._loads}"
        return None if known == version else {"version": version, "text": self._loaded.text}

    async def _reload_successful(self, _body: Any, _columns: Columns) -> Any:
        # While the first configuration is being loaded, nothing has failed yet.
        return self.reload_successful or not self._loads

    async def _replay_progress(self, _body: Any, _columns: Columns) -> Any:
        if self._head is not None:
            return {"min": 0, "max": 0, "current": 0}
        return {"min": 0, "max": 100, "current": round(self._replayed * 100)}

    async def _blocks(self, _body: Any, _columns: Columns) -> Any:
        keeper = self._storage().blocks
        return [meta.as_json() for meta in keeper.metas] if keeper else []

    async def _block_job(self, job: dict[str, Any]) -> Any:
        """Have the keeper of blocks do something; returns when it is done."""
        head = self._storage()
        if head.blocks is None:
            raise ServerError("this server makes no blocks")
        head.commit()
        return await asyncio.wrap_future(head.blocks.ask(job))

    async def _delete_series(self, body: Any, _columns: Columns) -> Any:
        facts = {"start_ms": body["start_ms"], "end_ms": body["end_ms"]}
        await self._block_job({"kind": "delete", "selectors": body["matchers"], **facts})

    async def _clean_tombstones(self, _body: Any, _columns: Columns) -> Any:
        await self._block_job({"kind": "clean"})

    async def _snapshot(self, skip_head: Any, _columns: Columns) -> Any:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = f"{moment}-{secrets.token_hex(8)}"
        await self._block_job({"kind": "snapshot", "name": name, "skip_head": bool(skip_head)})
        return name

    async def _lab_listing(self, kind: Any, _columns: Columns) -> Any:
        return self._lab.listing(kind)

    async def _lab_put(self, body: Any, _columns: Columns) -> Any:
        self._scraping()
        async with self._lab_lock:
            await self._lab.put(body["kind"], body["name"], body["document"])

    async def _lab_remove(self, body: Any, _columns: Columns) -> Any:
        self._scraping()
        async with self._lab_lock:
            return await self._lab.remove(body["kind"], body["name"])

    async def _reload_asked(self, _body: Any, _columns: Columns) -> Any:
        await self.reload()


def _retention(settings: Settings, section: RetentionConfig) -> tuple[float, int, float]:
    """Seconds, bytes and share of the disk to keep: what the file says comes before flags."""
    if section.time_ms or section.size or section.percentage:
        return section.time_ms / 1000, section.size, section.percentage
    return settings.retention_ms / 1000, settings.retention_bytes, 0.0


def _policies(path: str) -> Policies:
    """The storage policies in a file. Raises ConfigError."""
    # Loaded only where there is such a file: the grammar of selectors is large.
    from promlab.config.policies import load_policies
    from promlab.stored.selectors import matchers_of
    from promlab.tsdb.blocks.keeper import Policies

    found = load_policies(path, matchers_of)
    return Policies(
        tuple(
            (
                [[m.name, m.type.value, m.value] for m in matchers_of(policy.match)],
                policy.time_ms,
            )
            for policy in found.retention
        ),
        tuple((p.resolution_ms, p.after_ms, p.retention_ms) for p in found.downsampling),
    )


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""


def _registered(head: Head, body: Any, columns: Columns) -> Refs:
    """References of the label sets in a request."""
    n = len(columns["0"]) if body["names"] else 0
    return head.refs(labels_from(body, columns, n).recode(head.symbols))


def _open_head(settings: Settings, progress: Callable[[str, float], None]) -> Head:
    """Opens the data directory; kernels first, all in a thread of its own."""
    process.load_kernels(
        ["promlab.exposition", "promlab.tsdb"], ["promlab.tsdb.head", "promlab.scrape.manager"]
    )
    from promlab.tsdb.head import Head
    from promlab.tsdb.options import HeadOptions

    options = HeadOptions(
        sync=settings.wal_fsync,
        retention_s=settings.retention_ms / 1000,
        retention_bytes=settings.retention_bytes,
        block_s=settings.min_block_ms / 1000,
        max_block_s=settings.max_block_ms / 1000,
    )
    return Head.open(settings.data_path, options=options, progress=progress)


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
    server = ChannelServer(writer.handlers())
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
