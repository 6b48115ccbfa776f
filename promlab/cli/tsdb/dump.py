"""`promlab tsdb dump`: samples, a line each, staleness markers as NaN."""

from __future__ import annotations

import argparse
import sys

from promlab.cli.tsdb.shared import add_dump_flags, batches
from promlab.stored.openmetrics import dump


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    add_dump_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print."""
    for batch in batches(args):
        dump(batch, sys.stdout, openmetrics=False)
    return 0
