"""`promlab debug metrics`: the metrics of a server in an archive."""

from __future__ import annotations

import argparse

from promlab.cli.debug import archive

configure = archive.configure


def run(args: argparse.Namespace) -> int:
    """Fetch them."""
    return archive.collect(args, archive.METRICS)
