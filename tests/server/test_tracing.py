"""Spans of a real server, at a collector of our own, beside those of the real Prometheus."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services
from running import running

from promlab.config import load_text, support
from promlab.errors import ConfigError
from promlab.server.tracing import Tracing
from tests import real_programs
from tests.patience import until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CLIENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "user-agent": "a test"}
RULES = """
groups:
- name: g
  rules:
  - {record: seen, expr: sum(up)}
  - {record: wrong, expr: 'label_replace(vector(1), "a", "b", "", "") == on() group_left() up'}
"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries send what they have each 200 ms, and not each five seconds."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")


class Span(NamedTuple):
    name: str
    id: str
    parent: str
    trace: str
    attributes: dict[str, Any]
    status: int
    took_ns: int


class Collector:
    """What was received: spans, and the headers of the last request."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resource: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.address = ""

    def take(self, request: Any, headers: dict[str, str]) -> None:
        self.headers = headers
        for resource in request.resource_spans:
            self.resource = attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += map(span_of, scope.spans)

    def named(self, name: str) -> list[Span]:
        return [span for span in list(self.spans) if span.name == name]

    def below(self, span: Span) -> dict[str, dict[str, Any]]:
        """Names of the spans below one, as a tree."""
        inside = [each for each in list(self.spans) if each.parent == span.id]
        return {each.name: self.below(each) for each in inside}


def attributes(found: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in found}


def span_of(span: Any) -> Span:
    return Span(
        span.name,
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.trace_id.hex(),
        attributes(span.attributes),
        span.status.code,
        span.end_time_unix_nano - span.start_time_unix_nano,
    )


@contextmanager
def over_grpc() -> Iterator[Collector]:
    found = Collector()

    class Servicer(services.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            found.take(request, dict(context.invocation_metadata()))
            return messages.ExportTraceServiceResponse()

    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        services.add_TraceServiceServicer_to_server(Servicer(), server)
        found.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield found
        finally:
            server.stop(None).wait()


@contextmanager
def over_http() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            found.take(messages.ExportTraceServiceRequest.FromString(body), headers)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def config(folder: Path, collector: Collector, kind: str, more: str = "") -> str:
    (folder / "r.yml").write_text(RULES)
    return (
        f"global: {{evaluation_interval: 1s}}\nrule_files: ['{folder}/r.yml']\n"
        f"tracing: {{client_type: {kind}, endpoint: '{collector.address}', insecure: true, "
        f"headers: {{X-A: b}}, compression: gzip, sampling_fraction: 1{more}}}\n"
    )


def ask(client: httpx.Client) -> None:
    client.get("/api/v1/query", params={"query": "sum(up)"}, headers=CLIENT)
    client.get("/api/v1/query", params={"query": "sum("})
    client.get("/-/ready")


def check(found: Collector) -> None:
    """What promlab and Prometheus have in common."""
    (query,) = until(
        lambda: [s for s in found.named("GET /api/v1/query") if s.parent == PARENT], "a query"
    )
    assert query.trace == TRACE
    assert query.attributes["query"] == "EVAL sum(up)"
    assert query.attributes["http.response.status_code"] == 200
    assert query.attributes["user_agent.original"] == "a test"
    assert query.attributes["url.path"] == "/api/v1/query"
    assert query.attributes["http.response.body.size"] > 50
    until(lambda: "promqlExec" in found.below(query), "its parts")
    parts = found.below(query)["promqlExec"]
    assert {"promqlExecQueue", "promqlEval"} <= parts.keys()
    assert {"promqlPrepare", "promqlInnerEval"} <= parts["promqlEval"].keys()
    (bad,) = [s for s in found.named("GET /api/v1/query") if s.parent != PARENT]
    assert (bad.attributes["http.response.status_code"], bad.status) == (400, 0)
    assert until(lambda: found.named("GET /-/ready"), "a probe")
    rules = until(lambda: found.named("rule"), "a rule")
    by_name = {span.attributes["name"]: span for span in rules}
    assert by_name["seen"].attributes["query"] == "EVAL sum(up)"
    assert "promqlEval" in found.below(by_name["seen"])["promqlExec"]
    assert "b" in (found.headers.get("x-a"), found.headers.get("X-A"))
    assert found.resource["service.name"] in ("promlab", "prometheus")


@pytest.mark.parametrize(("kind", "collect"), [("grpc", over_grpc), ("http", over_http)])
def test_spans_of_requests_queries_and_rules(
    tmp_path: Path, kind: str, collect: Callable[[], Any]
) -> None:
    with collect() as collector:
        log = f"\nglobal: {{query_log_file: '{tmp_path}/queries.log', evaluation_interval: 1s}}\n"
        text = config(tmp_path, collector, kind).partition("\n")[2]
        (tmp_path / "p.yml").write_text(text + log)
        with running(tmp_path) as server:
            until(lambda: collector.named("rule"), "the configuration to be followed")
            ask(server.client)
            check(collector)
        assert collector.resource["service.name"] == "promlab"
        assert f'"traceID":"{TRACE}"' in (tmp_path / "queries.log").read_text()


@pytest.mark.peers
def test_the_real_ones_are_alike(tmp_path: Path, peers: Path) -> None:
    with over_grpc() as collector:
        text = config(tmp_path, collector, "grpc")
        with real_programs.prometheus(peers, tmp_path / "real", text) as client:
            ask(client)
            check(collector)


def test_few_requests_are_traced_unless_their_client_is(tmp_path: Path) -> None:
    with over_http() as collector:
        text = config(tmp_path, collector, "http").replace("sampling_fraction: 1", "timeout: 5s")
        (tmp_path / "p.yml").write_text(text)
        with running(tmp_path) as server:

            def traced() -> bool:
                ask(server.client)
                return bool(collector.spans)

            until(traced, "spans of the client's trace")
        assert {span.trace for span in collector.spans} == {TRACE}


def test_a_dead_endpoint_costs_nothing_but_a_line(tmp_path: Path) -> None:
    with over_http() as collector:
        text = config(tmp_path, collector, "http")
    (tmp_path / "p.yml").write_text(text)
    with running(tmp_path) as server:
        log = tmp_path / "log"
        until(lambda: "Spans could not be sent" in log.read_text(), "a line")
        assert server.client.get("/api/v1/query?query=1").status_code == 200
    assert "Traceback" not in log.read_text()


def test_without_the_extra_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "_OF_TRACING", ("no_such_module.at_all",))
    with pytest.raises(ConfigError, match=r"pip install 'promlab\[tracing\]'"):
        load_text("tracing: {endpoint: 'x:1'}")


async def test_off_it_makes_nothing() -> None:
    tracing = Tracing()
    await tracing.apply(load_text(""))
    tracing.query("up", None)
    assert (tracing.on, tracing.ids()) == (False, {})
    await tracing.stop()
