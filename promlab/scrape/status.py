"""What is told about targets: the facts behind /api/v1/targets and /api/v1/targets/metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from promlab.model.metadata import MetricMetadata
from promlab.scrape.loop import ScrapeLoop

_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """A target that is scraped. `health` is up, down or unknown; times are UTC ms, 0 if never."""

    discovered_labels: Mapping[str, str]
    labels: Mapping[str, str]
    scrape_pool: str
    scrape_url: str
    global_url: str  # the same, as other machines may reach it
    last_error: str
    last_scrape_ms: float
    last_scrape_duration_s: float
    health: str
    scrape_interval_ms: int
    scrape_timeout_ms: int


@dataclass(frozen=True, slots=True)
class DroppedTarget:
    """A target that relabelling has dropped."""

    discovered_labels: Mapping[str, str]
    scrape_pool: str


@dataclass(frozen=True, slots=True)
class TargetMetadata:
    """What a target said last about its metrics, by metric family."""

    labels: Mapping[str, str]
    scrape_pool: str
    metadata: Mapping[str, MetricMetadata]


def status_of(loop: ScrapeLoop, pool: str, hostname: str) -> TargetStatus:
    """The facts about a target now."""
    target = loop.target
    return TargetStatus(
        discovered_labels=target.discovered,
        labels=target.labels,
        scrape_pool=pool,
        scrape_url=target.url,
        global_url=_global_url(target.url, hostname),
        last_error=loop.last_error,
        last_scrape_ms=loop.last_scrape_ms,
        last_scrape_duration_s=loop.last_duration_s,
        health=loop.health,
        scrape_interval_ms=target.interval_ms,
        scrape_timeout_ms=target.timeout_ms,
    )


def _global_url(url: str, hostname: str) -> str:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        return url
    if host not in _LOCAL or not hostname:
        return url
    return parts._replace(netloc=f"{hostname}:{port}" if port else hostname).geturl()
