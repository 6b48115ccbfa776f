"""`promlab query analyze`: how many buckets of classic histograms are ever filled."""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

import msgspec

from promlab.cli.query.output import add_query_flags, ask, metric_text, now, seconds
from promlab.errors import ClientError
from promlab.model.durations import parse_duration_ms

_HEAD = """\
Bucket stats for each histogram series over time
------------------------------------------------
First the min, avg, and max number of populated buckets, followed by the total
number of buckets (only if different from the max number of populated buckets
which is typical for classic but not native histograms).
"""
_Buckets = dict[float, dict[float, float]]  # by time, counts up to each bound


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--server", required=True, help="address of the server")
    parser.add_argument("--type", required=True, choices=("histogram",), help="type of metric")
    parser.add_argument(
        "--match", action="append", required=True, help="selector of histograms; repeatable"
    )
    parser.add_argument("--duration", default="1h", help="how far to look back (1h)")
    parser.add_argument("--time", type=seconds, help="until when; default: now")
    add_query_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for all buckets, count, and print a line a series."""
    try:
        parse_duration_ms(args.duration)
    except ValueError as error:
        raise ClientError(f"--duration: {error}") from None
    print(_HEAD)
    at = now() if args.time is None else args.time
    for match in args.match:
        query = f"{_bucket_selector(match)}[{args.duration}]"
        answer = msgspec.json.decode(ask(args, "/api/v1/query", {"query": query, "time": at}))
        for name, buckets in sorted(_histograms(answer["result"]).items()):
            print(_line(name, buckets))
    return 0


def _bucket_selector(match: str) -> str:
    """A classic histogram is asked for by its own name, and kept in series `_bucket`."""
    name, brace, rest = match.partition("{")
    name = name.strip()
    return match if name.endswith("_bucket") or not name else f"{name}_bucket{brace}{rest}"


def _histograms(result: list[dict[str, Any]]) -> dict[str, _Buckets]:
    found: dict[str, _Buckets] = defaultdict(lambda: defaultdict(dict))
    for series in result:
        labels = dict(series["metric"])
        bound = labels.pop("le", None)
        if bound is None:
            continue
        labels["__name__"] = labels.get("__name__", "").removesuffix("_bucket")
        for t, value in series.get("values", ()):
            found[metric_text(labels)][t][float(bound)] = float(value)
    return found


def _line(name: str, buckets: _Buckets) -> str:
    populated, most = [], 0
    for counts in buckets.values():
        ordered = [count for _, count in sorted(counts.items())]
        steps = (high - low for low, high in zip([0.0, *ordered], ordered, strict=False))
        populated.append(sum(step > 0 for step in steps))
        most = max(most, len(ordered))
    mean = sum(populated) / len(populated)
    total = "" if most == max(populated) else f" -> {most}"
    return f"{name}: {min(populated)}/{mean:.3f}/{max(populated)}{total}"
