"""The same scrape configurations, the same targets: the real Prometheus and promlab store the same.

One configuration with a job for each case runs in both. The target answers by path, and can
tell what it was asked with.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.exposition.family_bodies import HISTOGRAM, family, metric, native
from tests.real_programs import prometheus
from tests.server.running import running, until

pytestmark = pytest.mark.peers

PLAIN = (
    '# TYPE hits_total counter\nhits_total{job="own",code="200",path="/A"} 1\n'
    'hits_total{code="500",path="/b"} 2\nlevel{unit="m",__tmp="x"} -0.5\nbig 1e300\n'
)
CLASSIC = '# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n'
OPENMETRICS = '# TYPE c counter\nc_total 3 # {t="x"} 1\nc_created 5\n# EOF\n'
TEXT, OM = "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"
PROTO = "application/vnd.google.protobuf"
BODIES: dict[str, tuple[str, bytes]] = {
    "/metrics": (TEXT, PLAIN.encode()),
    "/classic": (TEXT, CLASSIC.encode()),
    "/open": (OM, OPENMETRICS.encode()),
    "/utf8": (TEXT, b'{"a.b","l.x"="y"} 1\nok 2\n'),
    "/untyped": ("", b"a 1\n"),
    "/strange": ("text/html", b"a 1\n"),
    "/proto": (PROTO, family("nh", HISTOGRAM, metric(native()))),
    "/broken": (TEXT, b"a 1\nb{ 2\n"),
    "/twice": (TEXT, b"a 1\na 2\n"),
    "/empty": (TEXT, b""),
}


def rule(**options: str) -> str:
    return "{" + ", ".join(f"{name}: {text}" for name, text in options.items()) + "}"


def after(*rules: str) -> str:
    return f"metric_relabel_configs: [{', '.join(rules)}]"


def before(*rules: str) -> str:
    return f"relabel_configs: [{', '.join(rules)}]"


TELL = "metrics_path: /tell"
# name: options of the job; {a} is the target's address, {b} that of another one.
CASES = {
    "plain": "",
    "honor": "honor_labels: true",
    "replace": after(rule(source_labels="[code, path]", separator="'-'", regex="'(.)00-/(.*)'",
                          target_label="x", replacement="'${1}:$2'")),
    "keep": after(rule(source_labels="[__name__]", regex="hits.*", action="keep")),
    "drop": after(rule(source_labels="[code]", regex="500", action="drop")),
    "keepequal": after(rule(source_labels="[code]", target_label="path", action="keepequal")),
    "dropequal": after(rule(source_labels="[unit]", target_label="path", action="dropequal")),
    "hashmod": after(rule(source_labels="[path]", modulus="7", target_label="m",
                          action="hashmod")),
    "labelmap": after(rule(regex="(c)ode", replacement="mapped_$1", action="labelmap")),
    "labeldrop": after(rule(regex="code|path", action="labeldrop")),
    "labelkeep": after(rule(regex="__name__|job|instance", action="labelkeep")),
    "lowercase": after(rule(source_labels="[path]", target_label="path", action="lowercase")),
    "uppercase": after(rule(source_labels="[path]", target_label="up_", action="uppercase")),
    "rename": after(rule(source_labels="[__name__]", regex="big", target_label="__name__",
                         replacement="small")),
    "target_labels": before(
        rule(source_labels="[__address__]", regex="(.*):.*", target_label="host"),
        rule(target_label="__metrics_path__", replacement="/classic"),
        rule(target_label="__param_q", replacement="z"),
        rule(regex="__meta_(.+)", action="labelmap"),
        rule(target_label="instance", replacement="me"),
    ),
    "target_dropped": before(rule(source_labels="[job]", action="drop", regex="target_dropped")),
    "sample_limit": "sample_limit: 3",
    "sample_limit_fits": "sample_limit: 4",
    "label_limit": "label_limit: 4",
    "name_length": "label_name_length_limit: 7",
    "value_length": "label_value_length_limit: 12",
    "body_size": "body_size_limit: 100B",
    "target_limit": "target_limit: 1",
    "nhcb": "metrics_path: /classic, convert_classic_histograms_to_nhcb: true",
    "nhcb_both": "metrics_path: /classic, convert_classic_histograms_to_nhcb: true,"
    " always_scrape_classic_histograms: true",
    "openmetrics": "metrics_path: /open",
    "utf8": "metrics_path: /utf8",
    "legacy": "metrics_path: /utf8, metric_name_validation_scheme: legacy,"
    " metric_name_escaping_scheme: underscores",
    "untyped": "metrics_path: /untyped",
    "fallback": "metrics_path: /untyped, fallback_scrape_protocol: PrometheusText0.0.4",
    "strange": "metrics_path: /strange",
    "fallback_strange": "metrics_path: /strange, fallback_scrape_protocol: PrometheusText0.0.4",
    "broken": "metrics_path: /broken",
    "twice": "metrics_path: /twice",
    "empty": "metrics_path: /empty",
    "missing": "metrics_path: /nowhere",
    "params": f"{TELL}, params: {{a: [x, y], b: ['1 2']}}",
    "basic": f"{TELL}, basic_auth: {{username: u, password: p}}",
    "bearer": f"{TELL}, authorization: {{type: Token, credentials: abc}}",
    "headers": f"{TELL}, http_headers: {{X-Own: {{values: [v]}}}}",
    "identity": f"{TELL}, enable_compression: false",
    "moved": "metrics_path: /moved, params: {there: ['/tell']}, bearer_token: abc",
    "moved_away": "metrics_path: /moved, params: {there: ['http://localhost:{port}/tell']},"
    " basic_auth: {username: u, password: p}",
    "moved_not": "metrics_path: /moved, params: {there: ['/tell']}, follow_redirects: false",
    "proxied": f"{TELL}, proxy_url: 'http://{{a}}'",
    "not_proxied": f"{TELL}, proxy_url: 'http://{{a}}', no_proxy: '127.0.0.1'",
    "proto": "metrics_path: /proto",
}  # fmt: skip
# What only one of the two knows.
ONLY_PROMLAB = {"proto": "scrape_native_histograms: true"}
TWO_TARGETS = {"target_limit"}
# Of scrapes that fail on the way Prometheus counts what came before; promlab knows all or nothing.
BROKEN = {"label_limit", "name_length", "value_length", "legacy", "broken"}
COUNTS = {"scrape_samples_scraped", "scrape_samples_post_metric_relabeling"}


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path.startswith("http://"):  # as a proxy
                path = "/" + path.split("/", 3)[3]
                query = f"proxied&{query}"
            if path == "/moved":
                there = httpx.QueryParams(query)["there"]
                self.answer(302, b"", Location=there)
                return
            if path == "/tell":
                asked = {
                    "query": query,
                    "auth": self.headers.get("Authorization", ""),
                    "own": self.headers.get("X-Own", ""),
                    "encoding": self.headers.get("Accept-Encoding", ""),
                    "timeout": self.headers.get("X-Prometheus-Scrape-Timeout-Seconds", ""),
                }
                labels = ",".join(f'{name}="{text}"' for name, text in asked.items())
                self.answer(200, f"asked{{{labels}}} 1\n".encode(), Content_Type=TEXT)
                return
            kind, body = BODIES.get(path, ("", b""))
            headers = {"Content_Type": kind} if kind else {}
            self.answer(200 if path in BODIES else 404, body, **headers)

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name.replace("_", "-"), text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def config(address: str, more: dict[str, str]) -> str:
    port = address.rpartition(":")[2]
    lines = ["global: {scrape_interval: 1s, scrape_timeout: 900ms}", "scrape_configs:"]
    for name, options in CASES.items():
        own = ", ".join(part for part in (options, more.get(name, "")) if part)
        own = own.replace("{a}", address).replace("{port}", port)
        addresses = [address, f"localhost:{port}"] if name in TWO_TARGETS else [address]
        static = f"static_configs: [{{targets: {addresses}, labels: {{__meta_zone: q}}}}]"
        lines.append(f"- {{job_name: {name}, {static}{', ' + own if own else ''}}}")
    return "\n".join(lines)


def stored(client: httpx.Client) -> dict[str, dict[tuple[tuple[str, str], ...], Any]]:
    """By job, the newest value of each series; durations are left out."""
    answer = client.get("/api/v1/query", params={"query": '{__name__=~".+"}'}).json()["data"]
    found: dict[str, dict[tuple[tuple[str, str], ...], Any]] = {name: {} for name in CASES}
    for series in answer["result"]:
        labels = series["metric"]
        name = labels["__name__"]
        if name in ("scrape_duration_seconds", "scrape_series_added"):
            continue
        job = labels["job"] if labels["job"] in CASES else "honor"
        if job in BROKEN and name in COUNTS:
            continue
        key = tuple(sorted(labels.items()))
        found[job][key] = value(series)
    return found


def value(series: dict[str, Any]) -> Any:
    if "histogram" in series:
        histogram = series["histogram"][1]
        buckets = [tuple(f"{float(n):.12g}" for n in bucket) for bucket in histogram["buckets"]]
        return float(histogram["count"]), float(histogram["sum"]), buckets
    number = float(series["value"][1])
    return "NaN" if math.isnan(number) else number


def settled(client: httpx.Client) -> bool:
    answer = client.get("/api/v1/targets").json()["data"]["activeTargets"]
    query = {"query": "min(count_over_time(up[1m]))"}
    count = client.get("/api/v1/query", params=query).json()["data"]["result"]
    return bool(answer) and bool(count) and float(count[0]["value"][1]) >= 2


def health(client: httpx.Client) -> dict[tuple[str, str], str]:
    answer = client.get("/api/v1/targets").json()["data"]
    return {
        (each["scrapePool"], each["scrapeUrl"]): each["health"] for each in answer["activeTargets"]
    }


@pytest.mark.slow
def test_both_store_the_same(peers: Path, tmp_path: Path, target: str) -> None:
    text = config(target, {})
    flags = ("--enable-feature=native-histograms",)
    (tmp_path / "p.yml").write_text(config(target, ONLY_PROMLAB))
    with running(tmp_path) as server, prometheus(peers, tmp_path / "real", text, *flags) as client:
        until(lambda: settled(server.client), "promlab's scrapes")
        until(lambda: settled(client), "Prometheus's scrapes")
        mine, theirs = stored(server.client), stored(client)
        assert health(server.client) == health(client)
    wrong = [name for name in CASES if mine[name] != theirs[name]]
    shown = {name: differences(mine[name], theirs[name]) for name in wrong}
    assert not wrong, "\n".join(f"{name}: {each}" for name, each in shown.items())
    assert sum(map(len, theirs.values())) > 150


def differences(mine: dict[Any, Any], theirs: dict[Any, Any]) -> dict[Any, Any]:
    keys = mine.keys() | theirs.keys()
    return {k: (mine.get(k), theirs.get(k)) for k in keys if mine.get(k) != theirs.get(k)}
