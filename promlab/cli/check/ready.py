"""`promlab check ready`: exit code 0 if a server says that it is ready."""

from __future__ import annotations

import argparse

from promlab.cli.check import healthy

configure = healthy.configure


def run(args: argparse.Namespace) -> int:
    """Ask the server. Raises NotRunning, ClientError."""
    return healthy.ask(args, "/-/ready")
