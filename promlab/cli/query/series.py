"""`promlab query series`: label sets of the series that match selectors."""

from __future__ import annotations

import argparse

import msgspec

from promlab.cli.query.output import add_query_flags, ask, now, seconds
from promlab.model.quoting import go_quote

_YEAR_S = 365 * 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("server", help="address of the server")
    add_range_flags(parser, required=True)
    add_query_flags(parser)


def add_range_flags(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`--match`, `--start` and `--end`."""
    parser.add_argument(
        "--match", action="append", default=[], required=required, help="selector; repeatable"
    )
    parser.add_argument("--start", type=seconds, help="RFC 3339 or Unix time; default: a year ago")
    parser.add_argument("--end", type=seconds, help="RFC 3339 or Unix time; default: in a year")


def range_params(args: argparse.Namespace) -> dict[str, object]:
    """The parameters that those flags stand for."""
    return {
        "match[]": args.match,
        "start": now() - _YEAR_S if args.start is None else args.start,
        "end": now() + _YEAR_S if args.end is None else args.end,
    }


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    data = ask(args, "/api/v1/series", range_params(args))
    if args.format == "json":
        print(data.decode())
        return 0
    for labels in msgspec.json.decode(data):
        inside = ", ".join(f"{name}={go_quote(value)}" for name, value in sorted(labels.items()))
        print(f"{{{inside}}}")
    return 0
