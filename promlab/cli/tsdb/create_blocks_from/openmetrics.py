"""`promlab tsdb create-blocks-from openmetrics`: as promtool has it."""

from __future__ import annotations

import argparse
from pathlib import Path

from promlab.cli.flags import labels_of
from promlab.cli.tsdb.shared import block_row, print_table, progress
from promlab.stored.openmetrics import import_openmetrics
from promlab.tsdb.blocks.importing import BlockImporter


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("-r", "--human-readable", action="store_true", help="values for people")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print created blocks")
    parser.add_argument(
        "--label", action="append", default=[], help="NAME=VALUE for all samples; repeatable"
    )
    parser.add_argument("input", help="file to read")
    parser.add_argument("output", nargs="?", default="data/", help="data directory (data/)")


def run(args: argparse.Namespace) -> int:
    """Read, write, print the blocks."""
    more = labels_of(args.label)
    importer = BlockImporter(Path(args.output))
    show = progress("reading")
    import_openmetrics(Path(args.input), importer, more, show)
    metas = importer.finish()
    show(1.0)
    if not args.quiet and metas:
        print_table([block_row(meta, human=args.human_readable) for meta in metas])
    return 0
