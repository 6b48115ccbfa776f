"""A token that an OAuth server gave, used until shortly before it ends."""

from __future__ import annotations

import time


class KeptToken:
    """One token, or none that is good now; it is not used in its last `margin_s`."""

    def __init__(self, margin_s: float) -> None:
        self._margin_s = margin_s
        self._token, self._until_s = "", 0.0

    @property
    def good(self) -> str:
        """The token; "" where a new one has to be asked for."""
        return self._token if time.monotonic() < self._until_s else ""

    def take(self, token: str, lasts_s: float) -> str:
        """Keep what the server gave."""
        self._token = token
        self._until_s = time.monotonic() + max(0.0, lasts_s - self._margin_s)
        return token

    def forget(self) -> None:
        """Ask for a new one next time: the old one may have been revoked."""
        self._token = ""
