"""The process: starts, listens, reloads, keeps order, and ends."""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import logging
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from promlab import __version__, lifeline
from promlab.alertmanager.clock import SystemClock
from promlab.alertmanager.config import Config, load
from promlab.alertmanager.core import Alertmanager, Alone
from promlab.alertmanager.nflog import NotificationLog
from promlab.alertmanager.server.app import App
from promlab.alertmanager.server.context import Context, NoCluster
from promlab.alertmanager.server.flags import Settings, settings
from promlab.alertmanager.silences import Silences
from promlab.alertmanager.storage import Database
from promlab.errors import ConfigError, StorageError
from promlab.web import log as log_module
from promlab.web.guard import Guard
from promlab.web.log import facts
from promlab.web.serving import GuardedServer
from promlab.web.sockets import address_of, listen

log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 1024
_SOON_S = 0.01
_READ_TIMEOUT_S = 300.0


def serve(args: argparse.Namespace) -> int:
    """Run until asked to end; the exit code. Raises PromlabError if it can't start."""
    import uvloop

    chosen = settings(args)
    lifeline.watch()
    log_module.configure(chosen.log_level, chosen.log_format, "alertmanager")
    log.info("Starting Alertmanager", extra=facts(version=__version__))
    return int(uvloop.run(main(chosen)))


async def main(chosen: Settings) -> int:
    """The process's life."""
    config = load(chosen.config_file, chosen.features.mode)
    listeners = [listen(address) for address in chosen.listen_addresses]
    external = chosen.external_url or _external_url(listeners[0], chosen.route_prefix)
    folder = Path(chosen.storage_path)
    databases = (
        Database(folder / "silences.db", durable=True),
        Database(folder / "nflog.db", durable=False),
    )
    clock = SystemClock()
    retention_ms = round(chosen.retention_s * 1000)
    silences = Silences(
        databases[0],
        clock,
        retention_ms=retention_ms,
        max_silences=chosen.max_silences,
        max_bytes=chosen.max_silence_bytes,
        mode=chosen.features.mode,
        log_changes=chosen.log_silences,
    )
    notified = NotificationLog(databases[1], clock, retention_ms=retention_ms)
    cluster = await _cluster(chosen, silences, notified)
    am = Alertmanager(
        silences=silences,
        log=notified,
        clock=clock,
        external_url=external,
        peers=cluster or Alone(),
        per_alertname_limit=chosen.per_alertname_limit,
        start_delay_s=chosen.start_delay_s,
        show_receivers=chosen.features.receiver_names,
    )
    loader = _Loader(chosen, am)
    guard = Guard(chosen.web_config_file)
    context = Context(
        am, chosen, cluster or NoCluster(), clock.now_ms(), loader.reload, guard, databases
    )
    loader.apply(config, context)
    # Alerts are many objects that live long and hold no cycles: look for garbage rarely.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    _warn_unsupported(config)
    try:
        await _run(chosen, context, listeners)
    finally:
        await context.changes.close()
        await am.close()
        if cluster is not None:
            await cluster.leave()
        for database in databases:
            database.close()
    log.info("Stopped")
    return 0


async def _cluster(chosen: Settings, silences: Silences, notified: NotificationLog) -> Any:
    if not chosen.cluster.listen_address:
        return None
    from promlab.alertmanager.cluster.cluster import Cluster

    cluster = Cluster(chosen.cluster, silences, notified)
    await cluster.join()
    return cluster


class _Loader:
    """Reads the configuration again when asked to."""

    def __init__(self, chosen: Settings, am: Alertmanager) -> None:
        self._settings, self._am = chosen, am
        self._context: Context

    def apply(self, config: Config, context: Context) -> None:
        """Use a configuration. Raises ConfigError."""
        self._context = context
        self._am.apply(config)
        digest = hashlib.sha256(config.to_yaml().encode()).digest()
        context.config_hash = float(int.from_bytes(digest[:6], "little"))
        context.reload_ok, context.reload_s = True, time.time()

    async def reload(self) -> str:
        """Read the file again; what is wrong, or "". The old one stays if anything is."""
        try:
            config = await asyncio.to_thread(
                load, self._settings.config_file, self._settings.features.mode
            )
            self.apply(config, self._context)
        except ConfigError as error:
            self._context.reload_ok = False
            log.error("Configuration not loaded", extra=facts(err=str(error)))
            return str(error)
        log.info("Completed loading of configuration file",
                 extra=facts(file=self._settings.config_file))  # fmt: skip
        return ""


async def _run(chosen: Settings, context: Context, listeners: list[socket.socket]) -> None:
    server = GuardedServer(
        App(context),
        context.guard,
        max_connections=_MAX_CONNECTIONS,
        read_timeout_s=_READ_TIMEOUT_S,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    tasks: set[asyncio.Task[Any]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(context.reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    tasks |= {loop.create_task(work) for work in _maintenance(chosen, context)}
    addresses = [address_of(listener) for listener in listeners]
    if chosen.address_file:
        _write_addresses(Path(chosen.address_file), addresses)
    for address in addresses:
        log.info("Listening on", extra=facts(address=address))
    try:
        await server.run_on(listeners)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _maintenance(chosen: Settings, context: Context) -> Iterator[Any]:
    am = context.am

    async def every(seconds: float, work: Callable[[], object]) -> None:
        """Work again and again: soon, with others in between, while it says that there is more."""
        more = False
        while True:
            spread = random.uniform(0.95, 1.0)  # noqa: S311
            await asyncio.sleep(_SOON_S if more else seconds * spread)
            more = work() is True

    def forget_old() -> bool:
        more = False
        for name, collect in (("silences", am.silences.collect), ("nflog", am.log.collect)):
            context.maintenance[name] += 1
            try:
                more |= collect() > 0 and name == "silences"
            except StorageError as error:
                context.maintenance[f"{name} errors"] += 1
                log.error("Maintenance failed", extra=facts(of=name, err=str(error)))
        return more

    yield every(chosen.maintenance_interval_s, forget_old)
    yield every(chosen.gc_interval_s, am.collect_alerts)
    yield every(chosen.dispatch_maintenance_s, lambda: am.running.dispatcher.collect())


def _write_addresses(path: Path, addresses: list[str]) -> None:
    path.write_text("".join(address + "\n" for address in addresses), encoding="utf-8")


def _external_url(listener: socket.socket, prefix: str) -> str:
    port = listener.getsockname()[1]
    return f"http://{socket.gethostname()}:{port}{prefix}"


def _warn_unsupported(config: Config) -> None:
    if config.tracing is not None:
        log.warning("tracing is not supported: the section has no effect")
    if config.event_recorder:
        log.warning("event_recorder is not supported: the section has no effect")
