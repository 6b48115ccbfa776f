"""/api/v1/write: receives remote write requests, version 1.

The request is decoded into columns here and handed to the process that stores samples;
success is answered after its commit. Samples that can't be stored are named in a 400, which
tells a sender not to send them again; the good ones of the same request are kept.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np

from promlab.remote.snappy import MAX_BYTES, BadSnappy, uncompress
from promlab.remote.write import BadWriteRequest, SeriesCache, WriteRequest, label_table
from promlab.server.context import Context
from promlab.web.http import Request, Response, text

log = logging.getLogger(__name__)

V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
_PROTOBUF = "application/x-protobuf"
_FUTURE_MS = 600_000


class WriteReceiver:
    """The receiver of one reader: what it knows about series that were written before."""

    def __init__(self) -> None:
        self._cache = SeriesCache()
        self._writer_id = ""

    async def __call__(self, context: Context, request: Request) -> Response:
        """Handle one request."""
        if not context.settings.enable_remote_write:
            return text(
                "remote write receiver needs to be enabled with "
                "--web.enable-remote-write-receiver\n",
                404,
            )
        refusal = _refusal(request)
        if refusal:
            return text(refusal + "\n", 415)
        try:
            body = uncompress(await request.body(MAX_BYTES))
            decoded = self._cache.decode(body)
            problem = await self._store(context, decoded)
        except (BadSnappy, BadWriteRequest) as error:
            return text(f"{error}\n", 400)
        if decoded.histograms:
            problem = problem or "native histograms are not stored"
        return text(problem + "\n", 400) if problem else Response(204, content_type="")

    async def _store(self, context: Context, request: WriteRequest) -> str:
        """Hand samples over; returns what is wrong with some, or ""."""
        limit_ms = time.time_ns() // 1_000_000 + _FUTURE_MS
        if len(request.t_ms) and int(request.t_ms.max()) > limit_ms:
            return "out of bounds: a timestamp is more than 10 minutes in the future"
        for _ in range(2):
            refs, usable = await self._refs(context, request)
            mine = usable[request.series_of]
            columns = {
                "refs": refs[request.series_of[mine]],
                "t_ms": request.t_ms[mine],
                "values": request.values[mine],
            }
            answer = await context.writer.ask("append", {"writer": self._writer_id}, columns)
            if answer.get("writer") == self._writer_id:
                context.metrics.received.inc(int(mine.sum()))
                context.metrics.refused.inc(len(mine) - int(mine.sum()))
                return _problem(answer)
            self._forget(answer["writer"])
        return "the storage was started again twice during this request"

    async def _refs(self, context: Context, request: WriteRequest) -> tuple[Any, Any]:
        """References of all series, asking for those of new ones; and which are usable."""
        refs, known = self._cache.find(request)
        new = np.flatnonzero(~known)
        if not len(new):
            return refs, known
        labels, valid = label_table(request, new)
        new, labels = new[valid], labels.take(np.flatnonzero(valid))
        if not len(new):
            return refs, known
        names = list(labels.columns)
        body = {"names": names, "texts": labels.symbols.texts(np.arange(len(labels.symbols)))}
        columns = {str(i): labels.columns[name] for i, name in enumerate(names)}
        answer, found = await context.writer.ask("refs", body, columns)
        if answer["writer"] != self._writer_id:
            self._forget(answer["writer"])
            if known.any():
                return await self._refs(context, request)
        refs[new], known[new] = found["refs"], True
        self._cache.keep(request, new, found["refs"])
        return refs, known

    def _forget(self, writer_id: str) -> None:
        """Another process stores samples now: its references are others."""
        self._cache.forget()
        self._writer_id = writer_id


def _problem(answer: dict[str, Any]) -> str:
    for key, words in (
        ("out_of_order", "out of order sample"),
        ("too_old", "too old sample"),
        ("duplicate", "duplicate sample for timestamp"),
    ):
        if answer[key]:
            return f"{words} ({answer[key]} in this request)"
    return ""


def _refusal(request: Request) -> str:
    """Why this content type or encoding is not taken, or ""."""
    kind = request.header("content-type") or _PROTOBUF
    media, *parameters = (part.strip() for part in kind.split(";"))
    if media.lower() != _PROTOBUF:
        return f"expected {_PROTOBUF} as the first (media) part, got {kind} content-type"
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals:
            return f"as per RFC 9110 expected parameters to be key-values, got {kind} content-type"
        if name.lower() == "proto" and value != V1:
            known = "not accepted" if value == V2 else "unknown"
            return f"{known} remote write protobuf message {value}, supported: {V1}"
    encoding = request.header("content-encoding") or "snappy"
    if encoding != "snappy":
        return (
            f"{encoding} encoding (compression) is not accepted by this server; "
            "only snappy is acceptable"
        )
    return ""
