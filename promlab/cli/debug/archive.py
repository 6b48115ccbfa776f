"""An archive of what a server says about itself, for somebody who helps.

Nothing secret goes in that the server would not show anybody: configurations come redacted.
"""

from __future__ import annotations

import argparse
import io
import tarfile
from collections.abc import Mapping

from promlab.cli.http import add_client_flags, client, send
from promlab.errors import ClientError

METRICS = {"metrics.txt": "/metrics"}
ALL = {
    **METRICS,
    "buildinfo.json": "/api/v1/status/buildinfo",
    "config.json": "/api/v1/status/config",
    "flags.json": "/api/v1/status/flags",
    "rules.json": "/api/v1/rules",
    "runtimeinfo.json": "/api/v1/status/runtimeinfo",
    "targets.json": "/api/v1/targets",
    "tsdb.json": "/api/v1/status/tsdb",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the commands."""
    parser.add_argument("server", help="address of the server")
    parser.add_argument(
        "--output", default="debug.tar.gz", metavar="PATH", help="the archive (debug.tar.gz)"
    )
    add_client_flags(parser)


def collect(args: argparse.Namespace, pages: Mapping[str, str]) -> int:
    """Fetch all pages into one archive. Raises NotRunning, ClientError; then none is written."""
    found: dict[str, bytes] = {}
    with client(args.http_config) as http:
        for name, path in pages.items():
            url = args.server.rstrip("/") + path
            print(f"collecting: {url}")
            answer = send(http, "GET", url)
            if answer.status_code != 200:
                raise ClientError(f"{url} answers {answer.status_code}: no archive is written")
            found[name] = answer.content
    with tarfile.open(args.output, "w:gz") as archive:
        for name, content in found.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    print(f'Compiling debug information complete, all files written in "{args.output}".')
    return 0
