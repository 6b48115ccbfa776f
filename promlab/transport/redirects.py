"""Redirects: where to, how often, and whether credentials may follow."""

from __future__ import annotations

from yarl import URL

from promlab.errors import ScrapeError

MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
KEEPING = (307, 308)  # those that keep the method and the body


def trusted(start: URL, here: URL) -> bool:
    """Whether credentials may follow a redirect: to the same host, and not out of TLS."""
    return here.host == start.host and not (start.scheme == "https" and here.scheme == "http")


def joined(here: URL, location: str, url: str) -> URL:
    """Where a Location header leads. Raises ScrapeError if that is nowhere to go."""
    try:
        there = here.join(URL(location, encoded=True))
    except ValueError:
        raise ScrapeError(f'Get "{url}": failed to parse Location header') from None
    if there.scheme not in ("http", "https") or not there.host:
        raise ScrapeError(f'Get "{url}": unsupported protocol scheme "{there.scheme[:20]}"')
    return there
