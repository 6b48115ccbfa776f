"""`promlab check metrics`: metrics on standard input, held against the customs for metrics."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from promlab.cli.check import lint
from promlab.cli.check.metric_lint import families_of, problems_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument(
        "--extended",
        action="store_true",
        help="print how many series each metric has, too, where no problem is found",
    )
    parser.add_argument("--lint", choices=("all", "none"), default="all", help="what to look for")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 for none, 3 for any problem. Raises ExpositionError if the text is not valid."""
    from promlab.exposition.body_parser import BodyParser
    from promlab.model.labels import Symbols

    families = families_of(BodyParser(Symbols()).parse(sys.stdin.buffer.read()))
    problems = problems_of(families) if args.lint == "all" else []
    for problem in problems:
        print(problem, file=sys.stderr)
    if args.extended and not problems:
        _print_cardinalities(Counter({family.name: family.series for family in families}))
    return lint.LINT if problems else lint.VALID


def _print_cardinalities(series: Counter[str]) -> None:
    total = series.total() or 1
    width = max([len("Metric"), *map(len, series)]) + 4
    print(f"{'Metric':{width}}{'Cardinality':15}{'Percentage':14}")
    for name, count in series.most_common():
        print(f"{name:{width}}{count:<15}{100 * count / total:.2f}%")
    print(f"{'Total':{width}}{series.total():<15}100%")
