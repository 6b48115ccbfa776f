"""Queries beside scraping: a range query in a loop must not cost a scrape."""

from __future__ import annotations

import http.client
import importlib
import threading
import time
import urllib.parse
from typing import Any

from benchmarks.tools import PROMLAB, need_load_tools

# Targets of 1,000 series, some 200 of them of this metric, each scraped every second.
QUERIES = {
    "2,400 series": (100, 'rate(node_cpu_seconds_total{mode="idle"}[1m])'),
    "19,600 series": (100, "rate(node_cpu_seconds_total[1m])"),
    "24,000 series at 500,000 samples/s": (
        500,
        'rate(node_cpu_seconds_total{mode=~"idle|user"}[1m])',
    ),
}


def loop_query(port: int, expression: str, stop: threading.Event, took: list[float]) -> None:
    """Ask for the last five minutes at one second's step, again and again."""
    while not stop.is_set():
        now = time.time()
        parameters = {"query": expression, "start": now - 300, "end": now, "step": 1}
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/api/v1/query_range?" + urllib.parse.urlencode(parameters))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            print(f"  query failed: HTTP {answer.status}")
        took.append(time.perf_counter() - started)


def measure(ingest: Any, servers: Any, spec: str, expression: str, targets: int) -> str:
    """One server scraping `targets` x 1,000 series while the query loops for 30 s."""
    fleet = ingest.Fleet(targets, 1000, 60)
    server = servers.Server(spec, ingest.config(fleet, targets, 1))
    stop, took = threading.Event(), list[float]()
    try:
        time.sleep(20)
        asking = threading.Thread(target=loop_query, args=(server.port, expression, stop, took))
        asking.start()
        window = 30
        before = fleet.stats()
        time.sleep(window)
        after = fleet.stats()
        stop.set()
        asking.join()
        time.sleep(3)
        ups = server.scalar(f"sum(sum_over_time(up[{window}s]))", after["time"])
        asked = targets * window
        served = after["requests"] - before["requests"]
        missed = f"{max(0, asked - int(ups))} of {asked} scrapes missed ({served} served)"
        return f"{missed}; {len(took)} queries, {1e3 * sum(took) / len(took):.0f} ms each"
    finally:
        stop.set()
        server.stop()
        server.clean()
        fleet.stop()


def main() -> None:
    need_load_tools()
    ingest, servers = importlib.import_module("ingest"), importlib.import_module("servers")
    for name, (targets, expression) in QUERIES.items():
        for spec in ("prometheus", PROMLAB):
            answer = measure(ingest, servers, spec, expression, targets)
            print(f"{name}, {spec.partition('=')[0]}: {answer}", flush=True)
