"""`promlab promql format`: an expression in its pretty form."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("query", help="the expression")


def run(args: argparse.Namespace) -> int:
    """Print it. Raises PromQLSyntaxError."""
    from promlab.promql import parse, pretty

    print(pretty(parse(args.query)))
    return 0
