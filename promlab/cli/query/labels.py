"""`promlab query labels`: the values of a label."""

from __future__ import annotations

import argparse
from urllib.parse import quote, urlencode

import msgspec

from promlab.cli.query.output import add_query_flags, ask, printable
from promlab.cli.query.series import add_range_flags, range_params


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("server", help="address of the server")
    parser.add_argument("name", help="name of the label")
    add_range_flags(parser, required=False)
    add_query_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    params = urlencode(range_params(args), doseq=True)
    data = ask(args, f"/api/v1/label/{quote(args.name, safe='')}/values?{params}", None)
    if args.format == "json":
        print(data.decode())
        return 0
    for value in msgspec.json.decode(data):
        print(printable(value))
    return 0
