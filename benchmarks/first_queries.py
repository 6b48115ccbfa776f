"""The first query of each kind after a start, and one answer of 2.4 million points.

Kernels come from their cache when a query first needs them: the first of a kind is timed beside
its second, over HTTP, in servers that have answered nothing yet.
"""

from __future__ import annotations

import http.client
import importlib
import time
import urllib.parse
from typing import Any

from benchmarks.tools import PROMLAB, need_load_tools

ONE = 'bench_requests_total{instance="i-3"}'
KINDS = {
    "constant": "1 + 1",
    "selector": ONE,
    "rate": f"rate({ONE}[5m])",
    "sum by rate": "sum by (code) (rate(bench_requests_total[5m]))",
    "over time": 'max_over_time(bench_memory_bytes{instance="i-1"}[10m])',
    "quantile over time": 'quantile_over_time(0.9, bench_memory_bytes{instance="i-1"}[10m])',
    "deriv": 'deriv(bench_memory_bytes{instance="i-1"}[10m])',
    "predict_linear": 'predict_linear(bench_memory_bytes{instance="i-1"}[10m], 60)',
    "changes": 'changes(bench_memory_bytes{instance="i-1"}[10m])',
    "join": f"rate(bench_errors_total[5m]) / rate({ONE}[5m])",
    "set operator": f"bench_errors_total unless {ONE}",
    "comparison": f"{ONE} > 10",
    "topk": "topk(5, bench_requests_total)",
    "quantile": "quantile(0.9, bench_requests_total)",
    "count_values": f'count_values("n", {ONE} % 5)',
    "classic histogram": (
        "histogram_quantile(0.9, sum by (le) (rate(bench_duration_seconds_bucket[5m])))"
    ),
    "subquery": f"max_over_time(rate({ONE}[5m])[30m:1m])",
    "label function": f'label_replace({ONE}, "a", "$1", "handler", "/api/(.*)")',
    "sort": f"sort_desc({ONE})",
    "regex": 'bench_requests_total{handler=~"/api/h1.*"}',
    "calendar": f"hour(timestamp({ONE}))",
}
POINTS = 'bench_big_total{instance=~"i-[0-9]?[0-9]"}'  # 10,000 series


def main() -> None:
    need_load_tools()
    servers, queries = map(importlib.import_module, ("servers", "queries"))
    end = int(time.time()) // 60 * 60
    both = [servers.Server(spec) for spec in (PROMLAB, "prometheus")]
    try:
        queries.load(both, True, 2, 15, end)
        print(f"{'first and second answer, ms':32}" + "".join(f"{s.name:>22}" for s in both))
        for path in ("query", "query_range"):
            for kind, query in KINDS.items():
                took = [[asked(s.port, path, query, end) for _ in range(2)] for s in both]
                cells = "".join(f"{a * 1e3:12.1f} {b * 1e3:9.1f}" for a, b in took)
                print(f"{path + ' ' + kind:32}{cells}", flush=True)
        for server in both:
            before = server.cpu()
            took = sorted(asked(server.port, "query_range", POINTS, end) for _ in range(5))
            cpu_s = (server.cpu() - before) / 5
            print(
                f"2.4 million points: {server.name} {took[2] * 1e3:,.0f} ms (median of 5), "
                f"{cpu_s * 1e3:,.0f} ms of CPU"
            )
    finally:
        for server in both:
            server.stop()
            server.clean()


def asked(port: int, path: str, query: str, end: int) -> float:
    """Seconds from the request's first byte to the answer's last."""
    times: dict[str, Any] = {"time": end}
    if path == "query_range":
        times = {"start": end - 3600, "end": end, "step": 15}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.connect()
    started = time.perf_counter()
    connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode({'query': query, **times})}")
    answer = connection.getresponse()
    answer.read()
    took = time.perf_counter() - started
    connection.close()
    assert answer.status == 200, query
    return took
