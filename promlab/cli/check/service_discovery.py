"""`promlab check service-discovery`: what a job's discovery finds, before and after relabelling."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys

from promlab.cli.check import lint
from promlab.config import Config, ScrapeConfig, load
from promlab.errors import PromlabError
from promlab.model.durations import parse_duration_ms


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("config_file", metavar="CONFIG-FILE", help="the configuration")
    parser.add_argument("job", metavar="JOB", help="name of the job")
    parser.add_argument(
        "--timeout", default="30s", type=_seconds, help="how long to wait for discovery (30s)"
    )


def run(args: argparse.Namespace) -> int:
    """Print every target as JSON: `discoveredLabels`, `labels`, and `error` where it has one."""
    try:
        config = load(args.config_file, supported_only=False)
    except PromlabError as error:
        print(f"Cannot load config: {error}", file=sys.stderr)
        return lint.NOT_VALID
    job = _job(config, args.job)
    if job is None:
        names = "\n".join(f"\t{each.job_name}" for each in config.jobs)
        print(f"Job {args.job} not found. Select one of:\n{names}", file=sys.stderr)
        return lint.NOT_VALID
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    found = asyncio.run(_found(job, args.timeout))
    # To the byte what promtool prints, the missing end of the line included.
    text = json.dumps(found, indent=2, ensure_ascii=False)
    for char in "&<>":
        text = text.replace(char, f"\\u{ord(char):04x}")
    sys.stdout.write(text)
    return lint.VALID


def _job(config: Config, name: str) -> ScrapeConfig | None:
    return next((job for job in config.jobs if job.job_name == name), None)


async def _found(job: ScrapeConfig, timeout_s: float) -> list[dict[str, object]]:
    from promlab.discovery import Discovery, DiscoveryStats, TargetGroup
    from promlab.discovery.providers import Providers
    from promlab.scrape.target import described

    groups: list[TargetGroup] = []
    spoken = asyncio.Event()

    def update(found: object) -> None:
        groups[:] = list(found)  # type: ignore[call-overload]  # a sequence of groups
        spoken.set()

    stats = DiscoveryStats()
    providers = Providers(stats)
    discovery = Discovery(
        providers.of(job.discovery, job.job_name), update, stats, patience_s=timeout_s
    )
    discovery.start()
    try:
        await asyncio.wait_for(spoken.wait(), timeout_s + 1)
    except TimeoutError:
        print(f"no answer within {timeout_s:g} s", file=sys.stderr)
    finally:
        await discovery.stop()
        await providers.sweep()
    found: list[dict[str, object]] = []
    for target in described(groups, job):
        shown: dict[str, object] = {
            "discoveredLabels": target.discovered,
            "labels": target.labels,
        }
        found.append(shown | {"error": target.error} if target.error else shown)
    return found


def _seconds(text: str) -> float:
    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
