"""`promlab check healthy`: exit code 0 if a server says that it is healthy."""

from __future__ import annotations

import argparse
import sys

from promlab.cli.http import DEFAULT_URL, add_client_flags, client, send
from promlab.errors import ClientError


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--url", default=DEFAULT_URL, help=f"address of the server ({DEFAULT_URL})")
    add_client_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the server. Raises NotRunning, ClientError."""
    return ask(args, "/-/healthy")


def ask(args: argparse.Namespace, path: str) -> int:
    """Ask for a page that answers 200 if all is well."""
    with client(args.http_config) as http:
        answer = send(http, "GET", args.url.rstrip("/") + path)
    if answer.status_code != 200:
        raise ClientError(f"{answer.url} answers {answer.status_code}: {answer.text.strip()[:200]}")
    print(f"  SUCCESS:  {answer.text.strip()}", file=sys.stderr)
    return 0
