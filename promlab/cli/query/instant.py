"""`promlab query instant`: the value of an expression at one time."""

from __future__ import annotations

import argparse

from promlab.cli.query.output import add_query_flags, ask, now, print_result, seconds


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("server", help="address of the server")
    parser.add_argument("expr", help="PromQL expression")
    parser.add_argument("--time", type=seconds, help="RFC 3339 or Unix time; default: now")
    add_query_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    at = now() if args.time is None else args.time
    print_result(ask(args, "/api/v1/query", {"query": args.expr, "time": at}), args.format)
    return 0
