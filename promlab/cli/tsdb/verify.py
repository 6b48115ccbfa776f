"""`promlab tsdb verify`: every page of every block is read and checked."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from promlab.cli.tsdb.shared import add_path, open_data, progress
from promlab.errors import StorageError
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.catalog import block_names


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    add_path(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is wrong; 1 if anything is."""
    directory = Path(args.path)
    if not directory.is_dir():
        open_data(args.path)
    names, wrong = block_names(directory), 0
    show = progress("checking")
    for done, name in enumerate(names):
        try:
            Block(directory / name).verify()
        except StorageError as error:
            wrong += 1
            print(f"{name}: {error}", file=sys.stderr)
        show((done + 1) / len(names))
    print(f"{len(names)} blocks, {wrong} of them damaged")
    return 1 if wrong else 0
