"""Where spans go: an OTLP endpoint, over gRPC or HTTP, as the `tracing` section says.

Needs the extra `tracing`. Spans wait in a queue and go in batches; what a dead endpoint can't take
is dropped, and said in the log by OpenTelemetry.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import aiohttp
from yarl import URL

from promlab.config.http_client import HttpClientConfig
from promlab.config.tracing import TracingConfig
from promlab.errors import ConfigError, PromlabError
from promlab.transport.session import HttpClient
from promlab.web.log import facts

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = logging.getLogger(__name__)

_CLOSE_S = 5.0


def provider(config: TracingConfig, service: str, version: str) -> TracerProvider:
    """What makes spans and sends them; belongs to the running event loop. Raises ConfigError."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    about = Resource.create({"service.name": service, "service.version": version})
    share = min(1.0, max(0.0, config.sampling_fraction))
    made = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(share)), resource=about, shutdown_on_exit=False
    )
    try:
        exporter = _over_grpc(config) if config.client_type == "grpc" else _http_exporter(config)
    except OSError as error:
        raise ConfigError(f"tracing: {error}", field="tracing.tls_config") from None
    made.add_span_processor(BatchSpanProcessor(exporter))
    return made


def _over_grpc(config: TracingConfig) -> SpanExporter:
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    tls = config.tls_config
    credentials = None
    if not config.insecure:
        credentials = grpc.ssl_channel_credentials(
            _content(tls.ca, tls.ca_file),
            _content(tls.key.reveal(), tls.key_file),
            _content(tls.cert, tls.cert_file),
        )
    name = (("grpc.ssl_target_name_override", tls.server_name),) if tls.server_name else None
    return OTLPSpanExporter(
        endpoint=config.endpoint,
        insecure=config.insecure,
        credentials=credentials,
        headers={name.lower(): value for name, value in config.headers.items()},
        timeout=config.timeout_ms / 1000,
        compression=grpc.Compression.Gzip if config.compression else grpc.Compression.NoCompression,
        channel_options=name,
    )


def _content(text: str, path: str) -> bytes | None:
    """What is written down, or in a file. Raises OSError."""
    if path:
        return Path(path).read_bytes()
    return text.encode() or None


def _http_exporter(config: TracingConfig) -> SpanExporter:
    return cast("SpanExporter", _HttpExporter(config))  # it has all that one does


class _HttpExporter:
    """Posts batches with our own client, on the event loop; called from the batches' thread."""

    def __init__(self, config: TracingConfig) -> None:
        self._timeout_s = config.timeout_ms / 1000
        self._url, self._packs = URL(_url(config)), bool(config.compression)
        headers = {**config.headers, "Content-Type": "application/x-protobuf"}
        if self._packs:
            headers["Content-Encoding"] = "gzip"
        self._client = HttpClient(HttpClientConfig(tls_config=config.tls_config), headers)
        self._loop = asyncio.get_running_loop()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.sdk.trace.export import SpanExportResult

        body = encode_spans(spans).SerializeToString()
        sending = self._send(gzip.compress(body, 6) if self._packs else body)
        try:
            status = asyncio.run_coroutine_threadsafe(sending, self._loop).result()
        except (PromlabError, OSError, TimeoutError, aiohttp.ClientError) as error:
            return self._failed(str(error) or type(error).__name__)
        if status >= 300:
            return self._failed(f"status {status}")
        return SpanExportResult.SUCCESS

    def _failed(self, why: str) -> SpanExportResult:
        from opentelemetry.sdk.trace.export import SpanExportResult

        log.warning("Spans could not be sent", extra=facts(url=str(self._url), err=why))
        return SpanExportResult.FAILURE

    async def _send(self, body: bytes) -> int:
        async with asyncio.timeout(self._timeout_s):
            async with self._client.open("POST", self._url, body=body) as answer:
                await answer.read()
                return answer.status

    def shutdown(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(_CLOSE_S)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


def _url(config: TracingConfig) -> str:
    """The address, with what is usual where it leaves something out."""
    scheme = "http" if config.insecure else "https"
    url = config.endpoint if "://" in config.endpoint else f"{scheme}://{config.endpoint}"
    return url if "/" in url.partition("://")[2] else f"{url}/v1/traces"
