"""`promlab check rules`: rule files, or one on standard input, held against all rules for rules."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from promlab.cli.check import lint
from promlab.config.document import read_text
from promlab.config.rules import Checks, RuleGroupConfig, examine_rule_text
from promlab.errors import ConfigError

STANDARD_INPUT = "standard input"
LINTS = (lint.DUPLICATE_RULES,)


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument(
        "files", nargs="*", metavar="RULE-FILE", help="files to check; default: standard input"
    )
    lint.add_lint_flags(parser, LINTS)


def run(args: argparse.Namespace) -> int:
    """Check each file; the exit code is the worst that was found."""
    wanted = lint.chosen(args.lint, LINTS)
    missing = [path for path in args.files if not Path(path).is_file()]
    if missing:
        raise ConfigError("there is no such file", path=missing[0])
    sources: list[tuple[str, str | None]] = [(path, None) for path in args.files]
    codes = [
        check_file(path, text, wanted, args.lint_fatal, args.ignore_unknown_fields)
        for path, text in sources or [(STANDARD_INPUT, sys.stdin.read())]
    ]
    return max(codes, key=(lint.VALID, lint.LINT, lint.NOT_VALID).index)


def check_file(
    path: str, text: str | None, wanted: frozenset[str], fatal: bool, ignore_unknown: bool
) -> int:
    """Check one file (or a text that stands for it), say what was found; returns an exit code."""
    from promlab.promql import parse
    from promlab.templating.prometheus import check

    print(f"Checking {path}")
    checks = Checks(parse, check, ignore_unknown=ignore_unknown)
    try:
        groups, problems = examine_rule_text(
            read_text(path) if text is None else text, path, checks
        )
    except ConfigError as error:
        groups, problems = (), [error]
    if problems:
        print("  FAILED:", file=sys.stderr)
        for problem in problems:
            print(problem, file=sys.stderr)
        return lint.NOT_VALID
    code = _lint(groups, wanted, fatal)
    print()
    return code


def _lint(groups: Sequence[RuleGroupConfig], wanted: frozenset[str], fatal: bool) -> int:
    found = lint.duplicates(groups) if lint.DUPLICATE_RULES in wanted else []
    if not found:
        print(f"  SUCCESS: {sum(len(group.rules) for group in groups)} rules found")
        return lint.VALID
    print("  FAILED:", file=sys.stderr)
    for text in found:
        print(f"lint error {text}", file=sys.stderr)
    return lint.LINT if fatal else lint.VALID
