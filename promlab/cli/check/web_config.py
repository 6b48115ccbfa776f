"""`promlab check web-config`: the files that --web.config.file takes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from promlab.cli.check import lint
from promlab.config.web import load_web
from promlab.errors import PromlabError
from promlab.web.tls import server_context


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("files", nargs="+", metavar="WEB-CONFIG-FILE", help="files to check")


def run(args: argparse.Namespace) -> int:
    """Check each file, its certificates too; 1 if any is not valid."""
    return max([_check(path) for path in args.files], default=lint.VALID)


def _check(path: str) -> int:
    try:
        config = load_web(path)
        if config.tls_server_config is not None:
            server_context(config.tls_server_config, str(Path(path)))
    except PromlabError as error:
        print(f"{path} FAILED: {error}", file=sys.stderr)
        return lint.NOT_VALID
    print(f"{path} SUCCESS", file=sys.stderr)
    return lint.VALID
