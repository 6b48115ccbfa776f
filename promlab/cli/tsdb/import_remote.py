"""Importing from another server by remote read: a stretch of time after the other.

Both forms of answers are read. A stretch whose answer is too large is halved.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from promlab import __version__
from promlab.cli.flags import labels_of
from promlab.cli.http import client, send
from promlab.cli.query.output import printable
from promlab.cli.tsdb.shared import progress
from promlab.errors import ClientError, StorageError
from promlab.model.matchers import Matcher
from promlab.model.storage import NO_HINTS
from promlab.remote.read import SAMPLES, STREAMED
from promlab.remote.read_answers import (
    REQUEST_HEADERS,
    BadReadAnswer,
    Found,
    OtherChunks,
    read_request,
)
from promlab.remote.read_stream import answer_of
from promlab.stored.selectors import matchers_of
from promlab.tsdb.blocks.importing import BLOCK_MS, BlockImporter

if TYPE_CHECKING:
    import httpx

_HEADERS = [
    *REQUEST_HEADERS.items(),
    ("User-Agent", f"promlab/{__version__}"),
]
_DEFAULT_MS = 15 * 86_400_000  # imported if no range is given: what a Prometheus keeps
_LEAST_MS = 60_000  # a stretch is not made shorter
_TIMEOUT_S = 300.0


class _TooMuch(ClientError):
    """The server has more samples in a stretch than it may answer with."""


def is_remote(source: str) -> bool:
    """Whether the source of an import is a server."""
    return source.startswith(("http://", "https://"))


def import_remote(args: argparse.Namespace, importer: BlockImporter) -> str:
    """Ask for all samples in a range; what had to be left out, "" if nothing.

    Raises ClientError, NotRunning, StorageError.
    """
    now_ms = int(time.time() * 1000)
    end_ms = now_ms + 1 if args.max_time is None else args.max_time + 1
    start_ms = end_ms - _DEFAULT_MS if args.min_time is None else args.min_time
    if start_ms >= end_ms:
        raise StorageError("nothing to import: --min-time is after --max-time")
    selectors = [matchers_of(text) for text in args.match or ['{__name__!=""}']]
    more, show = labels_of(args.label), progress("importing")
    lacks = ""
    with client(args.http_config, _HEADERS, _TIMEOUT_S) as http:
        reader = _Reader(http, args.source)
        at = start_ms
        while at < end_ms:
            stop = min(end_ms, (at // BLOCK_MS + 1) * BLOCK_MS)
            for matchers in selectors:
                for found in reader.all(matchers, at, stop):
                    lacks = lacks or _add(importer, found, more)
            at = stop
            show((at - start_ms) / (end_ms - start_ms))
    return lacks


def _add(importer: BlockImporter, found: Found, more: dict[str, str]) -> str:
    labels = found.labels
    for name, text in more.items():
        codes = np.full(labels.n, labels.symbols.code(text), np.uint32)
        labels = labels.replace(name, codes)
    importer.add(labels.take(found.series), found.t_ms, found.values, found.histograms)
    return found.lacks


class _Reader:
    """One endpoint."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http, self._url = http, url

    def all(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Found]:
        """Samples with start_ms <= t < end_ms, in as many answers as it takes."""
        try:
            return [self._asked(matchers, start_ms, end_ms - 1, (STREAMED, SAMPLES))]
        except OtherChunks:
            return [self._asked(matchers, start_ms, end_ms - 1, (SAMPLES,))]
        except _TooMuch:
            if end_ms - start_ms <= _LEAST_MS:
                raise
        half = (start_ms + end_ms) // 2
        return [*self.all(matchers, start_ms, half), *self.all(matchers, half, end_ms)]

    def _asked(
        self, matchers: Sequence[Matcher], start_ms: int, last_ms: int, forms: Sequence[int]
    ) -> Found:
        body = read_request(matchers, start_ms, last_ms, NO_HINTS, forms)
        answer = send(self._http, "POST", self._url, content=body)
        if answer.status_code != 200:
            text = printable(answer.text.strip()[:300])
            kind = _TooMuch if "sample limit" in text else ClientError
            raise kind(f"{self._url} answered {answer.status_code}: {text or answer.reason_phrase}")
        kind = answer.headers.get("Content-Type", "")
        try:
            found = answer_of(kind, answer.content)
        except BadReadAnswer as error:
            raise ClientError(f"{self._url}: {error}") from None
        if found is not None:
            return found
        raise ClientError(
            f"{self._url} does not answer remote read, but with {printable(kind[:80])!r}: "
            "a Prometheus has it at /api/v1/read"
        )
