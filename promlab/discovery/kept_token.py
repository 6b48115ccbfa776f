"""A token that an OAuth server gave, used until shortly before it ends."""

from __future__ import annotations

import time

from promlab.discovery.answers import Answer
from promlab.errors import DiscoveryError


class KeptToken:
    """One token, or none that is good now; it is not used in its last `margin_s`."""

    def __init__(self, margin_s: float) -> None:
        self._margin_s = margin_s
        self._token, self._until_s = "", 0.0

    @property
    def good(self) -> str:
        """The token; "" where a new one has to be asked for."""
        return self._token if time.monotonic() < self._until_s else ""

    def take(self, answer: Answer, whose: str = "") -> str:
        """Keep what the server gave. Raises DiscoveryError if it gave none."""
        token = answer.text("access_token")
        if not token:
            raise DiscoveryError(f"{whose}no access token was given")
        good_s = float(answer.shown("expires_in") or 0)
        self._token = token
        self._until_s = time.monotonic() + max(0.0, good_s - self._margin_s)
        return token

    def forget(self) -> None:
        """Ask for a new one next time: the old one may have been revoked."""
        self._token = ""
