"""Who may ask, and what every answer carries: a web configuration at work.

The file is read again when it changes; one that is not valid any more leaves the old one in
force, with a line in the log. Passwords are checked against bcrypt hashes, which is slow on
purpose: what was found is remembered under a keyed hash, and a user who does not exist takes as
long as one who does.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from promlab.errors import ConfigError
from promlab.web.http import Request, Response, text
from promlab.web.log import facts

if TYPE_CHECKING:
    from promlab.config.secret import Secret
    from promlab.config.web import TLSServerConfig, WebConfig

log = logging.getLogger(__name__)

_REMEMBERED = 100
# A hash of nothing: compared with where there is no such user.
_NOBODY = b"$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"


class Guard:
    """Checks requests; belongs to one event loop. `path` "" lets everybody in."""

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._found: OrderedDict[bytes, bool] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="bcrypt")
        self._tokens, self._counted = math.inf, 0.0
        self.changes = 0
        # Without a file nothing that reads one is loaded.
        self.tls: TLSServerConfig | None = None
        self.header_texts: Mapping[str, str] = {}  # what every answer carries
        self.headers: list[tuple[bytes, bytes]] = []  # the same
        self._users: Mapping[str, Secret] = {}
        self._interval_ms, self._burst = 0.0, 0
        if path:
            self._stamp = _stamp(path)
            self._use(_load(path))

    def _use(self, config: WebConfig) -> None:
        self.tls, self._users = config.tls_server_config, config.basic_auth_users
        limit = config.rate_limit
        self._interval_ms, self._burst = limit.interval, limit.burst
        texts = self.header_texts = config.http_server_config.headers
        self.headers = [(name.lower().encode(), value.encode()) for name, value in texts.items()]

    @property
    def is_open(self) -> bool:
        """Whether anybody may ask."""
        tls = self.tls
        verified = tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"
        return not self._users and not verified

    @property
    def asks_nothing(self) -> bool:
        """Whether every request may pass: there are no passwords and no limit of their rate."""
        if self._path:
            self.refresh()
        return not self._users and not self._interval_ms

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        if not self._path:
            return
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            config = _load(self._path)
        except ConfigError as error:
            log.error("The web configuration is not valid", extra=facts(err=str(error)))
            return
        self._use(config)
        self.changes += 1
        self._found.clear()

    def file_stamps(self) -> list[tuple[int, int, int] | None]:
        """When the files of certificates were last changed."""
        tls = self.tls
        if tls is None:
            return []
        files = (tls.cert_file, tls.key_file, tls.client_ca_file)
        return [_stamp(file) for file in files if file]

    async def refusal(self, request: Request) -> Response | None:
        """None if this request may pass; else the answer to it."""
        self.refresh()
        if self._rate_exceeded():
            return text("Too Many Requests\n", 429)
        if not self._users:
            return None
        given = _credentials(request.header("authorization"))
        if given is not None and await self._is_right(*given):
            return None
        return text("Unauthorized\n", 401, WWW_Authenticate="Basic")

    def _rate_exceeded(self) -> bool:
        """Whether requests come faster than the web configuration allows."""
        if not self._interval_ms:
            return False
        now = time.monotonic()
        earned = (now - self._counted) * 1000 / self._interval_ms
        self._tokens = min(max(1.0, self._burst), self._tokens + earned)
        self._counted = now
        if self._tokens < 1:
            return True
        self._tokens -= 1
        return False

    async def _is_right(self, user: str, password: str) -> bool:
        hashed = self._users.get(user)
        stored = hashed.reveal().encode() if hashed is not None else _NOBODY
        told = b"\0".join([user.encode(), stored, password.encode()])
        key = hmac.digest(self._key, told, hashlib.sha256)
        right = self._found.get(key)
        if right is None:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._hashing, _matches, password, stored)
            self._found[key] = right
            if len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)
        return right and hashed is not None


def _load(path: str) -> WebConfig:
    from promlab.config.web import load_web

    return load_web(path)


def _matches(password: str, hashed: bytes) -> bool:
    import bcrypt

    # bcrypt looks at 72 bytes and no more; longer ones are refused, not cut off.
    raw = password.encode()
    if len(raw) > 72:
        return False
    try:
        return bcrypt.checkpw(raw, hashed)
    except ValueError:
        return False


def _credentials(header: str) -> tuple[str, str] | None:
    """User and password of an Authorization header."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
