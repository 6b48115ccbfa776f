"""`promlab push metrics`: metrics in the text format, to whoever takes remote write 1.0.

One request a file. Samples without a time are of now.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from promlab import __version__
from promlab.cli.flags import labels_of
from promlab.cli.http import add_client_flags, client, header_of, send
from promlab.cli.query.output import printable
from promlab.errors import ClientError, ExpositionError, PromlabError

if TYPE_CHECKING:
    import httpx

_DEFAULT_LABELS = ("job=promtool",)
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": f"promlab/{__version__}",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("url", help="where to push to: http://host:9090/api/v1/write")
    parser.add_argument("files", nargs="*", help="files of metrics; standard input without one")
    parser.add_argument(
        "--label",
        action="append",
        metavar="NAME=VALUE",
        help="label of all samples; repeatable (job=promtool)",
    )
    parser.add_argument("--timeout", default="30s", help="how long a push may take (30s)")
    parser.add_argument(
        "--header", action="append", type=header_of, default=[], help="NAME=VALUE; repeatable"
    )
    add_client_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 if anything could not be pushed; the other files still are."""
    from promlab.model.durations import parse_duration_ms

    more = labels_of(args.label or _DEFAULT_LABELS)
    try:
        timeout_s = parse_duration_ms(args.timeout) / 1000
    except ValueError as error:
        raise ClientError(f"--timeout: {error}") from None
    headers = [*_HEADERS.items(), *args.header]
    with client(args.http_config, headers, timeout_s) as http:
        done = [_push(http, args.url, path, more) for path in args.files or [""]]
    return 0 if all(done) else 1


def _push(http: httpx.Client, url: str, path: str, more: Mapping[str, str]) -> bool:
    print(f"Parsing metrics file {path}" if path else "Parsing standard input", flush=True)
    try:
        body = _message(_read(path), more, int(time.time() * 1000))
        _send(http, url, body)
    except PromlabError as error:
        print(f"  FAILED: {printable(str(error))}", file=sys.stderr, flush=True)
        return False
    what = f"metrics file {path}" if path else "metrics"
    print(f"  SUCCESS: {what} pushed to remote write.", flush=True)
    return True


def _read(path: str) -> bytes:
    try:
        if not path:
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ExpositionError(f"{path} can't be read: {error.strerror}") from None


def _message(text: bytes, more: Mapping[str, str], now_ms: int) -> bytes:
    """A WriteRequest, packed. Raises ExpositionError if the text is not valid."""
    import cramjam
    import numpy as np

    from promlab.exposition.body_parser import NO_TIME, BodyParser
    from promlab.model.labels import Symbols
    from promlab.remote.encode import SeriesSamples, write_request

    symbols = Symbols()
    body = BodyParser(symbols).parse(text)
    labels, n = body.layout.labels, body.layout.n
    for name, value in more.items():
        labels = labels.replace(name, np.full(n, symbols.code(value), np.uint32))
    now = np.full(n, now_ms, np.int64)
    t_ms = now if body.t_ms is None else np.where(body.t_ms == NO_TIME, now, body.t_ms)
    message = write_request(SeriesSamples(labels, np.arange(n + 1), t_ms, body.values))
    return bytes(cramjam.snappy.compress_raw(message))


def _send(http: httpx.Client, url: str, body: bytes) -> None:
    answer = send(http, "POST", url, content=body)
    if not answer.is_success:
        said = answer.text.strip()[:1000]
        status = f"{answer.status_code} {answer.reason_phrase}".strip()
        raise ClientError(f"server returned HTTP status {status}{': ' if said else ''}{said}")
