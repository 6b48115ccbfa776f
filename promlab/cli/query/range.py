"""`promlab query range`: the values of an expression over a range of time."""

from __future__ import annotations

import argparse

from promlab.cli.query.output import add_query_flags, ask, now, print_result, seconds
from promlab.model.durations import parse_duration_ms

_LENGTH_S = 300.0
_STEPS = 250  # that the default step is made for, at least a second


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("server", help="address of the server")
    parser.add_argument("expr", help="PromQL expression")
    parser.add_argument("--start", type=seconds, help="default: five minutes before the end")
    parser.add_argument("--end", type=seconds, help="RFC 3339 or Unix time; default: now")
    parser.add_argument("--step", type=_step, help="duration; default: one that suits the range")
    add_query_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    end = now() if args.end is None else args.end
    start = end - _LENGTH_S if args.start is None else args.start
    step = args.step or max(1, int((end - start) / _STEPS))
    params = {"query": args.expr, "start": start, "end": end, "step": step}
    print_result(ask(args, "/api/v1/query_range", params), args.format)
    return 0


def _step(text: str) -> float:
    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
