"""What queries are answered from: local storage, and endpoints of remote read if there are any."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING

from promlab import __version__
from promlab.model.labels import Symbols
from promlab.model.storage import Querier, QueryScope
from promlab.server import process
from promlab.server.queries import QueryRunner
from promlab.server.settings import Settings

if TYPE_CHECKING:
    from promlab.config import Config
    from promlab.remote.read_sources import RemoteRead
    from promlab.tsdb.data import DataReader

# Local storage is not relied on for what was just about to be stored when it began.
_MARGIN_BLOCKS = 2


@dataclass
class ApiScope:
    """A request that looks series up, for sources that want to know who asks."""

    stored: Querier
    deadline: float
    cancel: Event | None = None
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def symbols(self) -> Symbols:
        """For texts that nobody has stored; see `QueryScope`."""
        return self.stored.symbols.overlay()

    def warn(self, text: str) -> None:
        """Say beside the answer what it lacks."""
        if text not in self.warnings:
            self.warnings.append(text)


class QuerySources:
    """The sources of one reader; other servers are asked only while a configuration says so."""

    def __init__(self, local: DataReader, runner: QueryRunner, settings: Settings) -> None:
        self._local, self._runner, self._settings = local, runner, settings
        self.remote: RemoteRead | None = None

    def within(self, scope: QueryScope) -> Querier:
        """The querier for one query, or another request."""
        return self._local if self.remote is None else self.remote.within(scope)

    async def apply(self, config: Config) -> None:
        """Ask those that this configuration names from now on. Raises ConfigError."""
        if self.remote is None:
            if not config.remote_read:
                return
            await process.off_loop(importlib.import_module, "promlab.remote.read_sources")
            from promlab.remote.read_sources import RemoteRead

            margin_ms = _MARGIN_BLOCKS * self._settings.min_block_ms
            self.remote = RemoteRead(
                self._local, self._oldest_ms, margin_ms=margin_ms, version=__version__
            )
        # First: a query on the event loop would wait for an answer that comes there.
        if config.remote_read:
            self._runner.wait_in_threads()
        await self.remote.apply(config)

    async def stop(self) -> None:
        """Close all connections."""
        if self.remote is not None:
            await self.remote.stop()

    def _oldest_ms(self) -> int | None:
        found = self._local.time_range()
        return None if found is None else found[0]
