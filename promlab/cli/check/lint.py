"""What `--lint` looks for in rules and configurations, and how checks end.

Exit codes are promtool's: 0 for valid, 1 for not valid, 3 for lint with `--lint-fatal`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from promlab.config.rules import RuleGroupConfig

VALID, NOT_VALID, LINT = 0, 1, 3
ALL, NONE = "all", "none"
DUPLICATE_RULES, LONG_INTERVAL = "duplicate-rules", "too-long-scrape-interval"


def add_lint_flags(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """`--lint`, `--lint-fatal` and `--ignore-unknown-fields`."""
    known = ", ".join((ALL, *names, NONE))
    parser.add_argument("--lint", default=DUPLICATE_RULES, help=f"what to look for: {known}")
    parser.add_argument("--lint-fatal", action="store_true", help="end with exit code 3 for lint")
    parser.add_argument(
        "--ignore-unknown-fields",
        action="store_true",
        help="let fields pass in rule groups that a server would refuse",
    )


def chosen(text: str, known: Sequence[str]) -> frozenset[str]:
    """Names of the checks that `--lint=TEXT` asks for; a name that is not known is warned of."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in (ALL, NONE, *known):
            print(f'WARNING: unknown lint option: "{name}"', file=sys.stderr)
    if NONE in names:
        return frozenset()
    return frozenset(known) if ALL in names else frozenset(names) & frozenset(known)


def duplicates(groups: Iterable[RuleGroupConfig]) -> list[str]:
    """Rules of one name with the same labels, described."""
    seen = Counter(
        (rule.name, tuple(sorted(rule.labels.items()))) for group in groups for rule in group.rules
    )
    twice = [(rule, count) for rule, count in sorted(seen.items()) if count > 1]
    if not twice:
        return []
    lines = [f"{len(twice)} duplicate rule(s) found."]
    for (name, labels), _ in twice:
        lines.append(f"Metric: {name}")
        if labels:
            lines.append("Label(s):")
            lines += [f"\t{label}: {value}" for label, value in labels]
    lines.append("Might cause inconsistency while recording expressions")
    return ["\n".join(lines)]
