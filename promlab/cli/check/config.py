"""`promlab check config`: configuration files, and everything that they name."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from promlab.cli.check import lint
from promlab.cli.check.named_files import check_named_files
from promlab.cli.check.rules import check_file
from promlab.config import Config, load
from promlab.config.config import matching_files
from promlab.config.support import check_agent
from promlab.errors import ConfigError

LINTS = (lint.DUPLICATE_RULES, lint.LONG_INTERVAL)
_LOOKBACK_MS = 300_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("files", nargs="+", metavar="CONFIG-FILE", help="files to check")
    parser.add_argument(
        "--syntax-only",
        action="store_true",
        help="look at the file itself, and not at the files that it names",
    )
    parser.add_argument(
        "--agent", action="store_true", help="check as a configuration for the agent mode"
    )
    lint.add_lint_flags(parser, LINTS)


def run(args: argparse.Namespace) -> int:
    """Check each file; the exit code is the worst that was found."""
    missing = [path for path in args.files if not Path(path).is_file()]
    if missing:
        raise ConfigError("there is no such file", path=missing[0])
    wanted = lint.chosen(args.lint, LINTS)
    codes = [_check(path, args, wanted) for path in args.files]
    return max(codes, key=(lint.VALID, lint.LINT, lint.NOT_VALID).index)


def _check(path: str, args: argparse.Namespace, wanted: frozenset[str]) -> int:
    print(f"Checking {path}")
    try:
        config = load(path, supported_only=False)
        if args.agent:
            check_agent(config, path)
        if not args.syntax_only:
            check_named_files(config, path)
        files = [] if args.syntax_only else _rule_files(config, path)
    except ConfigError as error:
        print(f"  FAILED: {error}\n", file=sys.stderr)
        return lint.NOT_VALID
    if files:
        print(f"  SUCCESS: {len(files)} rule files found")
    code = _long_intervals(config, wanted, args.lint_fatal)
    print(f" SUCCESS: {path} is valid prometheus config file syntax\n")
    codes = [
        check_file(file, None, wanted, args.lint_fatal, args.ignore_unknown_fields)
        for file in files
    ]
    return max([code, *codes], key=(lint.VALID, lint.LINT, lint.NOT_VALID).index)


def _rule_files(config: Config, path: str) -> list[str]:
    """All rule files. Raises ConfigError for a name, no pattern, that none has."""
    found: list[str] = []
    for pattern in config.rule_files:
        files = matching_files(pattern)
        if not files and "*" not in pattern:
            raise ConfigError(f'"{pattern}" does not point to an existing file', path=path)
        found += files
    return found


def _long_intervals(config: Config, wanted: frozenset[str], fatal: bool) -> int:
    """A series that is scraped less often than a query looks back has gaps."""
    if lint.LONG_INTERVAL not in wanted:
        return lint.VALID
    slow = [job for job in config.jobs if (job.scrape_interval_ms or 0) >= _LOOKBACK_MS]
    for job in slow:
        print(
            "  FAILED: too long scrape interval found, data point will be marked as stale - "
            f"job: {job.job_name}, interval: {(job.scrape_interval_ms or 0) // 1000}s",
            file=sys.stderr,
        )
    return lint.LINT if slow and fatal else lint.VALID
