"""Spans of requests, queries and rules, sent by OTLP where the `tracing` section says so.

Names and attributes are Prometheus's. Without that section nothing of OpenTelemetry is loaded, and
a request costs one look at `on`. Parts of a query are made from its statistics when it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from promlab import __version__
from promlab.promql.result import QueryStats
from promlab.server.process import off_loop

if TYPE_CHECKING:
    from opentelemetry.context import Context as SpanContext
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

    from promlab.config import Config
    from promlab.config.tracing import TracingConfig

_SERVICE = "promlab"
_LAST_S = 5.0  # for what is left at the end


class Tracing:
    """The spans of one reader."""

    def __init__(self) -> None:
        self.on = False
        self._config: TracingConfig | None = None
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    async def apply(self, config: Config) -> None:
        """Trace as this configuration says. Raises ConfigError."""
        if config.tracing == self._config:
            return
        made = None
        if config.tracing is not None:
            from promlab.server.trace_export import provider

            made = provider(config.tracing, _SERVICE, __version__)
        await self.stop()
        self._config, self._provider = config.tracing, made
        if made is not None:
            self._tracer = made.get_tracer(_SERVICE, __version__)
            self.on = True

    async def stop(self) -> None:
        """Send what is left, and no more."""
        provider, self._provider, self._tracer, self.on = self._provider, None, None, False
        if provider is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await off_loop(provider.shutdown)

    @contextlib.contextmanager
    def request(self, scope: dict[str, Any], route: str) -> Iterator[Span]:
        """The span of a request, a child of its client's."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        assert self._tracer is not None
        headers = {name.decode("latin-1"): value.decode("latin-1")
                   for name, value in scope["headers"]}  # fmt: skip
        around = TraceContextTextMapPropagator().extract(headers)
        with self._tracer.start_as_current_span(
            f"{scope['method']} {route}", around, SpanKind.SERVER, _of_request(scope, headers)
        ) as span:
            yield span

    def query(self, text: str, stats: QueryStats | None, queue_s: float = 0.0) -> None:
        """The spans of a query that is done, below the one around it."""
        if self._tracer is None:
            return
        from opentelemetry.trace import get_current_span

        get_current_span().set_attribute("query", f"EVAL {text}")
        if stats is not None:
            self._parts(stats, queue_s, None)

    def ids(self) -> dict[str, str]:
        """What the query log says of the span around; nothing where there is none."""
        if not self.on:
            return {}
        from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

        found = get_current_span().get_span_context()
        if not found.is_valid:
            return {}
        return {"spanID": format_span_id(found.span_id), "traceID": format_trace_id(found.trace_id)}

    def rule(self, name: str, text: str, stats: QueryStats | None, error: str) -> None:
        """The spans of a rule that was evaluated; of `error`, if it failed."""
        if self._tracer is None:
            return
        from opentelemetry.trace import StatusCode, set_span_in_context

        took_s = 0.0 if stats is None else stats.prepare_s + stats.eval_s
        now_ns = time.time_ns()
        span = self._tracer.start_span(
            "rule",
            attributes={"name": name, "query": f"EVAL {text}"},
            start_time=now_ns - int(took_s * 1e9),
        )
        if stats is not None:
            self._parts(stats, 0.0, set_span_in_context(span))
        if error:
            span.set_status(StatusCode.ERROR, error)
        span.end(now_ns)

    def _parts(self, stats: QueryStats, queue_s: float, around: SpanContext | None) -> None:
        from opentelemetry.trace import set_span_in_context

        end_ns = time.time_ns()
        inner_ns = end_ns - int(stats.eval_s * 1e9)
        eval_ns = inner_ns - int(stats.prepare_s * 1e9)
        begin_ns = eval_ns - int(queue_s * 1e9)

        def made(name: str, parent: SpanContext | None, start: int, end: int) -> SpanContext:
            assert self._tracer is not None
            span = self._tracer.start_span(name, parent, start_time=start)
            span.end(end)
            return set_span_in_context(span)

        whole = made("promqlExec", around, begin_ns, end_ns)
        made("promqlExecQueue", whole, begin_ns, eval_ns)
        evaluation = made("promqlEval", whole, eval_ns, end_ns)
        made("promqlPrepare", evaluation, eval_ns, inner_ns)
        made("promqlInnerEval", evaluation, inner_ns, end_ns)


def _of_request(scope: dict[str, Any], headers: dict[str, str]) -> dict[str, str | int]:
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
    return {
        "server.address": str(server[0]),
        "server.port": int(server[1] or 0),
        "http.request.method": scope["method"],
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"],
        "network.peer.address": str(client[0]),
        "network.peer.port": int(client[1] or 0),
        "network.protocol.version": scope.get("http_version", "1.1"),
        "client.address": str(client[0]),
        "user_agent.original": headers.get("user-agent", ""),
    }


def answered(span: Span, status: int, size: int) -> None:
    """Say in a request's span how it ended."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("http.response.status_code", status)
    span.set_attribute("http.response.body.size", size)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
