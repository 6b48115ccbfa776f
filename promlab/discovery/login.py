"""Tokens of a cloud's login, asked for with the HTTP client of a section of discovery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from promlab.discovery.asking import Asker
from promlab.errors import DiscoveryError, ScrapeError
from promlab.transport.asking import Ask, Reply


class Tokens(Protocol):
    """Where tokens come from: `AzureTokens`, `GoogleTokens`."""

    async def token(self) -> str:
        """A token that is good now. Raises ScrapeError if none is given."""


T = TypeVar("T", bound=Tokens)


class Login(Generic[T]):
    """One login; what goes wrong with it is an error of discovery."""

    def __init__(
        self, asker: Asker, source: Callable[[Ask], T], accepted: tuple[int, ...] = ()
    ) -> None:
        """`accepted` are statuses other than 2xx that the source wants to see."""
        self._asker, self._accepted = asker, accepted
        self.source = source(self._ask)

    async def token(self) -> str:
        """A token that is good now. Raises DiscoveryError if none is given."""
        try:
            return await self.source.token()
        except ScrapeError as error:
            raise DiscoveryError(str(error)) from None

    async def _ask(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        found = await self._asker.ask(
            url, method=method, headers=headers, body=body, accepted=self._accepted
        )
        return Reply(found.status, found.headers, found.body)
