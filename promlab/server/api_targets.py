"""/api/v1/targets, /targets/metadata, /metadata, /scrape_pools: what is scraped.

The process that scrapes knows; these ask it, and shape its answer.
"""

from __future__ import annotations

from typing import Any

from promlab.model.matchers import Matcher
from promlab.server.context import Context
from promlab.server.envelope import success
from promlab.server.params import number_param
from promlab.server.promql import parse_matchers
from promlab.web.http import Request, Response


async def targets(context: Context, request: Request) -> Response:
    """Targets, active and dropped."""
    state = (await request.param("state")).lower()
    pool = await request.param("scrapePool")
    found = await context.writer.ask("targets")
    active, dropped = found["active"], found["dropped"]
    if pool:
        active = [target for target in active if target["scrapePool"] == pool]
        dropped = [target for target in dropped if target["scrapePool"] == pool]
    counts = found["dropped_counts"] if state in ("", "any", "dropped") else {}
    return success(
        {
            "activeTargets": active if state in ("", "any", "active") else [],
            "droppedTargets": dropped if state in ("", "any", "dropped") else [],
            "droppedTargetCounts": counts,
        }
    )


async def scrape_pools(context: Context, _request: Request) -> Response:
    """Names of scrape pools."""
    return success({"scrapePools": sorted(await context.writer.ask("scrape_pools"))})


async def metadata(context: Context, request: Request) -> Response:
    """Type, help and unit of metric families, over all targets."""
    limit = await number_param(request, "limit")
    limit_per_metric = await number_param(request, "limit_per_metric")
    wanted = await request.param("metric")
    families: dict[str, list[dict[str, str]]] = {}
    if limit == 0:
        return success({})
    for target in await context.writer.ask("metadata", wanted):
        for metric, kind, help_text, unit in target["metrics"]:
            if metric not in families and 0 < limit <= len(families):
                continue
            known = families.setdefault(metric, [])
            entry = {"type": kind, "unit": unit, "help": help_text}
            if entry not in known and not 0 < limit_per_metric <= len(known):
                known.append(entry)
    return success(families)


async def target_metadata(context: Context, request: Request) -> Response:
    """Type, help and unit of metric families, target by target."""
    limit = await number_param(request, "limit")
    wanted = await request.param("metric")
    selector = await request.param("match_target")
    matchers = parse_matchers(selector, "match_target") if selector else []
    found: list[dict[str, Any]] = []
    for target in await context.writer.ask("metadata", wanted):
        if not _passes(target["labels"], matchers):
            continue
        for metric, kind, help_text, unit in target["metrics"]:
            if 0 <= limit <= len(found):
                return success(found)
            entry = {"target": target["labels"], "type": kind, "help": help_text, "unit": unit}
            found.append(entry if wanted else {**entry, "metric": metric})
    return success(found)


def _passes(labels: dict[str, str], matchers: list[Matcher]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
