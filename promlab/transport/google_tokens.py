"""Tokens of Google's cloud. Credentials are found by google-auth (the extra `google`): those of a
key file, or the application default ones, of the metadata server or a workload's identity.
"""

from __future__ import annotations

import asyncio
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promlab.errors import PromlabError, ScrapeError
from promlab.transport.aside import aside
from promlab.transport.asking import Ask

_WAIT_S = 60.0


class GoogleTokens:
    """Gets tokens for a scope; google-auth knows when one ends."""

    def __init__(self, scope: str, ask: Ask, key_file: str = "") -> None:
        self._scope, self._ask, self._key_file = scope, ask, key_file
        self._credentials: Any = None
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """A token that is good now. Raises ScrapeError."""
        bridge = _Bridge(self._ask, asyncio.get_running_loop())
        async with self._asking:
            if self._credentials is None or not self._credentials.valid:
                self._credentials = await aside(lambda: self._fresh(bridge), "google credentials")
            return str(self._credentials.token)

    def _fresh(self, request: _Bridge) -> Any:
        """Credentials that are good now."""
        try:
            from google.auth.exceptions import GoogleAuthError
        except ImportError:
            what = "Google's credentials need google-auth: pip install 'promlab[google]'"
            raise ScrapeError(what) from None
        try:
            credentials = self._credentials or self._found(request)
            credentials.refresh(request)
        except GoogleAuthError as error:
            raise ScrapeError(f"no credentials: {' '.join(str(error).split())[:300]}") from None
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
            # A key file that is none, or a token server that answers something else.
            name = self._key_file or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
            what = "not a key file" if isinstance(error, json.JSONDecodeError) else str(error)
            raise ScrapeError(f"no credentials: {name}: {what[:300]}") from None
        return credentials

    def _found(self, request: _Bridge) -> Any:
        import google.auth

        scopes = [self._scope]
        if not self._key_file:
            return google.auth.default(scopes=scopes, request=request)[0]
        with warnings.catch_warnings():
            # It warns of files that somebody else has written; this one is the configuration's.
            warnings.simplefilter("ignore", DeprecationWarning)
            return google.auth.load_credentials_from_file(
                self._key_file, scopes=scopes, request=request
            )[0]


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer, as google-auth wants it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Bridge:
    """Lets google-auth, which runs in a thread, ask with our client: its limits, its proxy."""

    def __init__(self, ask: Ask, loop: asyncio.AbstractEventLoop) -> None:
        self._ask, self._loop = ask, loop

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> _Reply:
        """The answer, of any status. Raises google-auth's TransportError if there is none."""
        from google.auth.exceptions import TransportError

        raw = body.encode() if isinstance(body, str) else body
        try:
            asked = asyncio.run_coroutine_threadsafe(
                asyncio.wait_for(
                    self._ask(method, url, headers=headers or {}, body=raw), timeout or _WAIT_S
                ),
                self._loop,
            )
            reply = asked.result(_WAIT_S)
        except (PromlabError, TimeoutError, RuntimeError) as error:
            raise TransportError(str(error)) from error
        return _Reply(reply.status, reply.headers, reply.body)
