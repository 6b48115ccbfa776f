"""`promlab tsdb list`: the blocks of a data directory."""

from __future__ import annotations

import argparse

from promlab.cli.tsdb.shared import add_path, block_row, open_data, print_table


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument(
        "-r", "--human-readable", action="store_true", help="print dates and sizes for people"
    )
    add_path(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    with open_data(args.path) as reader:
        metas = [block.meta for block in reader.blocks.refresh()]
    print_table([block_row(meta, human=args.human_readable) for meta in metas])
    return 0
