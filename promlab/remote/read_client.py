"""One endpoint of remote read: what it is asked, and what it answers.

Asked from the threads of queries; requests are made on the event loop. An endpoint that fails
is a warning beside the answer, never an error: what is stored here is answered all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from promlab.config.kinds import show_url
from promlab.config.remote import RemoteReadConfig
from promlab.errors import PromlabError, QueryCanceled, QueryError, QueryTimeout
from promlab.model.matchers import Matcher, MatchType
from promlab.model.storage import QueryScope, SelectHints
from promlab.remote.read import SAMPLES, STREAMED
from promlab.remote.read_answers import (
    MOST_BYTES,
    REQUEST_HEADERS,
    Found,
    OtherChunks,
    read_request,
)
from promlab.remote.read_stream import answer_of
from promlab.transport.failures import describe
from promlab.transport.session import HttpClient

_ERROR_BYTES = 1024
_LOOK_S = 0.05


class ReadFailed(PromlabError):
    """An endpoint that did not answer, or not what was asked for."""


@dataclass(slots=True)
class ReadStats:
    """Counts of one endpoint, under the names that /metrics gives them."""

    running: int = 0
    by_code: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    seconds: float = 0.0


class RemoteReader:
    """Asks one endpoint. Raises ConfigError if TLS settings can't be used.

    `loop` is where requests are made: no query may be evaluated on it.
    """

    def __init__(
        self,
        config: RemoteReadConfig,
        external: Mapping[str, str],
        loop: asyncio.AbstractEventLoop,
        *,
        version: str,
    ) -> None:
        self.config, self.external, self._loop = config, external, loop
        self.stats = ReadStats()
        headers = {
            "User-Agent": f"promlab/{version}",
            "Accept-Encoding": "snappy",
            **REQUEST_HEADERS,
            **config.headers,
        }
        self._client = HttpClient(config.http, headers)

    @property
    def name(self) -> str:
        """What it is called in metrics."""
        digest = hashlib.blake2b(self.config.url.encode(), digest_size=3).hexdigest()
        return self.config.name or digest

    @property
    def url(self) -> str:
        """Where it asks, without a password."""
        return show_url(self.config.url)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    def wanted(self, matchers: Sequence[Matcher]) -> bool:
        """Whether the matchers are those that this endpoint requires."""
        given = {(m.name, m.value) for m in matchers if m.type is MatchType.EQUAL}
        return given.issuperset(self.config.required_matchers.items())

    def ask(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints,
        scope: QueryScope | None,
    ) -> Found:
        """Samples there. Raises ReadFailed; TooManySamples as the hints, QueryCanceled and
        QueryTimeout as the scope says.
        """
        asked, added = self._with_external(matchers)
        try:
            try:
                found = self._asked(asked, start_ms, end_ms, hints, scope, (STREAMED, SAMPLES))
            except OtherChunks:
                found = self._asked(asked, start_ms, end_ms, hints, scope, (SAMPLES,))
        except QueryError:
            raise
        except PromlabError as error:
            raise ReadFailed(f"remote_read: {error}") from None
        return found._replace(labels=found.labels.drop(added))

    def _with_external(self, matchers: Sequence[Matcher]) -> tuple[list[Matcher], list[str]]:
        """Matchers for all external labels that none speaks of; and the labels' names."""
        if not self.config.filter_external_labels:
            return list(matchers), []
        named = {matcher.name for matcher in matchers}
        added = {name: text for name, text in self.external.items() if name not in named}
        more = [Matcher(name, MatchType.EQUAL, text) for name, text in added.items()]
        return [*matchers, *more], list(added)

    def _asked(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints,
        scope: QueryScope | None,
        accepted: tuple[int, ...],
    ) -> Found:
        body = read_request(matchers, start_ms, end_ms, hints, accepted)
        running = asyncio.run_coroutine_threadsafe(self._counted(body), self._loop)
        kind, answer = _awaited(running, scope)
        found = answer_of(kind, answer, self.config.chunked_read_limit, hints.max_samples)
        if found is None:
            raise ReadFailed(f"unsupported content type: {kind[:100]}")
        return found

    async def _counted(self, body: bytes) -> tuple[str, bytes]:
        stats, started = self.stats, time.monotonic()
        stats.running += 1
        code = ""
        try:
            code, kind, answer = await self._post(body)
        finally:
            stats.running -= 1
            stats.requests += 1
            stats.seconds += time.monotonic() - started
            stats.by_code[code] = stats.by_code.get(code, 0) + 1
        if code[:1] != "2":
            text = answer.decode(errors="replace").strip()
            raise ReadFailed(f"remote server {self.url} returned http status {kind}: {text}")
        return kind, answer

    async def _post(self, body: bytes) -> tuple[str, str, bytes]:
        """Status, content type and body; of an error its reason instead of a type."""
        url = URL(self.config.url, encoded=True)
        try:
            async with (
                asyncio.timeout(self.config.remote_timeout_ms / 1000),
                self._client.open("POST", url, body=body, keep_method=True) as response,
            ):
                if response.status // 100 != 2:
                    text = await response.content.read(_ERROR_BYTES)
                    return str(response.status), f"{response.status} {response.reason}", text
                kind = response.headers.get("Content-Type", "")
                return str(response.status), kind, await _read(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            words = describe(error, self.url, "Post")
            raise ReadFailed(f"error sending request: {words}") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := await response.content.readany():
        size += len(piece)
        if size > MOST_BYTES:
            raise ReadFailed(f"the answer is larger than {MOST_BYTES >> 20} MiB: narrow the query")
        pieces.append(piece)
    return b"".join(pieces)


def _awaited(running: Future[tuple[str, bytes]], scope: QueryScope | None) -> tuple[str, bytes]:
    """What a request gives, unless the query that asks for it ends before."""
    while True:
        try:
            return running.result(_LOOK_S)
        except NotYet:
            if running.done():  # just now
                return running.result()
        if scope is None:
            continue
        if scope.cancel is not None and scope.cancel.is_set():
            running.cancel()
            raise QueryCanceled("query was canceled in expression evaluation")
        if time.monotonic() > scope.deadline:
            running.cancel()
            raise QueryTimeout("query timed out in expression evaluation")
