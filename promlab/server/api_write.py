"""/api/v1/write: receives remote write requests, version 1 and 2.

A request is decoded into columns here and handed to the process that stores samples; success is
answered after its commit. As in Prometheus, a version 1 request with a sample that is refused is
refused whole; of a version 2 request all good samples are kept, and counted in the answer's
headers. Both are answered with 400, which tells a sender not to send them again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from promlab.errors import NotReady
from promlab.model.float_text import format_float
from promlab.model.labels import LabelTable
from promlab.remote.snappy import MAX_BYTES, BadSnappy, declared_size, uncompress
from promlab.remote.write import BadWriteRequest, SeriesCache, WriteRequest, label_table
from promlab.server.context import Context
from promlab.server.label_text import label_set
from promlab.server.write_request import TOLD, Parts, parts_of
from promlab.web.http import Request, Response, text

log = logging.getLogger(__name__)

V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
_PROTOBUF = "application/x-protobuf"
_FUTURE_MS = 600_000
_TOO_FAR = "out of bounds: timestamp is too far in the future"
_AT_ONCE = 1 << 20  # bytes of a body that is decoded without a thread
_WORDS = {3: "out of order sample", 4: "too old sample", 5: "out of bounds"}
_HEADER = "X-Prometheus-Remote-Write-{}-Written"


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
        version, refusal = _negotiated(request, context.settings.accepted_write_messages)
        if refusal:
            return text(refusal + "\n", 415)
        written: dict[str, int] = {}
        try:
            packed = await request.body(MAX_BYTES)
            if declared_size(packed) > _AT_ONCE:
                decoded = await asyncio.to_thread(self._decode, packed, version)
            else:
                decoded = self._decode(packed, version)
            problems, written = await self._store(context, decoded)
        except (BadSnappy, BadWriteRequest) as error:
            problems = [str(error)]
        shown = "\n".join(problems if version == 2 else problems[:1])
        answer = text(shown + "\n", 400) if shown else Response(204, content_type="")
        if version == 2:
            answer.headers.extend(_written(written))
        return answer

    def _decode(self, packed: bytes, version: int) -> WriteRequest:
        return self._cache.decode(uncompress(packed), version)

    async def _store(
        self, context: Context, request: WriteRequest
    ) -> tuple[list[str], dict[str, int]]:
        """Hand everything over; what is wrong with it, and how much was written."""
        limit_ms = time.time_ns() // 1_000_000 + _FUTURE_MS
        for _ in range(2):
            refs, usable, writer_id = await self._refs(context, request)
            parts = parts_of(request, refs, usable, limit_ms)
            problems = _early_problems(request, parts, usable)
            atomic = request.version == 1
            if atomic and problems:
                return problems, {}
            body = {"writer": writer_id, "atomic": atomic, **parts.body}
            answer = await context.writer.ask("write", body, parts.columns)
            if isinstance(answer, dict):
                self._forget_others(answer["writer"])
                continue
            answer, told = answer
            self._count(context, request, usable)
            problems += _late_problems(request, parts, answer, told)
            return problems, answer
        raise NotReady("the storage was started again twice during this request")

    def _count(self, context: Context, request: WriteRequest, usable: Any) -> None:
        for samples in (request.floats, request.histograms):
            mine = int(usable[samples.series].sum())
            context.metrics.received.inc(mine)
            context.metrics.refused.inc(samples.n - mine)

    async def _refs(self, context: Context, request: WriteRequest) -> tuple[Any, Any, str]:
        """References of all series, asking for those of new ones; which are usable; whose they are.

        Other requests may meet another writer while this one asks: what is known is looked up
        again then, for the references of two writers must not be mixed.
        """
        writer_id = self._writer_id
        refs, known = self._cache.find(request)
        new = np.flatnonzero(~known)
        if not len(new):
            return refs, known, writer_id
        labels, valid = label_table(request, new)
        new, labels = new[valid], labels.take(np.flatnonzero(valid))
        if not len(new):
            return refs, known, writer_id
        names = list(labels.columns)
        body = {"names": names, "texts": labels.symbols.texts(np.arange(len(labels.symbols)))}
        columns = {str(i): labels.columns[name] for i, name in enumerate(names)}
        answer, found = await context.writer.ask("refs", body, columns)
        self._forget_others(answer["writer"])
        if answer["writer"] != writer_id and known.any():
            return await self._refs(context, request)
        refs[new], known[new] = found["refs"], True
        self._cache.keep(request, new, found["refs"])
        return refs, known, answer["writer"]

    def _forget_others(self, writer_id: str) -> None:
        """If another process stores samples now than before, its references are others."""
        if writer_id != self._writer_id:
            self._cache.forget()
            self._writer_id = writer_id


def _written(counts: dict[str, int]) -> Iterator[tuple[bytes, bytes]]:
    for kind in ("Samples", "Histograms", "Exemplars"):
        yield _HEADER.format(kind).encode(), str(counts.get(kind.lower(), 0)).encode()


def _early_problems(request: WriteRequest, parts: Parts, usable: Any) -> list[str]:
    """What can be told before anything is stored."""
    found = []
    if request.version == 2:
        found += [
            f"invalid metric name or labels, got {_labels(request, series)}"
            for series in np.flatnonzero(~usable)[:TOLD].tolist()
        ]
    found += [_TOO_FAR + _of(request, series) for series in parts.future]
    for series, words in parts.problems:
        found.append(f"invalid histogram: {words}{_of(request, series)}")
    return found


def _late_problems(request: WriteRequest, parts: Parts, answer: Any, told: Any) -> list[str]:
    """What the storage refused."""
    found = []
    for row, why, bits in zip(
        told["refused"].tolist(), told["why"].tolist(), told["existing"], strict=True
    ):
        words = _WORDS.get(why) or _duplicate(parts, row, bits)
        found.append(words + _of(request, int(parts.series[row])))
    if answer["refused_count"] > len(found):
        found.append(f"and {answer['refused_count'] - len(found)} more")
    late = answer["late_exemplars"]
    if late and request.version == 2:
        found.append(f"out of order exemplar ({late} in this request)")
    return found


def _duplicate(parts: Parts, row: int, bits: Any) -> str:
    words = "duplicate sample for timestamp"
    index = parts.columns.get("h_index")
    if index is not None and index[row] >= 0:
        return words
    words += f" {int(parts.columns['t_ms'][row])}"
    old = format_float(float(np.array([bits]).view(np.float64)[0]))
    new = format_float(float(parts.columns["values"][row]))
    return f"{words}; overrides not allowed: existing {old}, new value {new}"


def _of(request: WriteRequest, series: int) -> str:
    return f" for series {_labels(request, series)}" if request.version == 2 else ""


def _labels(request: WriteRequest, series: int) -> str:
    from promlab.remote.write import texts_of

    table: LabelTable = texts_of(request, request.places[series : series + 1])[0]
    return label_set(table.row(0))


def _negotiated(request: Request, accepted: tuple[str, ...]) -> tuple[int, str]:
    """The version of a request, and why its content type or encoding is not taken, or ""."""
    kind = request.header("content-type") or _PROTOBUF
    media, *parameters = (part.strip() for part in kind.split(";"))
    if media.lower() != _PROTOBUF:
        return 0, f"expected {_PROTOBUF} as the first (media) part, got {kind} content-type"
    message = V1
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals:
            return 0, (
                f"as per RFC 9110 expected parameters to be key-values, got {kind} content-type"
            )
        if name.lower() == "proto":
            message = value
    if message not in accepted:
        known = "not accepted" if message in (V1, V2) else "unknown"
        return (
            0,
            f"{known} remote write protobuf message {message}, supported: {', '.join(accepted)}",
        )
    encoding = request.header("content-encoding") or "snappy"
    if encoding != "snappy":
        return 0, (
            f"{encoding} encoding (compression) is not accepted by this server; "
            "only snappy is acceptable"
        )
    return 2 if message == V2 else 1, ""
