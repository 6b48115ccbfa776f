"""/api/v1/read: remote read, as one message of samples or as a stream of chunks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from promlab.errors import QueryError, TooManySamples
from promlab.model.samples import SeriesBatch
from promlab.model.storage import SelectHints
from promlab.remote.snappy import MAX_BYTES, BadSnappy, uncompress
from promlab.server.context import Context
from promlab.server.sources import ApiScope
from promlab.web.http import Request, Response, text

_PATIENCE_S = 120.0
_WRITE_BYTES = 1 << 18


async def read(context: Context, request: Request) -> Response:
    """Handle one request."""
    from promlab.remote import read as remote

    try:
        asked = remote.read_request(uncompress(await request.body(MAX_BYTES)))
    except (BadSnappy, remote.BadReadRequest) as error:
        return text(f"{error}\n", 400)
    form = next((each for each in asked.accepted if each in remote.CONTENT_TYPES), None)
    if form is None:
        return text("none of the accepted response types is known\n", 400)
    settings = context.settings
    # As in Prometheus: what is streamed may be more.
    limit = settings.max_samples if form == remote.STREAMED else settings.read_max_samples
    querier = context.within(ApiScope(context.stored(), time.monotonic() + _PATIENCE_S))
    external = (await context.config()).global_.external_labels

    def select(query: remote.ReadQuery) -> SeriesBatch:
        matchers = remote.without_external(query.matchers, external)
        hints = SelectHints(max_samples=limit)
        return querier.select(matchers, query.start_ms, query.end_ms, hints)

    async with context.read_gate:
        with context.metrics.reads.track_inprogress():
            try:
                batches = [await asyncio.to_thread(select, query) for query in asked.queries]
            except TooManySamples:
                return text(f"exceeded sample limit ({limit})\n", 400)
            except QueryError as error:
                return text(f"{error}\n", 500)
            results = await asyncio.to_thread(
                lambda: [remote.as_samples(batch, external) for batch in batches]
            )
    kind = remote.CONTENT_TYPES[form]
    if form == remote.STREAMED:
        return Response(
            body=_grouped(remote.frames(results, settings.read_frame_bytes)),
            content_type=kind,
            threaded=True,
        )
    body = await asyncio.to_thread(remote.samples_body, results)
    return Response(body=body, content_type=kind, headers=[(b"content-encoding", b"snappy")])


def _grouped(frames: Iterator[bytes]) -> Iterator[bytes]:
    """Frames put together: one write for many small series."""
    parts: list[bytes] = []
    size = 0
    for frame in frames:
        parts.append(frame)
        size += len(frame)
        if size >= _WRITE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)
