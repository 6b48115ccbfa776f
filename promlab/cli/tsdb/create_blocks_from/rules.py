"""`promlab tsdb create-blocks-from rules`: recording rules evaluated over the past.

The expressions are evaluated by a server, as promtool does it; what they give becomes blocks.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.cli.http import add_client_flags, client, send
from promlab.cli.query.output import seconds
from promlab.cli.tsdb.shared import block_row, print_table, progress
from promlab.config.rules import load_rule_file
from promlab.errors import ServerError
from promlab.model.durations import parse_duration_ms
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.promql import parse
from promlab.templating.prometheus import check
from promlab.tsdb.blocks.importing import BlockImporter

if TYPE_CHECKING:
    import httpx

_RANGE_MS = 7_200_000
_BACK_S = 3 * 3600


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--url", default="http://localhost:9090", help="server that evaluates")
    parser.add_argument("--start", type=seconds, required=True, help="RFC 3339 or Unix time")
    parser.add_argument("--end", type=seconds, help="RFC 3339 or Unix time; 3 hours ago")
    parser.add_argument("--output-dir", default="data/", help="data directory (data/)")
    parser.add_argument("--eval-interval", default="60s", help="for groups that have none (60s)")
    add_client_flags(parser)
    parser.add_argument("rules", nargs="+", help="rule files")


def run(args: argparse.Namespace) -> int:
    """Evaluate, write, print the blocks."""
    end_s = args.end if args.end is not None else time.time() - _BACK_S
    if end_s < args.start:
        raise ServerError("the end time is before the start time")
    fallback_ms = parse_duration_ms(args.eval_interval)
    importer = BlockImporter(Path(args.output_dir))
    groups = [
        group
        for file in args.rules
        for group in load_rule_file(file, check_expr=parse, check_template=check)
    ]
    recording = [(group, rule) for group in groups for rule in group.rules if rule.record]
    show = progress("evaluating")
    with client(args.http_config) as http:
        for done, (group, rule) in enumerate(recording):
            step_ms = group.interval_ms or fallback_ms
            _backfill(
                http,
                args.url,
                importer,
                rule,
                step_ms,
                round(args.start * 1000),
                round(end_s * 1000),
            )
            show((done + 1) / len(recording))
    metas = importer.finish()
    if metas:
        print_table([block_row(meta) for meta in metas])
    else:
        print("no samples", file=sys.stderr)
    return 0


def _backfill(
    http: httpx.Client,
    url: str,
    importer: BlockImporter,
    rule: Any,
    step: int,
    start: int,
    end: int,
) -> None:
    at = -(-start // step) * step
    while at <= end:
        last = min(end, (at // _RANGE_MS + 1) * _RANGE_MS - 1)
        body = {"query": rule.expr, "start": at / 1000, "end": last / 1000, "step": step / 1000}
        asked = send(http, "POST", f"{url.rstrip('/')}/api/v1/query_range", data=body)
        try:
            answer = asked.json()
        except ValueError:
            answer = {"error": f"{url} answered {asked.status_code}, and not as a Prometheus does"}
        if answer.get("status") != "success":
            raise ServerError(f"rule {rule.record}: {answer.get('error', 'no answer')}")
        _add(importer, rule, answer["data"]["result"])
        at = -(-(last + 1) // step) * step


def _add(importer: BlockImporter, rule: Any, result: list[dict[str, Any]]) -> None:
    for series in result:
        points = series.get("values", [])
        if not points:
            continue
        labels = {**series["metric"], METRIC_NAME: rule.record, **dict(rule.labels)}
        labels = {name: value for name, value in labels.items() if value}
        one = LabelTable.from_dicts([labels], importer.symbols)
        t_ms = np.array([round(t * 1000) for t, _ in points], np.int64)
        values = np.array([float(value) for _, value in points])
        importer.add(one.take(np.zeros(len(points), np.int64)), t_ms, values)
