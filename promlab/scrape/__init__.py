"""Scraping: pools of targets, their loops, and the way of a sample from a body to storage.

`manager.ScrapeManager` is the whole of it from outside. Inside, from the network to storage:
`session` and `fetch` get a body, promlab.exposition reads it, `plan` says where each sample
goes, `ingest` puts it there. Storage is only seen as `promlab.model.storage.Appender`.
"""

from __future__ import annotations

from promlab.scrape.manager import ScrapeManager
from promlab.scrape.metrics import ScrapeStats
from promlab.scrape.status import DroppedTarget, TargetMetadata, TargetStatus

__all__ = ["DroppedTarget", "ScrapeManager", "ScrapeStats", "TargetMetadata", "TargetStatus"]
