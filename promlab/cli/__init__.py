"""The `promlab` command: one module a subcommand.

A subcommand's module has `HELP` (one line), `configure(parser)` and `run(args) -> exit code`.
It is imported only when it is called for, so that `promlab --help` stays quick. Errors of
promlab's own tree end a command with one line on stderr and exit code 1; never a traceback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from promlab import __version__
from promlab.errors import ConfigError, PromlabError

COMMANDS = {
    "serve": "run the server, headless: what `prometheus` is",
    "lab": "open JupyterLab beside a server that watches this machine",
    "exporter": "export metrics of this machine",
    "warmup": "compile the kernels now, so that nothing waits for them later",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code (2 for a bad configuration)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="promlab", description="Prometheus, whole, in Python.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"promlab, version {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=summary, allow_abbrev=False, prog=f"promlab {name}"
        )
        if name in arguments[:1]:
            module = import_module(f"promlab.cli.{name}")
            module.configure(command)
            command.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args) or 0)
    except ConfigError as error:
        print(f"promlab: error: {error}", file=sys.stderr)
        return 2
    except PromlabError as error:
        print(f"promlab: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
