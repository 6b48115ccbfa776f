"""/api/v1/targets, /targets/metadata, /metadata, /scrape_pools: what is scraped.

The process that scrapes knows; these ask it, and shape its answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.server.context import Context
from promlab.server.envelope import ApiError, bad_parameter, success
from promlab.server.params import number_param
from promlab.server.promql import parse_matchers
from promlab.web.http import Request, Response

if TYPE_CHECKING:
    from promlab.config.config import Config
    from promlab.config.scrape import ScrapeConfig


async def targets(context: Context, request: Request) -> Response:
    """Targets, active and dropped."""
    state = (await request.param("state")).lower()
    pool = await request.param("scrapePool")
    found = await context.writer.ask("targets")
    active, dropped = found["active"], found["dropped"]
    if pool:
        active = [target for target in active if target["scrapePool"] == pool]
        dropped = [target for target in dropped if target["scrapePool"] == pool]
    counts = found["dropped_counts"] if state in ("", "any", "dropped") else None
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


def _job(config: Config, name: str) -> ScrapeConfig:
    for job in config.jobs:
        if job.job_name == name:
            return job
    raise ApiError("not_found", f'scrape pool "{name}" not found')


async def scrape_pool_config(context: Context, request: Request) -> Response:
    """The configuration of one scrape pool; secrets are not shown."""
    import yaml

    pool = await request.param("scrapePool")
    if not pool:
        raise ApiError("bad_data", "scrapePool parameter is required")
    job = _job(await context.config(), pool)
    return success({"yaml": yaml.safe_dump(job.plain(), sort_keys=False, allow_unicode=True)})


async def relabel_steps(context: Context, request: Request) -> Response:
    """What each relabelling rule of a pool makes of some labels."""
    from promlab.config.relabelling import relabel

    pool = await request.param("scrapePool")
    if not pool:
        raise ApiError("bad_data", "no scrapePool parameter provided")
    labels = _labels(await request.param("labels"))
    job = _job(await context.config(), pool)
    steps = []
    for rule in job.relabel_configs:
        table, _ = relabel(LabelTable.from_dicts([labels], Symbols()), [rule])
        labels = table.row(0) if table.n else {}
        shown = {"regex": rule.regex, **rule.plain()}
        steps.append({"rule": shown, "output": labels, "keep": table.n > 0})
        if not table.n:
            break
    return success({"steps": steps})


def _labels(text: str) -> dict[str, str]:
    if not text:
        raise ApiError("bad_data", "no labels parameter provided")
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise bad_parameter("labels", error) from None


async def metadata(context: Context, request: Request) -> Response:
    """Type, help and unit of metric families, over all targets."""
    form = await request.form()
    limit = number_param(form, "limit")
    limit_per_metric = number_param(form, "limit_per_metric")
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
    limit = number_param(await request.form(), "limit")
    wanted = await request.param("metric")
    selector = await request.param("match_target")
    matchers = parse_matchers(selector, "match_target") if selector else []
    found: list[dict[str, Any]] = []
    for target in await context.writer.ask("metadata", wanted):
        if 0 <= limit <= len(found):  # which ends no target in the middle
            break
        if not _passes(target["labels"], matchers):
            continue
        for metric, kind, help_text, unit in target["metrics"]:
            entry = {"target": target["labels"], "type": kind, "help": help_text, "unit": unit}
            found.append(entry if wanted else {**entry, "metric": metric})
    return success(found)


def _passes(labels: dict[str, str], matchers: list[Matcher]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
