"""The configuration that counts, in the process that answers: always the writer's.

The writer reads the file and says which one counts. What depends on it here (rules, remote write
and read, OTLP) follows, so that no two of them ever go by different ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from promlab.errors import NotReady, PromlabError, ServerError
from promlab.server.channel import ChannelClient
from promlab.server.settings import Settings
from promlab.web.log import facts

if TYPE_CHECKING:
    from promlab.config import Config

log = logging.getLogger(__name__)

_LOOK_S = 1.0
Listener = Callable[["Config"], Awaitable[None]]


class Following:
    """Asks the writer for its configuration, and has the listeners take it over, in their order.

    A listener raises PromlabError where it can't: those behind it keep what they had.
    """

    def __init__(
        self, settings: Settings, writer: ChannelClient, config: Config | None = None
    ) -> None:
        self._settings, self._writer = settings, writer
        self.listeners: list[Listener] = []
        self._config = config
        self._version = ""
        self._applying = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()  # at the first configuration, whatever came of it
        if config is not None:
            self._looked.set()

    @property
    def config(self) -> Config:
        """The configuration that counts. Raises NotReady."""
        if self._config is None:
            raise NotReady("the configuration is not loaded yet")
        return self._config

    def start(self) -> None:
        """Follow from now on."""
        self._task = asyncio.create_task(self._follow(), name="the configuration is followed")

    async def settled(self) -> None:
        """Wait until the first configuration is taken over, or refused."""
        await self._looked.wait()

    async def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> None:
        """Take over the writer's configuration if it is another. Raises PromlabError."""
        if self._task is None:
            return  # Not everybody listens yet.
        async with self._applying:
            answer = await self._writer.ask("config_text", self._version)
            if answer is None:
                return
            # Noted first: one that can't be applied is not tried again each second.
            self._version = answer["version"]
            try:
                config = await asyncio.to_thread(_settled, answer["text"], self._settings)
                await self._take_over(config)
            except (NotReady, ServerError):
                self._version = ""  # The writer went meanwhile: once more, then.
                raise

    async def _take_over(self, config: Config) -> None:
        self._config = config
        for listener in self.listeners:
            await listener(config)
        self._looked.set()

    async def _follow(self) -> None:
        while True:
            try:
                await self.refresh()
            except (NotReady, ServerError):
                pass  # The writer is being started again.
            except PromlabError as error:
                log.error("Applying the configuration failed", extra=facts(err=str(error)))
                self._looked.set()
            await asyncio.sleep(_LOOK_S)


def _settled(text: str, settings: Settings) -> Config:
    # Loaded when the server is ready, which it need not be for.
    from promlab.server.checked_config import load_settled

    return load_settled(text, settings)
