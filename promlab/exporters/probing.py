"""What exporters share that are asked for a target: how long they may take, and `/-/reload`."""

from __future__ import annotations

import math
from collections.abc import Callable

from promlab.errors import ConfigError, PromlabError
from promlab.exporters.serving import Answer, Request, Route

_DEFAULT_TIMEOUT_S = 120.0


def timeout_s(request: Request, most_s: float = 0.0, offset_s: float = 0.5) -> float:
    """How long an answer may take: `most_s` (0: no matter), and a little less than the scrape.

    Raises ConfigError where the scraper's header is no number.
    """
    header = request.headers.get("X-Prometheus-Scrape-Timeout-Seconds", "")
    allowed = _DEFAULT_TIMEOUT_S
    if header:
        try:
            given = float(header)
        except ValueError:
            given = math.nan
        if not math.isfinite(given):
            raise ConfigError(f"the header for the scrape's timeout says {header!r}")
        if given > 0:
            allowed = given - offset_s if given > offset_s else given
    return min(most_s, allowed) if most_s > 0 else allowed


def reload_route(reload: Callable[[], None]) -> Route:
    """`POST /-/reload`."""

    def route(request: Request) -> Answer:
        if request.method not in ("POST", "PUT"):
            return Answer(405, b"This endpoint requires a POST request.\n", allow="POST, PUT")
        try:
            reload()
        except PromlabError as error:
            return Answer(500, f"failed to reload config: {error}\n".encode())
        return Answer(200, b"")

    return route
