"""OAuth 2.0: a token is fetched when needed, and kept until it ends.

With client credentials, the client names itself in the Authorization header, as the standard
prefers, and in the form where the token server does not take that. A secret or key that is a file
is read for each token.
"""

from __future__ import annotations

import asyncio
import time

from promlab.config.http_client import OAuth2
from promlab.errors import ScrapeError
from promlab.transport.asking import ClientAsk, Reply
from promlab.transport.client_credentials import Question, question, token_of
from promlab.transport.secret_files import read_secret
from promlab.transport.signed_claims import claims_question

# A token is not used in its last seconds: it has a way to go.
_EARLY_S = 10.0


class TokenSource:
    """Tokens of one `oauth2` section; `ask` has that section's own TLS and proxy settings."""

    def __init__(self, config: OAuth2, ask: ClientAsk) -> None:
        self._config, self._ask = config, ask
        self._header, self._ends = "", 0.0
        self._in_form = False
        self._asking = asyncio.Lock()

    async def header(self) -> str:
        """The value of the Authorization header. Raises ScrapeError."""
        if time.monotonic() < self._ends:
            return self._header
        async with self._asking:
            if time.monotonic() >= self._ends:
                self._take(await self._fetched())
        return self._header

    async def close(self) -> None:
        """Close the connections to the token server."""
        await self._ask.close()

    async def _fetched(self) -> bytes:
        config = self._config
        if config.signs:
            reply = await self._asked(await asyncio.to_thread(self._signed))
        else:
            reply = await self._with_secret(
                config.client_secret.reveal()
                or await asyncio.to_thread(read_secret, config.client_secret_file)
            )
        if not 200 <= reply.status < 300:
            raise ScrapeError(
                f"oauth2: cannot fetch token: HTTP status {reply.status} {reply.reason}"
            )
        return reply.body

    def _signed(self) -> Question:
        key = self._config.client_certificate_key.reveal()
        return claims_question(
            self._config, key or read_secret(self._config.client_certificate_key_file)
        )

    async def _with_secret(self, secret: str) -> Reply:
        reply = await self._asked(self._question(secret, in_form=self._in_form))
        if reply.status != 200 and not self._in_form:
            second = await self._asked(self._question(secret, in_form=True))
            if second.status == 200:
                self._in_form = True
                return second
        return reply

    def _question(self, secret: str, *, in_form: bool) -> Question:
        config = self._config
        return question(
            config.client_id, secret, config.scopes, config.endpoint_params, in_form=in_form
        )

    def _take(self, answer: bytes) -> None:
        try:
            header, said = token_of(answer)
        except ValueError as error:
            raise ScrapeError(f"oauth2: {error}") from None
        try:
            lasting = float(said or 0.0)  # type: ignore[arg-type]  # whatever it is
        except (TypeError, ValueError):
            raise ScrapeError("oauth2: the token server's answer has no access_token") from None
        self._header = header
        # Without a lifetime it is good until the end.
        self._ends = time.monotonic() + (lasting - _EARLY_S if lasting else float("inf"))

    async def _asked(self, asked: Question) -> Reply:
        try:
            return await self._ask(
                "POST", self._config.token_url, headers=asked.headers, body=asked.body.encode()
            )
        except ScrapeError as error:
            raise ScrapeError(f"oauth2: {error}") from None
