"""/api/v1/otlp/v1/metrics: receives OTLP metrics, in protobuf or JSON, plain or gzip.

Differences are added up (`otlp-deltatocumulative`), stored as they are
(`otlp-native-delta-ingestion`), or left out. What is left out, scales that are too wide as well,
is told in the log and is no error: an exporter could do nothing about it. Samples that can't be
stored are named in a 400; the good ones of the same request are kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import numpy as np
from isal import isal_zlib

from promlab.model.storage import AppendOutcome, SampleExtras
from promlab.model.wire import BadMessage
from promlab.server.context import Context
from promlab.server.sample_frames import Frame, sample_frame
from promlab.web.http import Request, Response, text
from promlab.web.log import facts

if TYPE_CHECKING:
    from promlab.config import Config
    from promlab.remote.otlp.cumulative import RunningSums

log = logging.getLogger(__name__)

MAX_BYTES = 64 << 20  # packed and unpacked alike
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_ADDED_UP, _AS_THEY_ARE = "otlp-deltatocumulative", "otlp-native-delta-ingestion"
_FUTURE_MS = 600_000
_WARN_EVERY_S = 10.0
_warned_at = -_WARN_EVERY_S


class OtlpReceiver:
    """The receiver of one reader: what adds up differences, where that is asked for."""

    def __init__(self) -> None:
        self._sums: RunningSums | None = None

    async def __call__(self, context: Context, request: Request) -> Response:
        """Handle one request."""
        if not context.settings.enable_otlp:
            return text(
                "otlp write receiver needs to be enabled with --web.enable-otlp-receiver\n", 404
            )
        kind = request.header("content-type").partition(";")[0].strip().lower()
        if kind not in (_PROTOBUF, _JSON):
            return text(
                f"unsupported content type: {kind}, supported: [{_JSON}, {_PROTOBUF}]\n", 400
            )
        encoding = request.header("content-encoding") or "none"
        if encoding not in ("gzip", "none", "identity"):
            return text(
                f"unsupported compression: {encoding}. Only gzip or none is supported\n", 400
            )
        body = await request.body(MAX_BYTES)
        config = await context.config()
        try:
            if encoding == "gzip":
                body = await asyncio.to_thread(_unpacked, body)
            problem = await self._store(context, config, body, is_json=kind == _JSON)
        except BadMessage as error:
            return text(f"{error}\n", 400)
        return text(problem + "\n", 400) if problem else Response(200, content_type="")

    async def _store(self, context: Context, config: Config, body: bytes, *, is_json: bool) -> str:
        """Hand samples over; returns what is wrong with some, or ""."""
        from promlab.remote.otlp.cumulative import RunningSums
        from promlab.remote.otlp.json_body import protobuf
        from promlab.remote.otlp.points import ADDED_UP, AS_THEY_ARE, LEFT_OUT
        from promlab.remote.otlp.rows import OtlpSamples
        from promlab.remote.otlp.series import read_request

        if _ADDED_UP in context.features and self._sums is None:
            self._sums = RunningSums()
        sums = self._sums
        delta = AS_THEY_ARE if _AS_THEY_ARE in context.features else LEFT_OUT
        delta = delta if sums is None else ADDED_UP
        typed = "type-and-unit-labels" in context.features

        def read() -> tuple[OtlpSamples, Frame]:
            whole = protobuf(body) if is_json else body
            found = read_request(whole, config.otlp, delta=delta, typed=typed)
            if sums is not None:
                found = sums.totals(found)
            starts = found.start_ms if "st-storage" in context.features else None
            extras = SampleExtras(found.histograms, starts)
            frame = sample_frame(found.labels, found.t_ms, found.values, extras, found.exemplars)
            return found, frame

        found, frame = await asyncio.to_thread(read)
        if found.skipped:
            _warn("; ".join(found.skipped))
        if not found.n:
            return ""
        if int(np.max(found.t_ms)) > time.time_ns() // 1_000_000 + _FUTURE_MS:
            return "out of bounds: a timestamp is more than 10 minutes in the future"
        outcome = AppendOutcome(**await context.writer.ask("record", *frame))
        context.metrics.received.inc(outcome.appended)
        return refused(outcome)


def _unpacked(body: bytes) -> bytes:
    """Raises BadMessage."""
    try:
        stream = isal_zlib.decompressobj(31)
        found: bytes = stream.decompress(body, MAX_BYTES + 1)
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls it an instance
        raise BadMessage(f"gzip: {error}") from None
    if len(found) > MAX_BYTES:
        raise BadMessage(f"gzip: more than {MAX_BYTES >> 20} MiB when unpacked")
    if not stream.eof:
        raise BadMessage("gzip: unexpected EOF")
    return found


def refused(outcome: AppendOutcome) -> str:
    """What is wrong with samples that were not stored, or ""."""
    for count, words in (
        (outcome.out_of_order, "out of order sample"),
        (outcome.too_old, "too old sample"),
        (outcome.duplicate, "duplicate sample for timestamp"),
    ):
        if count:
            return f"{words} ({count} in this request)"
    return ""


def _warn(reason: str) -> None:
    """Now and then, not for each request of an exporter that keeps on."""
    global _warned_at
    if time.monotonic() - _warned_at >= _WARN_EVERY_S:
        _warned_at = time.monotonic()
        log.warning("OTLP points were left out", extra=facts(reason=reason))
