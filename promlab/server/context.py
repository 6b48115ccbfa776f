"""What the handlers of one reader share."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from promlab.errors import NotReady
from promlab.model.storage import Querier, QueryScope
from promlab.promql.memo import TableMemo
from promlab.server.channel import ChannelClient
from promlab.server.following import Following
from promlab.server.label_text import LabelText
from promlab.server.notifications import STARTING, Notifications
from promlab.server.queries import QueryEngine, QueryRunner
from promlab.server.self_metrics import ReaderMetrics
from promlab.server.settings import Settings
from promlab.server.short_range_hint import ShortRangeHints
from promlab.server.tracing import Tracing
from promlab.web.guard import Guard

if TYPE_CHECKING:
    from promlab.config import Config
    from promlab.remote.sender import RemoteWrite
    from promlab.server.rules import Rules
    from promlab.server.sources import QuerySources

T = TypeVar("T")
_REMEMBERED_ROWS = 200_000  # of answers whose order is kept
_CONFIG_S = 10.0  # longest wait for the first configuration


@dataclass
class Context:
    """One reader's state; `querier` is there once it is ready, and but in an agent `engine`."""

    settings: Settings
    runner: QueryRunner
    writer: ChannelClient
    metrics: ReaderMetrics
    querier: Querier | None = None
    engine: QueryEngine | None = None
    label_text: LabelText | None = None
    rules: Rules | None = None
    remote_write: RemoteWrite | None = None
    sources: QuerySources | None = None
    guard: Guard = field(default_factory=Guard)
    tables: TableMemo = field(default_factory=lambda: TableMemo(_REMEMBERED_ROWS))
    replaying: bool = False  # queries are answered from what was stored when the server started
    stopping: bool = False
    features: frozenset[str] = field(init=False)  # names given with --enable-feature
    notifications: Notifications = field(init=False)
    following: Following = field(init=False)
    read_gate: asyncio.Semaphore = field(init=False)
    tracing: Tracing = field(default_factory=Tracing)
    short_range_hints: ShortRangeHints = field(default_factory=ShortRangeHints)
    started_s: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.features = frozenset(self.settings.features)
        self.notifications = Notifications(self.settings.max_subscribers)
        # Of remote reads; 0 stands for any number of them.
        self.read_gate = asyncio.Semaphore(self.settings.read_concurrency or 1_000_000)
        self.following = Following(self.settings, self.writer)

    @property
    def is_ready(self) -> bool:
        """Whether requests that need what is stored can be answered."""
        return self.querier is not None and not self.replaying

    @property
    def answers_queries(self) -> bool:
        """Whether queries can be answered, which may be so before all else is ready."""
        return self.engine is not None

    def answer_from(self, querier: Querier, engine: QueryEngine | None) -> None:
        """Queries are answered from this from now on; without an engine, all else is."""
        self.label_text = LabelText(querier.symbols)
        self.querier, self.engine = querier, engine

    def become_ready(self) -> None:
        """All is there."""
        self.replaying = False
        self.notifications.set(STARTING, False)

    def stored(self) -> Querier:
        """The querier. Raises NotReady."""
        if self.querier is None:
            raise NotReady("the server has not finished starting")
        return self.querier

    def within(self, scope: QueryScope) -> Querier:
        """The querier of one request, other servers included. Raises NotReady."""
        return self.stored() if self.sources is None else self.sources.within(scope)

    async def config(self) -> Config:
        """The configuration, which comes a moment after queries can be answered.

        Raises NotReady.
        """
        await self._settled()
        return self.following.config

    async def evaluated(self) -> Rules:
        """The rules, as the configuration has them. Raises NotReady."""
        await self._settled()
        if self.rules is None:
            raise NotReady("the server has not finished starting")
        return self.rules

    async def _settled(self) -> None:
        if self.is_ready:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CONFIG_S):
                    await self.following.settled()

    async def in_pool(self, work: Callable[[], T]) -> T:
        """The result of what is worked out in a thread that is there for queries."""
        return await asyncio.get_running_loop().run_in_executor(self.runner.pool, work)

    def evaluator(self) -> tuple[QueryEngine, LabelText]:
        """The engine, and what prints its labels. Raises NotReady."""
        if self.engine is None or self.label_text is None:
            raise NotReady("the server has not finished starting")
        return self.engine, self.label_text
